from dataclasses import replace

import pytest

from estimator.migration.order.moves import Front, Overlaps, Routing, Sites, moves_of
from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Attachment, Backend

SITES = Sites(
    Backend("127.0.0.1", 8080),
    Backend("127.0.0.1", 30081),
    Backend("swarm", 80),
    Backend("app", 80),
    Attachment("shop"),
)
API = MovedPath.of("/api/*")


def test_each_rollback_is_the_step_before() -> None:
    for move in moves_of(API, SITES):
        texts = [move.start.text, *(snippet.text for _, snippet in move.steps)]
        assert [percent for percent, _ in move.steps] == [1, 5, 25, 50, 100]
        assert [snippet.rollback for _, snippet in move.steps] == texts[:-1]
        assert len({(snippet.file, snippet.preparation) for _, snippet in move.steps}) == 1


@pytest.mark.parametrize(
    ("front", "routing", "marks"),
    [
        (Front.APACHE, Routing.VIRTUAL_SERVICE, ("BalancerMember", "kind: VirtualService")),
        (Front.NGINX, Routing.HTTP_ROUTE, ("upstream api-", "kind: HTTPRoute")),
    ],
)
def test_each_phase_has_its_program_and_its_sides(
    front: Front, routing: Routing, marks: tuple[str, str]
) -> None:
    sites = replace(SITES, front=front, routing=routing, percents=(100,))
    first, second = moves_of(API, sites)
    assert (first.phases, first.program) == ("1 to 2", front)
    assert (second.phases, second.program) == ("2 to 3", routing)
    for move, mark in zip((first, second), marks, strict=True):
        assert mark in move.start.text
    assert "100% of /api/* to 127.0.0.1:30081, the rest to 127.0.0.1:8080" in first.steps[0][1].text
    assert "100% of /api/* to app:80, the rest to swarm:80" in second.steps[0][1].text


def test_rules_that_take_other_paths_say_so() -> None:
    others = [MovedPath.of(each) for each in ("/api/me", "/api/u/{id}", "/cart", "/api/*", "/*")]
    overlaps = Overlaps(others)
    assert overlaps.hints(API, SITES) == (
        "its rules would also take /api/me and /api/u/{id}: prepare those paths first, at 0%",
    )
    assert overlaps.hints(others[0], SITES) == ()
    http_route = replace(SITES, front=Front.NGINX, routing=Routing.HTTP_ROUTE)
    assert overlaps.hints(API, http_route)[1] == (
        "in nginx and in an HTTPRoute its prefix wins against /api/u/{id}, which then moves with it"
    )
    assert overlaps.hints(MovedPath.of("/api/{kind}"), http_route) == (
        "its rules would also take /api/me: prepare that path first, at 0%",
        "an HTTPRoute gives it nothing while another one has a prefix that takes its paths, because"
        " Istio puts regular expressions last",
    )
    assert [path.template for path in overlaps.inside(others[-1])] == [
        *("/cart", "/api/me", "/api/u/{id}", "/api/*"),
    ]


def test_a_parameter_takes_what_a_literal_is_counted_for() -> None:
    overlaps = Overlaps([MovedPath.of("/u/{id}/*"), MovedPath.of("/u/posts/*")])
    assert overlaps.hints(MovedPath.of("/u/{id}/*"), SITES) == (
        "its rules would also take /u/posts/*: prepare that path first, at 0%",
    )
    assert overlaps.hints(MovedPath.of("/u/posts/*"), SITES) == ()


def test_many_other_paths_are_counted() -> None:
    overlaps = Overlaps(MovedPath.of(f"/api/{name}") for name in "abcdefg")
    (sentence,) = overlaps.hints(API, SITES)
    assert "/api/d, /api/e and 2 more paths: prepare those paths first" in sentence
