"""Tests estimator.routing.gateway_api.tables."""

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.routing.decision import Decision, Outcome
from estimator.routing.rules import Forward
from tests.estimator.routing.gateway_api.conftest import (
    GATEWAY,
    compiled,
    decide,
    request,
    route,
    table_of,
)


def rule(match: str, backend: str) -> str:
    return f"{{matches: [{match}], backendRefs: [{{name: {backend}, port: 80}}]}}"


def rules(*pairs: tuple[str, str]) -> str:
    return f"rules: [{', '.join(rule(*pair) for pair in pairs)}]"


def taker(decision: Decision) -> str:
    """Return the name of the service that gets a request; the outcome where none does."""
    if decision.outcome is not Outcome.FORWARDED:
        return decision.outcome.value
    return decision.destinations[0].host.removesuffix(".shop")


def listeners(*several: str) -> str:
    return GATEWAY.replace("{name: http, port: 80, protocol: HTTP}", "\n  - ".join(several))


# --- the order of rules ---

SPECIFIC = [
    ("{path: {type: Exact, value: /a/b}}", "exact"),
    ("{path: {value: /a/b}, method: GET}", "method"),
    ("{path: {value: /a/b}, headers: [{name: x, value: '1'}, {name: y, value: '1'}]}", "two"),
    ("{path: {value: /a/b}, headers: [{name: x, value: '1'}]}", "header"),
    ("{path: {value: /a/b}, queryParams: [{name: q, value: '1'}]}", "query"),
    ("{path: {value: /a/b}}", "longest"),
    ("{path: {value: /a}}", "prefix"),
    ("{}", "all"),
    ("{path: {type: RegularExpression, value: '/[a-z]+'}}", "regex"),
]


