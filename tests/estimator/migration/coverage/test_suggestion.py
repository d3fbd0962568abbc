"""Checks what is suggested for lost requests, and what never is."""

from dataclasses import replace
from typing import Any

import pytest

from estimator.migration.coverage.nearest import Nearest, Nearness, nearest_rule
from estimator.migration.coverage.path_groups import shapes_of
from estimator.migration.coverage.suggestion import (
    MOST_EXACT_PATHS,
    MOST_RULES,
    Lost,
    ServedPath,
    Suggestion,
    suggest,
    suggest_host,
)
from estimator.routing.conditions import Kind, Named, Subject, Text
from estimator.routing.request import Request
from estimator.routing.rules import (
    Answer,
    Destination,
    Forward,
    Place,
    Redirect,
    ReplacePrefix,
    Rule,
)
from estimator.routing.table import VirtualHost
from tests.estimator.migration.coverage.conftest import WEB, exact, prefix, regex, rule, table


def lost(host: VirtualHost, *paths: str, method: str = "GET", **more: Any) -> Lost:
    """Return lost requests as analysis.py describes them."""
    (shape,) = set(shapes_of(paths).values())
    routes = replace(table(), hosts=(host,))
    near = nearest_rule(Request("a.example", method, paths[0], {}), routes)
    given = Lost(frozenset(paths), True, shape, frozenset({method}), None, None, near, ())
    return replace(given, **more)


def hosted(*rules: Rule) -> VirtualHost:
    return VirtualHost(("a.example",), rules)


def on_http_route(given: Rule, number: int = 0) -> Rule:
    place = Place("r.yaml", 3, "HTTPRoute", "shop", "web", f"rules[{number}].matches[0]")
    action = Forward((Destination("web.shop", 80),)) if given.action == WEB else given.action
    return replace(given, place=place, action=action)


def matches(answer: Suggestion | str) -> list[dict[str, Any]]:
    assert isinstance(answer, Suggestion), answer
    (item,) = answer.items
    assert not isinstance(item, str)
    found: list[dict[str, Any]] = item["match"] if "match" in item else item["matches"]
    return found


CART = rule(prefix("/cart"))


def test_one_path_is_added_at_the_end_as_it_is() -> None:
    host = hosted(CART)
    answer = suggest(lost(host, "/cat/new"), host, ())
    assert isinstance(answer, Suggestion)
    assert (answer.key, answer.where) == ("http", "at the end") and answer.place == CART.place
    assert answer.items[0] == {
        "match": [{"uri": {"exact": "/cat/new"}}],
        "route": [{"destination": {"host": "web.shop.svc.cluster.local", "port": {"number": 80}}}],
    }
    assert answer.notes == ("The service is a guess, that of prefix /cart: check it.",)


def test_paths_share_the_smallest_prefix_by_segments() -> None:
    host = hosted(CART)
    answer = suggest(lost(host, "/api/v2/items/17", "/api/v2/items/18"), host, ())
    assert matches(answer) == [{"uri": {"prefix": "/api/v2/items/"}}]


def test_an_http_route_gets_a_prefix_of_segments() -> None:
    host = hosted(on_http_route(CART))
    answer = suggest(lost(host, "/api/17", "/api/18"), host, ())
    assert matches(answer) == [{"path": {"type": "PathPrefix", "value": "/api"}}]
    assert isinstance(answer, Suggestion) and (answer.key, answer.where) == ("rules", "")


def test_a_prefix_that_takes_what_others_serve_is_not_suggested() -> None:
    profile = rule(regex("/users/[^/]+/profile"), part="http[1].match[0]")
    host = VirtualHost(("a.example",), (CART, profile), doubtful_order=(CART.place,))
    served = (ServedPath("/users/3/profile", "GET", profile),)
    answer = suggest(lost(host, "/users/17/orders", "/users/18/orders"), host, served)
    assert matches(answer) == [{"uri": {"regex": "/users/[^/]+/orders"}}]


