"""Checks the whole answer for small tables and few requests."""

from dataclasses import replace

from estimator.migration.coverage.analysis import (
    MOST_EXPLAINED,
    Before,
    analyse,
    decide,
    path_of,
)
from estimator.migration.coverage.path_groups import MOST_SIBLINGS
from estimator.migration.coverage.result import Coverage
from estimator.migration.coverage.suggestion import Suggestion
from estimator.migration.coverage.verdicts import Verdict
from estimator.requests.observations import Observation
from estimator.routing.conditions import Named
from estimator.routing.decision import Decision, Outcome
from estimator.routing.files import Routes
from estimator.routing.request import Request
from estimator.routing.rules import Destination, Forward, Place, Redirect
from estimator.routing.table import RouteTable
from tests.estimator.migration.coverage.conftest import (
    exact,
    observed,
    prefix,
    rule,
    seen,
    table,
)

CART = rule(prefix("/cart"))


def answer(routes: RouteTable, *items: Observation, before: Before | None = None) -> Coverage:
    return analyse(Routes((routes,)), observed(*items), before)


def test_all_requests_are_routed() -> None:
    coverage = answer(table(a=(CART,)), seen("/cart/1", 7), seen("/cart/2", 3))
    assert (coverage.served, coverage.lost, coverage.unused) == (10, (), ())
    assert (coverage.lost_ratio, coverage.doubts) == (0.0, ())


def test_a_rejected_path_has_all_that_a_reader_needs() -> None:
    coverage = answer(
        table(a=(CART,)),
        seen("/cart/1", 96),
        seen("/cat/17?x=1", 3, {200: 2, 304: 1}, last_s=50.0),
        seen("/cat/18", 1, method="HEAD", last_s=40.0),
    )
    (group,) = coverage.lost
    assert (group.host, group.shape, group.verdict) == (
        "a.example",
        "/cat/{number}",
        Verdict.REJECTED,
    )
    assert (group.count, group.last_s, group.methods) == (4, 50.0, ("GET", "HEAD"))
    assert group.statuses == {200: 3, 304: 1} and group.example == "/cat/17?x=1"
    assert group.decision.status == 404 and group.nearest is None
    assert isinstance(group.suggestion, Suggestion)
    assert coverage.lost_ratio == 0.04 and coverage.unknown == (group,)


def test_what_production_refused_does_not_count() -> None:
    coverage = answer(
        table(a=(CART,)),
        seen("/.env", 9, {404: 9}),
        seen("/x", 3, {200: 1, 500: 2}),
        seen("/cart/gone", 4, {410: 4}),
    )
    assert (coverage.served, coverage.refused, coverage.lost_count) == (1, 15, 1)
    assert [(each.shape, each.count) for each in coverage.refused_anyway] == [
        ("/.env", 9),
        ("/x", 2),
    ]


def test_without_statuses_everything_counts() -> None:
    coverage = answer(table(a=(CART,)), seen("/x", 5, {}))
    assert (coverage.served, coverage.unrecorded, coverage.lost_count) == (5, 5, 5)
    assert coverage.unknown == ()


def test_a_redirect_is_elsewhere_and_the_rule_behind_it_is_shadowed() -> None:
    redirect = rule(prefix("/c"), action=Redirect(), part="http[0].match[0]")
    behind = rule(prefix("/cart"), part="http[1].match[0]")
    coverage = answer(table(a=(redirect, behind)), seen("/cart/1", 5), seen("/cart/2", 1, {302: 1}))
    (group,) = coverage.lost
    assert (group.verdict, group.count) == (Verdict.ELSEWHERE, 5)
    assert group.decision.rule is redirect and group.shadowed is behind
    assert coverage.unused == (behind.place,)


def test_another_service_than_before_is_elsewhere() -> None:
    before = Before(
        lambda request: Decision(Outcome.FORWARDED, destinations=(Destination("old.shop", 80),)),
        lambda request, earlier, later: f"{request.target} had {earlier.destinations[0].host}",
    )
    old = rule(prefix("/"), action=Forward((Destination("old.shop", 80),)))
    coverage = answer(table(a=(CART, old)), seen("/cart", 2), seen("/x", 1), before=before)
    (group,) = coverage.lost
    assert (group.verdict, group.count, group.difference) == (
        Verdict.ELSEWHERE,
        2,
        "/cart had old.shop",
    )
    assert group.shadowed is old


def test_an_unknown_host_is_added_to_the_object_of_the_path() -> None:
    (group,) = answer(table(b=(CART,)), seen("/cart/1")).lost
    assert group.nearest is not None and group.nearest.missing == ("host",)
    assert group.suggestion is not None and group.suggestion.key == "hosts"


