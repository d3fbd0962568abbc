"""Checks how paths become route tags, which are never more than the templates."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.routes import OTHER, RouteTable, TemplateError, route_tag

TEMPLATES = (
    "/",
    "/watch/{id}",
    "/watch/latest",
    "/watch/{id}/comments/{comment}",
    "/api/*",
    "/api/users/{id}",
    "/Static/*",
    "/files/{name}/raw",
)
TABLE = RouteTable(TEMPLATES)


@pytest.mark.parametrize(
    ("target", "tag"),
    [
        (b"/", "/"),
        (b"/?q=1", "/"),
        (b"/watch/42", "/watch/_id_"),
        (b"/watch/42?t=1", "/watch/_id_"),
        (b"/watch/latest", "/watch/latest"),
        (b"/watch/", OTHER),
        (b"/watch", OTHER),
        (b"/watch/42/", OTHER),
        (b"/watch/42/comments/7", "/watch/_id_/comments/_comment_"),
        (b"/watch/latest/comments/7", "/watch/_id_/comments/_comment_"),
        (b"/api/", "/api/_"),
        (b"/api", OTHER),
        (b"/api/x/y/z", "/api/_"),
        (b"/api/users/7", "/api/users/_id_"),
        (b"/api/users/7/posts", "/api/_"),
        (b"/Static/a.css", "/static/_"),
        (b"/static/a.css", OTHER),
        (b"/files/a", OTHER),
        (b"/nothing/of/that", OTHER),
        (b"*", OTHER),
        (b"", OTHER),
        (b"/watch/%2F", "/watch/_id_"),
        (b"/watch/\xff", "/watch/_id_"),
        (b"/api/\n/\n", "/api/_"),
        (b"http://h/watch/7", OTHER),
    ],
)
def test_target_gets_its_tag(target: bytes, tag: str) -> None:
    assert TABLE.match(target) == tag


def test_literal_beats_parameter_beats_rest() -> None:
    table = RouteTable(["/{any}", "/*", "/a"])
    assert table.match(b"/a") == "/a"
    assert table.match(b"/b") == "/_any_"
    assert table.match(b"/b/c") == "/_"


def test_every_tag_is_listed_with_other_last() -> None:
    assert RouteTable(["/b", "/a/*"]).tags == ("/b", "/a/_", OTHER)
    assert RouteTable([]).tags == (OTHER,)


@pytest.mark.parametrize(
    ("templates", "index", "words"),
    [
        (["watch"], 0, "starts with /"),
        (["/ok", "other"], 1, "starts with /"),
        (["/a", "/A"], 1, "another tag"),
        (["/a/{id}", "/a/{name}"], 1, "other paths"),
        (["/a/{id}/*", "/a/{name}/*"], 1, "other paths"),
        (["/a/*/b"], 0, "a final \\*"),
        (["/a*"], 0, "a final \\*"),
        (["/{id"], 0, "{id}"),
        (["/{1}"], 0, "{id}"),
        (["/x{id}"], 0, "{id}"),
        (["/a?b=1"], 0, "{id}"),
        (["/a b"], 0, "{id}"),
        (["/é"], 0, "{id}"),
        (["/" + "x" * 200 + "1", "/" + "x" * 200 + "2"], 1, "another tag"),
    ],
)
def test_bad_template_is_named(templates: list[str], index: int, words: str) -> None:
    with pytest.raises(TemplateError, match=words) as refusal:
        RouteTable(templates)
    ((bad, expected),) = refusal.value.problems
    assert (bad, expected.endswith(f", got {templates[index]!r}")) == (index, True)


def test_every_bad_template_is_named() -> None:
    with pytest.raises(TemplateError) as refusal:
        RouteTable(["x", "/a/*/b", "/{id}", "/{ID}", "/{other}"])
    assert refusal.value.problems == (
        (0, "expected a template that starts with /, got 'x'"),
        (1, "expected segments such as name, {id} or a final *, got '/a/*/b'"),
        (3, "expected another tag than /_id_ of an earlier template, got '/{ID}'"),
        (4, "expected other paths than those of /_id_, an earlier template, got '/{other}'"),
    )


def test_tag_is_a_datadog_tag_value() -> None:
    assert route_tag("/Watch/{id}") == "/watch/_id_"
    assert route_tag("/a~b/*") == "/a_b/_"
    assert route_tag("/é") == "/_"
    assert len(route_tag("/" + "x" * 500)) == 190


@given(st.binary(max_size=200))
def test_any_target_gets_a_listed_tag(target: bytes) -> None:
    assert TABLE.match(target) in TABLE.tags
    assert TABLE.match(b"/" + target) in TABLE.tags


@given(st.lists(st.from_regex(re.compile(r"[a-z]{1,3}"), fullmatch=True), min_size=1, max_size=5))
def test_literal_template_matches_itself_alone(segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    table = RouteTable([path])
    assert table.match(path.encode()) == path
    assert table.match(path.encode() + b"/") == OTHER
    assert table.match(path.encode() + b"x") == OTHER


def test_long_path_costs_no_recursion() -> None:
    assert RouteTable(["/a/*"]).match(b"/a" + b"/" * 60_000) == "/a/_"


def kinds_of(template: str) -> list[int]:
    """Return the rank of each segment: a literal beats a parameter, a parameter beats `*`."""
    return [{"*": 2, "{x}": 1}.get(segment, 0) for segment in template[1:].split("/")]


def pattern_of(template: str) -> re.Pattern[str]:
    escaped = re.escape(template).replace(re.escape("{x}"), "[^/]+")
    return re.compile(escaped.removesuffix(re.escape("*")) + (".*" if template[-1] == "*" else ""))


_segments = st.sampled_from(["a", "b", "", "{x}", "a.b"])
_templates = st.lists(
    st.tuples(st.lists(_segments, min_size=1, max_size=3), st.sampled_from(["", "/*"])), max_size=6
)
_paths = st.lists(st.sampled_from(["a", "b", "", "aXb", "c", "a.b"]), min_size=1, max_size=5)


@given(_templates, _paths)
def test_best_fitting_template_wins(
    templates: list[tuple[list[str], str]], path: list[str]
) -> None:
    spelt = list(dict.fromkeys("/" + "/".join(parts) + rest for parts, rest in templates))
    target = "/" + "/".join(path)
    fitting = [template for template in spelt if pattern_of(template).fullmatch(target)]
    best = route_tag(min(fitting, key=kinds_of)) if fitting else OTHER
    assert RouteTable(spelt).match(target.encode()) == best