def test_at_the_end_of_its_object_an_entry_takes_nothing_from_earlier_ones() -> None:
    profile = rule(regex("/users/[^/]+/profile"))
    host = hosted(profile)
    served = (ServedPath("/users/3/profile", "GET", profile),)
    answer = suggest(lost(host, "/users/17/orders", "/users/18/orders"), host, served)
    assert matches(answer) == [{"uri": {"prefix": "/users/"}}]


def test_a_longer_prefix_of_an_http_route_would_win_so_methods_keep_them_apart() -> None:
    reading = on_http_route(rule(prefix("/orders"), "GET"))
    reading = replace(
        reading, conditions=replace(reading.conditions, path=Text(Kind.SEGMENTS, "/orders"))
    )
    host = hosted(reading)
    served = (ServedPath("/orders/9", "GET", reading),)
    answer = suggest(lost(host, "/orders/1", "/orders/2", method="POST"), host, served)
    assert matches(answer) == [
        {"path": {"type": "PathPrefix", "value": "/orders"}, "method": "POST"}
    ]


def test_a_rule_that_nobody_used_keeps_its_paths_too() -> None:
    special = on_http_route(rule(regex("/product/s")))
    host = hosted(special)
    paths = [f"/product/{number}" for number in range(MOST_EXACT_PATHS)]
    answer = suggest(lost(host, *paths), host, ())
    assert [each["path"]["type"] for each in matches(answer)] == ["Exact"] * len(paths)
    assert "would take paths" in str(suggest(lost(host, *paths, "/product/99"), host, ()))


def test_a_redirect_is_gone_before() -> None:
    redirect = rule(prefix("/old"), action=Redirect(), part="http[1].match[0]")
    host = hosted(CART, redirect)
    answer = suggest(lost(host, "/old/page", taken_by=redirect, nearest=None), host, ())
    assert matches(answer) == [{"uri": {"exact": "/old/page"}}]
    assert isinstance(answer, Suggestion) and answer.where == "before http[1]"


def test_on_an_http_route_the_entry_must_be_more_specific_than_what_took_them() -> None:
    answered = on_http_route(rule(exact("/status"), action=Answer(500)))
    host = hosted(on_http_route(CART), answered)
    answer = suggest(lost(host, "/status", taken_by=answered), host, ())
    assert matches(answer) == [{"path": {"type": "Exact", "value": "/status"}, "method": "GET"}]
    answer = suggest(lost(host, "/status", taken_by=answered, methods=frozenset()), host, ())
    assert isinstance(answer, str)
    other = replace(answered, conditions=replace(answered.conditions, path=prefix("/st")))
    answer = suggest(lost(host, "/status", taken_by=other), hosted(on_http_route(CART), other), ())
    assert matches(answer) == [{"path": {"type": "Exact", "value": "/status"}}]


def test_the_service_of_today_is_no_guess() -> None:
    host = hosted(CART)
    today = (Destination("api.shop", 8080),)
    answer = suggest(lost(host, "/x", before=today), host, ())
    assert isinstance(answer, Suggestion) and isinstance(answer.items[0], dict)
    (route,) = answer.items[0]["route"]
    assert route["destination"]["host"] == "api.shop.svc.cluster.local"
    assert answer.notes == ("The service is the one that gets these requests today.",)


def test_a_rewrite_of_the_guessed_rule_is_mentioned() -> None:
    host = hosted(replace(CART, action=replace(WEB, path=ReplacePrefix("/cart", "/"))))
    answer = suggest(lost(host, "/x"), host, ())
    assert isinstance(answer, Suggestion) and "also rewrites the path" in answer.notes[0]


def test_paths_below_the_root_share_no_prefix() -> None:
    host = hosted(CART)
    assert matches(suggest(lost(host, "/17", "/18"), host, ())) == [{"uri": {"regex": "/[^/]+"}}]


def test_added_up_targets_are_not_listed() -> None:
    wide = on_http_route(rule(regex("/item/s")))
    host = hosted(wide)
    answer = suggest(lost(host, "/item/17", is_complete=False), host, ())
    assert isinstance(answer, str)
    assert isinstance(suggest(lost(host, "/item/17"), host, ()), Suggestion)