@pytest.mark.parametrize(
    ("url", "method", "headers", "expected"),
    [
        ("a.com/a/b", "GET", {}, "exact"),
        ("a.com/a/b/", "GET", {}, "method"),
        ("a.com/a/b/c", "GET", {"x": "1"}, "method"),
        ("a.com/a/b/c", "PUT", {"x": "1", "y": "1"}, "two"),
        ("a.com/a/b/c?q=1", "PUT", {"x": "1"}, "header"),
        ("a.com/a/b/c?q=1", "PUT", {}, "query"),
        ("a.com/a/b/c", "PUT", {}, "longest"),
        ("a.com/a/bc", "PUT", {}, "prefix"),
        ("a.com/ab", "PUT", {}, "all"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_specificity_counts_and_not_the_order(
    url: str, method: str, headers: dict[str, str], expected: str, seed: int
) -> None:
    shuffled = random.Random(seed).sample(SPECIFIC, len(SPECIFIC))
    decision = decide(GATEWAY + route(rules(*shuffled)), url, method, **headers)
    assert taker(decision) == expected


def test_a_longer_regular_expression_goes_first() -> None:
    one = ("{path: {type: RegularExpression, value: '/a.*'}}", "short")
    other = ("{path: {type: RegularExpression, value: '/a/[0-9]+'}}", "long")
    text = GATEWAY + route(rules(one, other))
    assert taker(decide(text, "a.com/a/1")) == "long"
    assert taker(decide(text, "a.com/a/x")) == "short"


def test_the_first_rule_of_a_route_wins_a_tie() -> None:
    text = GATEWAY + route(rules(("{path: {value: /a}}", "first"), ("{path: {value: /a/}}", "x")))
    assert taker(decide(text, "a.com/a")) == "first"
    assert table_of(text).hosts[0].doubtful_order == ()


def test_an_empty_list_of_matches_goes_behind_everything() -> None:
    text = GATEWAY + route(
        "rules: [{matches: [], backendRefs: [{name: last, port: 80}]},"
        " {matches: [{path: {type: RegularExpression, value: /a}}],"
        " backendRefs: [{name: first, port: 80}]}]"
    )
    assert taker(decide(text, "a.com/a")) == "first"
    assert taker(decide(text, "a.com/b")) == "last"


def test_a_rule_behind_one_that_takes_all_is_kept_to_be_named() -> None:
    regex = ("{path: {type: RegularExpression, value: /a}}", "regex")
    table = table_of(GATEWAY + route(rules(regex, ("{}", "all"))))
    assert [one.place.part for one in table.rules()] == [
        "rules[1].matches[0]",
        "rules[0].matches[0]",
    ]
    assert taker(table.decide(request("a.com/a"))) == "all"


def test_a_rule_that_no_request_reaches_is_warned_of() -> None:
    regex = ("{path: {type: RegularExpression, value: /a}}", "regex")
    _, warnings = compiled(GATEWAY + route(rules(regex, ("{}", "all"), ("{}", "again"))))
    assert warnings == [
        f"routes.yaml:15: HTTPRoute shop/web, rules[{number}].matches[0]: no request reaches it,"
        " because rules[1].matches[0] of HTTPRoute shop/web goes first and takes everything"
        for number in (2, 0)
    ]


def test_a_rule_that_requests_reach_in_one_host_is_not_warned_of() -> None:
    regex = ("{path: {type: RegularExpression, value: /a}}", "regex")
    text = (
        GATEWAY
        + route("hostnames: [a.com, b.com]\n" + rules(regex), "a")
        + route("hostnames: [a.com]\n" + rules(("{}", "all")), "b")
    )
    assert compiled(text)[1] == []


def test_a_rule_that_may_come_first_is_not_warned_of() -> None:
    text = GATEWAY + route(rules(("{}", "b")), "b")
    assert compiled(text + route(rules(("{}", "a")), "a"))[1] == []
    (warning,) = compiled(text + route(rules(("{}", "a"), ("{}", "never")), "a"))[1]
    assert "HTTPRoute shop/a, rules[1].matches[0]: no request reaches it" in warning


# --- several routes ---


def test_the_oldest_route_wins_a_tie() -> None:
    young = route(rules(("{}", "young")), "a", "creationTimestamp: 2026-02-01T00:00:00Z")
    old = route(rules(("{}", "old")), "b", "creationTimestamp: 2026-01-01T00:00:00Z")
    table = table_of(GATEWAY + young + old)
    assert taker(table.decide(request("a.com/"))) == "old"
    assert table.hosts[0].doubtful_order == ()


def test_the_name_decides_between_routes_of_one_age() -> None:
    stamp = "creationTimestamp: 2026-02-01T00:00:00Z"
    text = GATEWAY + route(rules(("{}", "b")), "b", stamp) + route(rules(("{}", "a")), "a", stamp)
    table = table_of(text)
    assert taker(table.decide(request("a.com/"))) == "a"
    assert table.hosts[0].doubtful_order == ()


def test_a_tie_of_routes_of_unknown_age_is_said() -> None:
    text = GATEWAY + route(rules(("{}", "b")), "b") + route(rules(("{}", "a")), "a")
    table = table_of(text)
    decision = table.decide(request("a.com/"))
    assert [taker(candidate) for candidate in decision.candidates] == ["a", "b"]
    assert decision.depends_on == ("the order of HTTPRoute shop/a and HTTPRoute shop/b",)
    assert [place.resource for place in table.hosts[0].doubtful_order] == [
        "HTTPRoute shop/a",
        "HTTPRoute shop/b",
    ]


def test_no_tie_is_said_where_specificity_decides() -> None:
    text = (
        GATEWAY
        + route(rules(("{path: {value: /a}}", "a"), ("{method: GET}", "get")), "b")
        + route(rules(("{path: {value: /b}}", "b"), ("{method: PUT}", "put")), "a")
    )
    table = table_of(text)
    assert table.hosts[0].doubtful_order == ()
    assert taker(table.decide(request("a.com/a"))) == "a"


def test_many_rules_that_may_tie_are_not_compared_pair_by_pair() -> None:
    match = "{path: {value: /a}, headers: [{name: x, value: '%s'}]}"
    several = [
        route(rules(*((match % f"{name}{number}", "a") for number in range(16))), name)
        for name in "abcdefghijklm"
    ]
    assert table_of(GATEWAY + "".join(several[:12])).hosts[0].doubtful_order == ()
    assert len(table_of(GATEWAY + "".join(several)).hosts[0].doubtful_order) == 13


def test_a_rule_of_a_younger_route_may_be_more_specific() -> None:
    old = route(rules(("{}", "old")), "a", "creationTimestamp: 2026-01-01T00:00:00Z")
    young = route(
        rules(("{path: {value: /x}}", "young")), "b", "creationTimestamp: 2026-02-01T00:00:00Z"
    )
    assert taker(decide(GATEWAY + old + young, "a.com/x")) == "young"


# --- hosts ---


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.example.com", "exact"),
        ("A.example.com:8080", "exact"),
        ("b.example.com", "wild"),
        ("c.b.example.com", "narrow"),
        ("example.com", "any"),
    ],
)
def test_the_most_specific_hostname_takes_a_request(host: str, expected: str) -> None:
    text = (
        GATEWAY
        + route("hostnames: [a.example.com]\n" + rules(("{}", "exact")), "a")
        + route("hostnames: ['*.example.com']\n" + rules(("{}", "wild")), "b")
        + route("hostnames: ['*.b.example.com']\n" + rules(("{}", "narrow")), "c")
        + route(rules(("{}", "any")), "d")
    )
    assert taker(decide(text, f"{host}/")) == expected


def test_a_request_never_falls_back_to_a_wider_hostname() -> None:
    text = (
        GATEWAY
        + route("hostnames: [a.com]\n" + rules(("{path: {value: /a}}", "a")), "a")
        + route(rules(("{}", "any")), "b")
    )
    decision = decide(text, "a.com/b")
    assert (decision.outcome, decision.status) == (Outcome.REJECTED, 404)
    assert taker(decide(text, "b.com/b")) == "any"


def test_a_listener_narrows_the_hostnames_of_a_route() -> None:
    text = listeners("{name: a, port: 80, protocol: HTTP, hostname: a.example.com}") + route(
        "hostnames: ['*.example.com']\n" + rules(("{}", "a"))
    )
    assert taker(decide(text, "a.example.com/")) == "a"
    assert taker(decide(text, "b.example.com/")) == "rejected"


def test_a_route_without_hostnames_takes_those_of_the_listener() -> None:
    text = listeners("{name: a, port: 80, protocol: HTTP, hostname: '*.example.com'}") + route(
        rules(("{}", "a"))
    )
    table = table_of(text)
    assert [host.domains for host in table.hosts] == [("*.example.com",)]
    assert taker(table.decide(request("example.com/"))) == "rejected"


def test_hostnames_that_become_one_are_tried_by_age_and_not_by_match() -> None:
    # istiod appends the rules of the younger VirtualService behind those of the older one.
    old = route(
        "hostnames: ['*.example.com']\n" + rules(("{path: {value: /a}}", "old"), ("{}", "all")),
        "old",
        "creationTimestamp: 2026-01-01T00:00:00Z",
    )
    young = route(
        "hostnames: [a.example.com]\n" + rules(("{path: {value: /a/b}}", "young")),
        "young",
        "creationTimestamp: 2026-02-01T00:00:00Z",
    )
    gateway = listeners("{name: a, port: 80, protocol: HTTP, hostname: a.example.com}")
    table = table_of(gateway + old + young)
    assert taker(table.decide(request("a.example.com/a/b"))) == "old"
    assert table.hosts[0].doubtful_order == ()
    # What takes everything goes behind the rules of both.
    older = old.replace("value: /a}", "value: /c}")
    table = table_of(gateway + older + young)
    assert taker(table.decide(request("a.example.com/a/b"))) == "young"
    assert taker(table.decide(request("a.example.com/d"))) == "all"


def test_the_order_of_hostnames_that_become_one_is_doubted_without_ages() -> None:
    text = (
        listeners("{name: a, port: 80, protocol: HTTP, hostname: a.example.com}")
        + route("hostnames: ['*.example.com']\n" + rules(("{}", "b")), "b")
        + route("hostnames: [a.example.com]\n" + rules(("{}", "a")), "a")
    )
    table = table_of(text)
    assert len(table.hosts[0].doubtful_order) == 2


def test_routes_of_one_hostname_stand_before_or_behind_the_others_together() -> None:
    own, wide = "hostnames: [a.example.com]\n", "hostnames: ['*.example.com']\n"
    text = (
        listeners("{name: a, port: 80, protocol: HTTP, hostname: a.example.com}")
        + route(wide + rules(("{path: {value: /x}}", "wide")), "b")
        + route(own + rules(("{path: {value: /a}}", "a")), "a")
        + route(own + rules(("{path: {value: /x/y}}", "own")), "c")
    )
    decision = table_of(text).decide(request("a.example.com/x/y"))
    assert {taker(candidate) for candidate in decision.candidates} == {"wide", "own"}


def test_a_rule_stands_once_in_a_host() -> None:
    text = listeners("{name: a, port: 80, protocol: HTTP, hostname: a.example.com}") + route(
        "hostnames: ['*.example.com', a.example.com]\n" + rules(("{}", "a"))
    )
    table = table_of(text)
    assert len(list(table.rules())) == 1
    assert table.hosts[0].doubtful_order == ()


# --- listeners ---

HTTPS = "protocol: HTTPS, tls: {certificateRefs: [{name: a}]}"


def test_each_port_and_protocol_has_a_table() -> None:
    text = listeners(
        "{name: http, port: 80, protocol: HTTP}",
        "{name: other, port: 8080, protocol: HTTP}",
        f"{{name: https, port: 443, {HTTPS}}}",
        "{name: raw, port: 9000, protocol: TCP}",
    ) + route("parentRefs: [{name: web, sectionName: https}]\n" + rules(("{}", "a")))
    tables, _ = compiled(text)
    assert [(table.port, table.scheme, len(table.hosts)) for table in tables] == [
        (80, "http", 0),
        (443, "https", 1),
        (8080, "http", 0),
    ]
    assert {(table.namespace, table.gateway) for table in tables} == {("shop", "web")}


WIDE_AND_NARROW = route(
    "parentRefs: [{name: web, sectionName: wide}]\n" + rules(("{}", "wide")), "wide"
) + route(
    "parentRefs: [{name: web, sectionName: narrow}]\nhostnames: [x.a.com]\n"
    + rules(("{}", "narrow")),
    "narrow",
)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [("protocol: HTTP", "wide"), (HTTPS, "rejected")],
    ids=["http", "https"],
)
def test_only_tls_separates_listeners_by_host(protocol: str, expected: str) -> None:
    text = listeners(
        f"{{name: wide, port: 443, {protocol}}}",
        f"{{name: narrow, port: 443, {protocol}, hostname: '*.a.com'}}",
    )
    table = table_of(text + WIDE_AND_NARROW)
    assert taker(table.decide(request("x.a.com/"))) == "narrow"
    assert taker(table.decide(request("b.com/"))) == "wide"
    assert taker(table.decide(request("y.a.com/"))) == expected


