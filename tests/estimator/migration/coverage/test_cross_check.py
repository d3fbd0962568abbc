"""Checks where the objects and the live Envoy agree, and what is said where they do not."""

import msgspec
import pytest

from estimator.migration.coverage.analysis import analyse
from estimator.migration.coverage.cross_check import CrossCheck, cross_check
from estimator.requests.asked import Asked
from estimator.requests.compared import observations_of_examples
from estimator.requests.observations import Observation
from estimator.routing.files import Routes
from estimator.routing.rules import Redirect
from mirror.formats.comparison import Example, RouteComparison
from tests.estimator.migration.coverage.conftest import observed, prefix, rule, seen, table
from tests.mirror.formats.test_comparison import document

TABLE = table(a=(rule(prefix("/cart")), rule(prefix("/old"), action=Redirect(301))))


def live(result: str, path: str, count: int = 5, method: str = "GET") -> Example:
    return Example(
        *("x", result, method, "a.example", path, [], 200, 404, "", count, 10, 20, ""),
    )


def checked(
    *examples: Example,
    requests: tuple[Observation, ...] = (),
    results: dict[str, int] | None = None,
    shows_origin: bool | None = True,
) -> CrossCheck:
    pairs = {"same": 100} if results is None else results
    route = RouteComparison("x", {"2xx>2xx": sum(pairs.values())}, pairs, {}, {}, {})
    changes = {"examples": list(examples), "routes": [route], "shows_origin": shows_origin}
    compared = msgspec.structs.replace(document(), **changes)
    items = observations_of_examples(compared, "live", Asked()).items
    coverage = analyse(Routes((TABLE,)), observed(*requests))
    return cross_check((TABLE,), compared, items, coverage)


def test_both_agree() -> None:
    check = checked(
        live("route_miss", "/gone"), live("app_error", "/cart/1"), live("redirect", "/elsewhere")
    )
    assert check.doubts == ()
    assert check.notes == (
        "the comparison of edge-1: of its differing URIs, 2 are judged here as the live Envoy"
        " routed them, 0 otherwise, and 0 could not be checked",
    )


def test_objects_that_are_not_applied_are_named() -> None:
    examples = [live("route_miss", f"/cart/{number}", 205) for number in range(5)]
    (doubt,) = checked(*examples, live("route_miss", "/old/1", 1)).doubts
    assert doubt.startswith(
        "the comparison of edge-1: the live Envoy has no route for GET a.example/cart/0 (205 times,"
        " routes.yaml:7: VirtualService shop/web"
    )
    assert " and 3 more URIs, and these objects do. They are not applied" in doubt


@pytest.mark.parametrize("result", ["app_not_found", "app_error", "no_upstream"])
def test_what_the_live_envoy_routes_and_the_objects_do_not_is_named(result: str) -> None:
    (doubt,) = checked(live(result, "/gone", 1)).doubts
    assert doubt.startswith(
        "the comparison of edge-1: the live Envoy routes GET a.example/gone (once), and these"
        " objects do not. The cluster has other routes"
    )


def test_what_cannot_be_checked_is_counted() -> None:
    unknown = msgspec.structs.replace(live("route_miss", "/cart/1"), host="*")
    check = checked(unknown, live("route_miss", "/cart/*"))
    assert check.doubts == () and check.notes[0].endswith(
        "0 are judged here as the live Envoy routed them, 0 otherwise, and 2 could not be checked"
    )


@pytest.mark.parametrize(
    ("results", "method", "is_doubt"),
    [
        ({"same": 9981, "route_miss": 19}, "GET", True),
        ({"same": 9980, "route_miss": 20}, "GET", False),
        ({"same": 9981, "route_miss": 19}, "POST", False),
        # Ten have to be expected.
        ({"same": 499}, "GET", False),
        ({"same": 500}, "GET", True),
    ],
)
def test_the_sum_of_route_misses_is_checked(
    results: dict[str, int], method: str, is_doubt: bool
) -> None:
    requests = (seen("/cart/1", 98), seen("/gone", 2, method=method))
    doubts = checked(requests=requests, results=results).doubts
    assert bool(doubts) is is_doubt
    if is_doubt:
        assert "these objects reject 2 of 100 requests, so about" in doubts[0]


def test_a_comparison_that_cannot_tell_checks_nothing() -> None:
    check = checked(live("route_miss", "/cart/1"), shows_origin=False)
    assert check.notes == () and "cannot tell routes that Envoy misses" in check.doubts[0]