def test_a_single_identifier_stands_for_all_others() -> None:
    host = hosted(CART)
    assert matches(suggest(lost(host, "/item/17"), host, ())) == [{"uri": {"prefix": "/item/"}}]


def test_paths_that_only_need_normalising_get_no_entry() -> None:
    host = hosted(CART)
    near = Nearest(CART, Nearness.NORMALISATION, (), "")
    assert "normalising" in str(suggest(lost(host, "//cart", nearest=near), host, ()))


@pytest.mark.parametrize("path", ["/a//b", "/a/../b", "/a%2fb", "/ä", "/" + "x" * 1024])
def test_a_path_that_an_http_route_must_not_have(path: str) -> None:
    host = hosted(on_http_route(CART))
    assert isinstance(suggest(lost(host, path), host, ()), str)
    assert isinstance(suggest(lost(hosted(CART), path), hosted(CART), ()), Suggestion)


def test_a_method_that_an_http_route_does_not_know_is_left_out() -> None:
    host = hosted(on_http_route(rule(exact("/dav"), "GET")))
    answer = suggest(lost(host, "/dav", method="PROPFIND"), host, ())
    assert isinstance(answer, str)


def test_a_full_http_route_takes_no_more_rules() -> None:
    rules = [on_http_route(rule(exact(f"/{index}")), index) for index in range(MOST_RULES)]
    host = hosted(*rules)
    assert "has 16 rules already" in str(suggest(lost(host, "/x"), host, ()))


def test_without_a_service_there_is_nothing_to_suggest() -> None:
    host = hosted(rule(prefix("/cart"), action=Answer(503)))
    assert (
        suggest(lost(host, "/x"), host, ()) == "no rule of VirtualService shop/web names a service"
    )


def test_a_missing_host_is_added_to_the_object_of_its_path() -> None:
    routes = table(b=(CART, rule(prefix("/orders"), "GET", part="http[1].match[0]")))

    def answer(host: str, *targets: str, method: str = "GET") -> Suggestion | str:
        asked = [Request("a.example", method, target, {}) for target in targets]
        near = nearest_rule(asked[0], routes)
        return suggest_host(host, near, routes.hosts, [*map(Subject, asked)])

    found = answer("a.example", "/cart/1", "/orders")
    assert isinstance(found, Suggestion)
    assert (found.key, found.items) == ("hosts", ("a.example",))
    for odd in ("", "10.0.0.1", "a b", "-a.example", "*.example"):
        assert isinstance(answer(odd, "/cart/1"), str)
    assert "no object has a rule" in str(answer("a.example", "/x"))
    expected = "but its rules do not serve all of these requests"
    assert expected in str(answer("a.example", "/orders", method="POST"))
    assert expected in str(answer("a.example", "/cart/1", "/x"))


@pytest.mark.parametrize("named", ["*", "*.example", "A.example"])
def test_a_host_that_the_object_names_is_missing_at_the_gateway(named: str) -> None:
    # Hostnames added to an HTTPRoute without any would take all others from it.
    routes = table(b=(replace(CART, hosts=("b", named)),))
    asked = Request("a.example", "GET", "/cart/1", {})
    near = nearest_rule(asked, routes)
    answer = suggest_host("a.example", near, routes.hosts, [Subject(asked)])
    assert answer == (
        "VirtualService shop/web takes a.example, but its Gateway does not admit that host"
    )


def test_a_redirect_serves_no_missing_host() -> None:
    routes = table(b=(rule(prefix("/cart"), action=Redirect()),))
    asked = Request("a.example", "GET", "/cart/1", {})
    near = nearest_rule(asked, routes)
    assert isinstance(suggest_host("a.example", near, routes.hosts, [Subject(asked)]), str)


def test_a_header_that_nobody_recorded_promises_no_missing_host() -> None:
    beta = Named("x-beta", exact("1"))
    routes = table(b=(rule(prefix("/cart"), headers=(beta,)),))
    asked = Request("a.example", "GET", "/cart/1")
    near = nearest_rule(asked, routes)
    assert isinstance(suggest_host("a.example", near, routes.hosts, [Subject(asked)]), str)