ISOLATED = {"any": "*", "wide": "*.a.com", "narrow": "*.b.a.com", "exact": "x.b.a.com"}
"""The hostnames of the listeners of the conformance test GatewayHTTPListenerIsolation."""


@pytest.mark.parametrize("hostnames", ["", "hostnames: [c.com, '*.a.com', '*.b.a.com', x.b.a.com]"])
@pytest.mark.parametrize(
    ("host", "expected"),
    [("c.com", "any"), ("c.a.com", "wide"), ("c.b.a.com", "narrow"), ("x.b.a.com", "exact")],
)
def test_each_host_is_served_by_one_listener(hostnames: str, host: str, expected: str) -> None:
    several = [
        f"{{name: {name}, port: 80, protocol: HTTP, hostname: '{hostname}'}}"
        for name, hostname in ISOLATED.items()
    ]
    text = listeners(*several).replace(", hostname: '*'", "") + "".join(
        route(
            f"parentRefs: [{{name: web, sectionName: {name}}}]\n{hostnames}\n"
            + rules((f"{{path: {{value: /{name}}}}}", name)),
            name,
        )
        for name in ISOLATED
    )
    table = table_of(text)
    takers = {name: taker(table.decide(request(f"{host}/{name}"))) for name in ISOLATED}
    assert takers == {name: name if name == expected else "rejected" for name in ISOLATED}


