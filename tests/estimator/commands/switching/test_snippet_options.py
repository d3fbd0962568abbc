from typing import Any

import click
import pytest

from estimator.commands.switching.snippet_options import check_snippet_options, read_moves
from estimator.errors import InputError
from estimator.migration.order.moves import Move

USUAL: dict[str, Any] = {
    "program": "apache",
    "old": "10.0.0.7:8080",
    "new": "10.0.1.9:30080",
    "namespace": None,
    "gateway": None,
    "host": (),
    "output": "switch",
    "paths": (),
}
TEMPLATES = ("/watch/{id}", "/api/*", "*", "other")


def moves(**options: Any) -> tuple[Move, ...]:
    return read_moves({**USUAL, **options}, TEMPLATES, (1, 100))


def problems(**options: Any) -> list[str]:
    with pytest.raises(InputError) as error:
        moves(**options)
    return [str(problem) for problem in error.value.problems]


def test_without_a_program_there_are_no_snippets() -> None:
    assert moves(program=None, old=None, new=None) == ()


def test_all_paths_are_one_prefix() -> None:
    (move,) = moves()
    assert (move.phases, move.program) == ("1 to 2", "apache")
    assert [percent for percent, _ in move.steps] == [1, 100]
    assert "1% of /* to 10.0.1.9:30080" in move.steps[0][1].text


def test_paths_are_templates_or_their_tags() -> None:
    named = moves(paths=("/watch/_id_,/api/*", "/watch/{id}", "/new/{name}"))
    assert [move.steps[0][1].text.splitlines()[0].split()[3] for move in named] == [
        *("/watch/{id}", "/api/*", "/new/{name}")
    ]


@pytest.mark.parametrize(
    ("program", "kind"),
    [("nginx", "upstream"), ("virtual-service", "VirtualService"), ("http-route", "HTTPRoute")],
)
def test_program_decides_the_snippet(program: str, kind: str) -> None:
    (move,) = moves(program=program, old="old.shop:80", new="new.shop:80", paths=("/api/*",))
    assert kind in move.steps[0][1].text


def test_objects_are_attached_where_it_says() -> None:
    (move,) = moves(
        program="http-route",
        old="old:80",
        new="new:80",
        namespace="shop",
        gateway="edge/public",
        host=("a.example.com",),
    )
    text = move.steps[0][1].text
    for words in ("namespace: shop", "name: public", "namespace: edge", "a.example.com"):
        assert words in text


def test_everything_wrong_is_told_at_once() -> None:
    found = problems(old="nowhere", new="x:99999", gateway="edge", paths=("other",))
    assert [problem.split(":")[0] for problem in found] == [
        *("--old", "--new", "--namespace, --gateway or --host", "--paths")
    ]


def test_http_route_needs_services() -> None:
    (problem,) = problems(program="http-route")
    assert problem.startswith("--old or --new: expected a Service such as")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"program": None, "new": None}, "--old is for a --program."),
        ({"program": None, "old": None, "new": None, "host": ("a",)}, "--host is for a"),
        ({"old": None}, "--program needs --old."),
        ({"output": None}, "--program needs --output."),
        ({"gateway": "a/b"}, "--gateway and --host are for --program http-route."),
    ],
)
def test_options_that_need_each_other_say_so(options: dict[str, Any], message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        check_snippet_options({**USUAL, **options})


def test_complete_options_are_taken() -> None:
    check_snippet_options(USUAL)
    check_snippet_options({**USUAL, "program": "http-route", "gateway": "a/b"})
    check_snippet_options({**USUAL, "program": None, "old": None, "new": None, "output": None})