def test_many_names_are_one_group_and_the_largest_comes_first() -> None:
    slugs = [seen(f"/shop/{chr(97 + index)}-thing", 2) for index in range(MOST_SIBLINGS + 1)]
    coverage = answer(table(a=(CART,)), *slugs, seen("/once", 99))
    assert [(group.shape, group.count) for group in coverage.lost] == [
        ("/once", 99),
        ("/shop/{name}", 2 * len(slugs)),
    ]


def test_a_header_that_nobody_recorded_leaves_requests_undecided() -> None:
    beta = Named("x-beta", exact("1"))
    coverage = answer(
        table(a=(rule(prefix("/cart"), headers=(beta,)),)), seen("/cart", 4, headers=None)
    )
    (undecided,) = coverage.undecided
    assert (undecided.depends_on, undecided.count) == (("header x-beta",), 4)
    assert undecided.example == "a.example/cart"
    outcomes = [candidate.outcome for candidate in undecided.candidates]
    assert outcomes == [Outcome.FORWARDED, Outcome.REJECTED]
    assert (coverage.lost, coverage.undecided_ratio, coverage.unused) == ((), 1.0, ())


def test_what_is_not_judged_is_a_doubt_with_its_requests() -> None:
    odd = replace(CART, not_understood=("r.yaml:9: cors is not judged",))
    coverage = answer(table(a=(odd,)), seen("/cart", 4))
    assert coverage.unjudged[0].count == 4
    assert "4 requests pass it" in coverage.doubts[0]
    (once,) = answer(table(a=(odd,)), seen("/cart")).doubts
    assert once == "r.yaml:9: cors is not judged: 1 request passes it, and it is not judged"


def test_an_undefined_order_leaves_requests_undecided_where_it_matters() -> None:
    other = Place("o.yaml", 1, "VirtualService", "shop", "other", "http[0]")
    second = replace(rule(prefix("/cart/x"), action=Redirect()), place=other)
    routes = table(a=(CART, second))
    host = replace(routes.hosts[0], doubtful_order=(CART.place, other))
    coverage = answer(replace(routes, hosts=(host,)), seen("/cart/x", 3), seen("/cart/y", 50))
    (undecided,) = coverage.undecided
    assert undecided.count == 3
    assert undecided.depends_on == (
        "the order of VirtualService shop/web and VirtualService shop/other",
    )


def test_doubts_and_notes_of_the_source_stay() -> None:
    source = observed(seen("/cart"), doubts=("half is missing",), left_out={"no request": 2})
    coverage = analyse(Routes((table(a=(CART,)),), warnings=("w",)), source)
    assert (coverage.doubts, coverage.left_out) == (("half is missing",), {"no request": 2})
    assert coverage.warnings == ("w",)


# --- several tables ---


def test_a_request_goes_to_the_gateway_that_has_its_host() -> None:
    first, second = table(a=(CART,)), replace(table(b=(CART,)), gateway="other")
    request = Request("b.example", "GET", "/cart", {})
    assert decide([first, second], request)[1] is second


def test_ports_that_do_not_agree_leave_a_request_undecided() -> None:
    plain, tls = table(a=(CART,)), replace(table(a=(CART,)), port=443, scheme="https")
    redirecting = replace(plain, hosts=(replace(plain.hosts[0], requires_tls=True),))
    request = Request("a.example", "GET", "/cart", {})
    assert decide([plain, tls], request)[0].outcome is Outcome.FORWARDED
    decision, _ = decide([redirecting, tls], request)
    assert (decision.outcome, decision.depends_on) == (Outcome.UNDECIDED, ("port 80 or 443",))
    https = replace(request, scheme="https")
    assert decide([redirecting, tls], https)[0].outcome is Outcome.FORWARDED
    other = replace(tls, gateway="other")
    assert decide([redirecting, other], request)[0].depends_on == (
        "gateway shop/web or shop/other",
    )


def test_what_every_port_loses_is_lost_with_the_reason_that_can_be_mended() -> None:
    moved = rule(prefix("/old"), action=Redirect(authority="b.example"), part="http[1].match[0]")
    plain = table(a=(CART, moved))
    redirecting = replace(plain, hosts=(replace(plain.hosts[0], requires_tls=True),))
    tls = replace(plain, port=443, scheme="https")
    items = (seen("/cat", 5), seen("/cart", 2), seen("/old", 1))
    coverage = analyse(Routes((redirecting, tls)), observed(*items))
    group, other = coverage.lost
    assert other.decision.rule is moved and other.suggestion is not None
    assert other.suggestion.notes[-1].startswith("Nobody recorded port 80 or 443, which may")
    assert (group.verdict, group.count, group.decision.status) == (Verdict.REJECTED, 5, 404)
    assert group.suggestion is not None and coverage.undecided_count == 2
    assert {each.outcome for each in coverage.undecided[0].candidates} == {
        Outcome.REDIRECTED,
        Outcome.FORWARDED,
    }