def test_a_redirect_names_the_port_of_its_listener() -> None:
    redirect = route("rules: [{filters: [{type: RequestRedirect, requestRedirect: {}}]}]")
    text = listeners("{name: a, port: 8080, protocol: HTTP}") + redirect
    decision = decide(text, "a.com/x")
    assert (decision.status, decision.location) == (302, "http://a.com:8080/x")
    assert decide(GATEWAY + redirect, "a.com/x").location == "http://a.com/x"


def test_what_is_doubted_at_the_route_is_doubted_at_its_rules() -> None:
    text = GATEWAY + route(
        "rules: [{filters: [{type: ExtensionRef, extensionRef: {kind: A, name: a}}]},"
        " {matches: [{path: {value: /a}}], backendRefs: [{name: a, port: 80}]}]"
    )
    assert "filters[0]: a filter of type" in decide(text, "a.com/a").not_understood[0]


# --- properties ---

PATHS = st.sampled_from(["/", "/a", "/a/", "/a/b", "/b"])
NAMED = st.fixed_dictionaries(
    {"name": st.sampled_from(["x", "y"]), "value": st.sampled_from(["1", "2"])}
)
MATCHES = st.fixed_dictionaries(
    {
        "path": st.one_of(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["Exact", "PathPrefix"]), "value": PATHS}
            ),
            st.fixed_dictionaries(
                {
                    "type": st.just("RegularExpression"),
                    "value": st.sampled_from([".*", "/a.*", "/[ab]", "/a/b|/b"]),
                }
            ),
        ),
    },
    optional={
        "method": st.sampled_from(["GET", "POST"]),
        "headers": st.lists(NAMED, max_size=2, unique_by=lambda one: one["name"]),
        "queryParams": st.lists(NAMED, max_size=2, unique_by=lambda one: one["name"]),
    },
)
REQUESTS = st.tuples(
    st.sampled_from(["/", "/a", "/a/", "/a/b", "/ab", "/b/c"]),
    st.sampled_from(["", "?x=1", "?x=1&y=2"]),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from([{}, {"x": "1"}, {"x": "2", "y": "1"}]),
)