def test_a_missing_host_of_a_delegate_is_one_of_its_root() -> None:
    routes = table(b=(replace(CART, ordered_as="VirtualService shop/root"),))
    asked = Request("a.example", "GET", "/cart/1", {})
    near = nearest_rule(asked, routes)
    answer = suggest_host("a.example", near, routes.hosts, [Subject(asked)])
    assert answer == "the host must be added to spec.hosts of VirtualService shop/root"


def test_methods_keep_two_entries_apart_whatever_their_order() -> None:
    reading = rule(prefix("/orders/"), "GET")
    host = VirtualHost(("a.example",), (reading,), doubtful_order=(reading.place,))
    served = (ServedPath("/orders/9", "GET", reading),)
    answer = suggest(lost(host, "/orders/1", "/orders/2", method="POST"), host, served)
    assert matches(answer) == [{"uri": {"prefix": "/orders/"}, "method": {"exact": "POST"}}]


def test_a_rule_for_some_clients_keeps_them() -> None:
    beta = Named("x-beta", exact("1"))
    host = hosted(on_http_route(rule(prefix("/"), headers=(beta,))))
    narrow = lost(host, "/x", nearest=None)
    assert isinstance(suggest(narrow, host, ()), str)
    assert isinstance(suggest(narrow, hosted(on_http_route(CART)), ()), Suggestion)


def test_the_rule_that_would_serve_them_is_no_obstacle() -> None:
    redirect = rule(prefix("/old/"), action=Redirect(), part="http[0].match[0]")
    behind = rule(prefix("/old/press/"), part="http[1].match[0]")
    host = hosted(redirect, behind)
    taken = lost(host, "/old/press/a", taken_by=redirect, shadowed=behind, nearest=None)
    assert isinstance(suggest(taken, host, ()), Suggestion)
    assert isinstance(suggest(replace(taken, shadowed=None), host, ()), str)


def test_an_http_route_has_only_so_many_matches() -> None:
    taking = on_http_route(rule(exact("/s"), "GET"))
    wide = on_http_route(rule(regex("/s")), 1)
    host = hosted(taking, wide)
    paths = [f"/{number}" for number in range(MOST_EXACT_PATHS)]
    near = Nearest(taking, Nearness.PREFIX, ("method",), "")
    few = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"})
    assert len(matches(suggest(lost(host, *paths, nearest=near, methods=few), host, ()))) == 60
    many = few | {"OPTIONS"}
    assert isinstance(suggest(lost(host, *paths, nearest=near, methods=many), host, ()), str)


def test_bytes_that_are_no_text_are_not_suggested() -> None:
    host = hosted(CART)
    assert isinstance(suggest(lost(host, "/x\udcff"), host, ()), str)
    assert isinstance(suggest(lost(host, "/17/x\udcff", "/18/x\udcff"), host, ()), str)
    names = [f"/17/{chr(97 + n)}\udcff" for n in range(20)] + ["/18/x\udcff"]
    answer = suggest(lost(host, *names), host, ())
    assert matches(answer) == [{"uri": {"regex": "/[^/]+/[^/]+"}}]
    answer = suggest(lost(host, "/x/17/\udcff", "/x/18/\udcff"), host, ())
    assert matches(answer) == [{"uri": {"prefix": "/x/"}}]


def test_the_root_of_a_delegate_is_extended() -> None:
    root = "VirtualService shop/web"
    place = Place("d.yaml", 1, "VirtualService", "shop", "cart", "http[0].match[0]")
    delegated = replace(CART, place=place, ordered_as=root)
    host = hosted(delegated)
    answer = suggest(lost(host, "/cat"), host, ())
    assert isinstance(answer, Suggestion)
    assert (answer.place.resource, answer.where) == (root, "at the end")
    redirect = replace(delegated, action=Redirect())
    taken = lost(hosted(redirect, CART), "/cart/1", taken_by=redirect)
    assert "is a delegate of VirtualService shop/web" in str(suggest(taken, hosted(redirect), ()))


def test_a_host_without_rules_has_nothing_to_extend() -> None:
    assert "no rule whose object" in str(suggest(lost(hosted(), "/x"), hosted(), ()))