def test_a_host_that_no_table_has_is_rejected() -> None:
    decision, _ = decide([table(a=(CART,)), table(b=(CART,))], Request("c.example", "GET", "/"))
    assert decision.outcome is Outcome.REJECTED


def test_the_path_is_without_its_query() -> None:
    assert path_of(Request("a.example", "GET", "/a?b=/c"), table(a=(CART,))) == "/a"


def test_progress_is_told_now_and_then() -> None:
    calls: list[tuple[int, int]] = []
    source = observed(*(seen(f"/cart/{number}") for number in range(1_500)))
    analyse(Routes((table(a=(CART,)),)), source, progress=lambda *call: calls.append(call))
    assert calls == [(0, 1_500), (1_000, 1_500)]


def test_a_path_that_envoy_refuses_gets_no_entry() -> None:
    (group,) = answer(table(a=(CART,)), seen("/a%00b")).lost
    assert group.decision.status == 400 and group.suggestion is None
    assert group.no_suggestion == group.decision.why


def test_a_host_that_requires_tls_gets_no_entry() -> None:
    routes = table(a=(CART,))
    host = replace(routes.hosts[0], requires_tls=True)
    (group,) = answer(replace(routes, hosts=(host,)), seen("/cart/1")).lost
    assert group.verdict is Verdict.ELSEWHERE and group.suggestion is None
    assert "redirects every request without TLS" in group.no_suggestion


def test_only_a_rule_for_the_same_service_is_shadowed() -> None:
    before = Before(
        lambda request: Decision(Outcome.FORWARDED, destinations=(Destination("old.shop", 80),)),
        lambda request, earlier, later: "",
    )
    third = Forward((Destination("third.shop", 80),))
    old = rule(prefix("/"), action=Forward((Destination("old.shop", 80),)), part="http[2]")
    routes = table(a=(CART, rule(prefix("/c"), action=third, part="http[1]"), old))
    (group,) = answer(routes, seen("/cart/1"), before=before).lost
    assert group.shadowed is old


def test_an_unknown_method_is_no_method_of_an_entry() -> None:
    routes = table(a=(rule(exact("/orders/1x"), "PUT"),))
    host = replace(routes.hosts[0], doubtful_order=(CART.place,))
    items = (seen("/orders/1"), seen("/orders/2"), seen("/orders/2", method=""))
    for observed_items, expected in (
        (items[:2], [{"uri": {"prefix": "/orders/"}, "method": {"exact": "GET"}}]),
        (items, [{"uri": {"exact": "/orders/1"}}, {"uri": {"exact": "/orders/2"}}]),
    ):
        (group,) = answer(replace(routes, hosts=(host,)), *observed_items).lost
        assert group.methods == ("GET",) and group.suggestion is not None
        (entry,) = group.suggestion.items
        assert isinstance(entry, dict) and entry["match"] == expected


def test_only_the_largest_groups_are_explained() -> None:
    items = [seen(f"/lost/{chr(97 + n // 26)}{chr(97 + n % 26)}/x{n}", 2) for n in range(9)]
    many = [
        replace(item, request=replace(item.request, authority=f"{n}.example"))
        for n in range(MOST_EXPLAINED // 9 + 1)
        for item in items
    ]
    lost = answer(table(a=(CART,)), *many).lost
    assert len(lost) > MOST_EXPLAINED
    explained = [bool(group.suggestion or group.no_suggestion) for group in lost]
    assert explained == [True] * MOST_EXPLAINED + [False] * (len(lost) - MOST_EXPLAINED)


def test_what_the_routes_of_today_do_not_say_is_a_doubt() -> None:
    unjudged = Decision(
        Outcome.FORWARDED,
        destinations=(Destination("web.shop"),),
        not_understood=("i.yaml:3: a snippet is not judged",),
    )
    decisions = {"/cart/1": unjudged, "/cart/2": Decision(Outcome.REJECTED, status=404)}
    before = Before(
        lambda request: decisions[request.target],
        lambda request, earlier, later: "",
        ("i.yaml: w",),
    )
    coverage = answer(table(a=(CART,)), seen("/cart/1", 4), seen("/cart/2", 3), before=before)
    first, second = coverage.doubts
    assert first.startswith("i.yaml:3: a snippet is not judged: 4 requests")
    assert second.startswith("the Ingresses name no certain service for 3 requests")
    assert (coverage.lost, coverage.warnings) == ((), ("i.yaml: w",))