def decisions(matches: Sequence[dict[str, Any]], asked: Sequence[Any]) -> list[str]:
    """Return which match takes each request, by the text of its rule."""
    spec = [{"matches": [match], "backendRefs": [{"name": "a", "port": 80}]} for match in matches]
    table = table_of(GATEWAY + route(f"rules: {json.dumps(spec)}"))
    found = []
    for path, query, method, headers in asked:
        decision = table.decide(request(f"a.com{path}{query}", method, **headers))
        taken = decision.rule
        assert taken is None or isinstance(taken.action, Forward)
        found.append("" if taken is None else str(taken.conditions))
    return found


def rank_of(match: dict[str, Any]) -> tuple[object, ...]:
    """The rank by the words of the specification, apart from the code that is tested."""
    kind, value = match["path"]["type"], match["path"]["value"]
    if kind == "PathPrefix" and value != "/":
        value = value.rstrip("/")
    order = ("Exact", "PathPrefix", "RegularExpression").index(kind)
    counts = [len(match.get(key, [])) for key in ("headers", "queryParams")]
    return order, len(value), "method" in match, *counts


@given(
    st.lists(MATCHES, min_size=1, max_size=6, unique_by=rank_of),
    st.lists(REQUESTS, min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rules_decides_nothing_without_ties(
    matches: list[dict[str, Any]], asked: list[Any], shuffler: random.Random
) -> None:
    shuffled = shuffler.sample(matches, len(matches))
    assert decisions(matches, asked) == decisions(shuffled, asked)


def test_rule_knows_the_hostnames_of_its_route() -> None:
    gateway = GATEWAY.replace("protocol: HTTP}", "protocol: HTTP, hostname: a.example}")
    (table,), _ = compiled(gateway + route(rules(("{}", "a"))))
    (rule,) = table.rules()
    assert (table.hosts[0].domains, rule.hosts) == (("a.example",), ("*",))
