"""Checks which rule is nearest to a lost request, and the words that say why."""

import pytest

from estimator.migration.coverage.nearest import (
    Nearest,
    Nearness,
    literal_of,
    nearest_rule,
    shared_segments,
    shown_text,
)
from estimator.routing.conditions import Kind, Named, Text
from estimator.routing.request import Request
from estimator.routing.table import RouteTable
from tests.estimator.migration.coverage.conftest import exact, prefix, regex, rule, table


def nearest(
    routes: RouteTable, target: str, method: str = "GET", authority: str = "a.example"
) -> Nearest:
    found = nearest_rule(Request(authority, method, target, {}), routes)
    assert found is not None
    return found


def test_the_same_path_with_another_method_is_nearest() -> None:
    orders = rule(exact("/orders"), "GET", part="http[1].match[0]")
    routes = table(a=(rule(prefix("/orders/")), orders))
    near = nearest(routes, "/orders?page=2", "POST")
    assert near.rule is orders and near.missing == ("method",)
    assert near.words == "same path, but it asks for method GET"


def test_a_missing_header_is_named_and_what_the_request_has_is_not() -> None:
    beta = Named("x-beta", exact("1"))
    near = nearest(table(a=(rule(prefix("/orders"), "GET", headers=(beta,)),)), "/orders")
    assert near.words == "same path, but it asks for header x-beta 1"


def test_a_header_that_must_not_be_there_is_named() -> None:
    named = Named("x-beta", Text(Kind.PRESENT), is_negated=True)
    request = Request("a.example", "GET", "/orders", {"x-beta": "1"})
    near = nearest_rule(request, table(a=(rule(prefix("/orders"), headers=(named,)),)))
    assert near is not None
    assert near.words == "same path, but it asks for header x-beta not present"


def test_what_nobody_recorded_is_named() -> None:
    beta = Named("x-beta", exact("1"))
    routes = table(a=(rule(exact("/orders"), "PUT", headers=(beta,)),))
    for target, words in (
        ("/orders", "same path, but it asks for method PUT, and nobody recorded header x-beta"),
        (
            "/orders/",
            "same path but for the slash at its end, and it asks for method PUT, and nobody"
            " recorded header x-beta",
        ),
    ):
        near = nearest_rule(Request("a.example", "GET", target), routes)
        assert near is not None and near.words == words
        assert near.missing == ("method",)


def test_fewer_missing_conditions_are_nearer() -> None:
    beta = (Named("x-beta", exact("1")),)
    other = rule(exact("/orders"), "PUT", beta)
    close = rule(exact("/orders"), "PUT", part="http[1].match[0]")
    assert nearest(table(a=(other, close)), "/orders").rule is close


def test_the_same_path_on_another_host() -> None:
    routes = table(a=(rule(prefix("/cart")),), b=(rule(prefix("/orders")),))
    near = nearest(routes, "/orders/7")
    assert near.missing == ("host",)
    assert near.words == "same path, but it asks for host b.example"


def test_the_catch_all_of_another_host_is_no_relative() -> None:
    routes = table(a=(rule(exact("/cart/new")),), b=(rule(prefix("/")),))
    near = nearest(routes, "/cart/old")
    assert near.nearness is Nearness.PREFIX
    assert near.words == "shares /cart with it; it has /cart/new"
    assert nearest_rule(Request("a.example", "GET", "/x"), routes) is None


@pytest.mark.parametrize(
    ("target", "nearness", "words"),
    [
        (
            "//orders",
            Nearness.NORMALISATION,
            "same path once it is normalised to /orders (--normalize MERGE_SLASHES)",
        ),
        ("/orders/", Nearness.TRAILING_SLASH, "same path but for the slash at its end"),
        ("/Orders", Nearness.CASE, "same path but for upper and lower case"),
    ],
)
def test_what_alone_separates_two_paths(target: str, nearness: Nearness, words: str) -> None:
    near = nearest(table(a=(rule(exact("/orders")), rule(prefix("/orders/x")))), target)
    assert (near.nearness, near.words) == (nearness, words)


def test_case_is_tried_for_a_regex_too() -> None:
    near = nearest(table(a=(rule(regex("/orders/[a-z]+")),)), "/Orders/new")
    assert near.nearness is Nearness.CASE


def test_a_slash_and_a_method_are_both_named() -> None:
    near = nearest(table(a=(rule(exact("/orders"), "POST"),)), "/orders/")
    assert near.words == "same path but for the slash at its end, and it asks for method POST"


def test_most_shared_segments_of_the_own_host_win() -> None:
    deep = rule(prefix("/api/v1/orders"), part="http[1].match[0]")
    routes = table(
        a=(rule(exact("/api/v2")), deep),
        b=(rule(exact("/api/v1/carts/old")),),
    )
    near = nearest(routes, "/api/v1/carts/new")
    assert near.rule is deep and near.nearness is Nearness.PREFIX
    assert near.words == "shares /api/v1 with it; it has prefix /api/v1/orders"


def test_another_host_is_better_than_nothing() -> None:
    routes = table(a=(rule(exact("/cart")),), b=(rule(exact("/api/v1")),))
    near = nearest(routes, "/api/v2")
    assert near.words == "shares /api with it; it has /api/v1 and asks for host b.example"


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        (exact("/a.b"), "/a.b"),
        (regex("/api/v[0-9]+/x"), "/api/"),
        (regex("(?i)/api/items?"), "/api/"),
        (regex("/api/items"), "/api/items"),
        (regex(".*"), ""),
    ],
)
def test_the_literal_of_a_condition(text: Text, literal: str) -> None:
    assert literal_of(text) == literal


@pytest.mark.parametrize(
    ("path", "literal", "shared"),
    [("/a/b/c", "/a/b", 2), ("/a", "/", 0), ("/", "/", 0), ("/ab", "/a", 0), ("/a//b", "/a//c", 1)],
)
def test_segments_are_shared_whole(path: str, literal: str, shared: int) -> None:
    assert shared_segments(path, literal) == shared


def test_an_exact_text_is_shown_as_it_is() -> None:
    assert (shown_text(exact("/a")), shown_text(prefix("/a"))) == ("/a", "prefix /a")
