"""Tests estimator.routing.gateway_api.routes."""

from datetime import UTC, datetime

import pytest

from estimator.routing.conditions import Conditions
from estimator.routing.gateway_api.routes import ParentRef, Route, read_route
from estimator.routing.rules import Answer, Destination, Forward, ReplacePrefix
from tests.estimator.routing.gateway_api.conftest import (
    API,
    problems_of,
    read_one,
    route,
    warnings_of,
)

BACKEND = "backendRefs: [{name: a, port: 80}]"


def read(spec: str, metadata: str = "") -> Route:
    one = read_one(route(spec, metadata=metadata))
    found = read_route(one, [])
    assert not problems_of(one)
    return found


def problems(spec: str) -> list[str]:
    one = read_one(route(spec))
    read_route(one, [])
    return problems_of(one)


def warnings(spec: str) -> list[str]:
    one = read_one(route(spec))
    read_route(one, [])
    return warnings_of(one)


def test_parents() -> None:
    found = read(
        "parentRefs: [{name: a}, {name: b, namespace: c, sectionName: d, port: 80},"
        " {name: e, kind: Service, group: ''}]"
    )
    assert [(p.kind, p.namespace, p.name, p.section, p.port) for p in found.parents] == [
        ("Gateway", "shop", "a", None, None),
        ("Gateway", "c", "b", "d", 80),
        ("/Service", "shop", "e", None, None),
    ]
    assert isinstance(found.parents[0], ParentRef)
    assert found.parents[2].place.part == "parentRefs[2]"


def test_each_match_is_a_rule_of_its_own() -> None:
    found = read(
        f"rules:\n- matches: [{{path: {{value: /a}}}}, {{path: {{value: /b}}}}]\n  {BACKEND}"
    )
    assert [rule.place.part for rule in found.rules] == [
        "rules[0].matches[0]",
        "rules[0].matches[1]",
    ]
    assert {rule.action for rule in found.rules} == {Forward((Destination("a.shop", 80),))}


def test_a_route_without_rules_answers_500() -> None:
    (rule,) = read("hostnames: [a.example.com]").rules
    assert rule.conditions == Conditions() and rule.action == Answer(500)


def test_a_rule_without_backends_answers_500() -> None:
    (rule,) = read("rules: [{matches: [{path: {value: /a}}]}]").rules
    assert rule.action == Answer(500)


def test_hostnames_and_their_absence() -> None:
    assert read("hostnames: [a.com, '*.b.com']").hostnames == ("a.com", "*.b.com")
    assert read("hostnames: []").hostnames == ("*",)


@pytest.mark.parametrize(
    "stamp", ["2026-03-01T10:00:00Z", "'2026-03-01T10:00:00Z'", "'2026-03-01T12:00:00+02:00'"]
)
def test_creation(stamp: str) -> None:
    created = read("hostnames: []", f"creationTimestamp: {stamp}").created
    assert created == datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("stamp", ["null", "soon", "5"])
def test_creation_may_be_unknown(stamp: str) -> None:
    assert read("hostnames: []", f"creationTimestamp: {stamp}").created is None


def test_a_rewrite_meets_the_prefix_of_its_match() -> None:
    (rule,) = read(
        f"""
        rules:
        - matches: [{{path: {{value: /a}}}}]
          filters:
          - type: URLRewrite
            urlRewrite:
              hostname: b.com
              path: {{type: ReplacePrefixMatch, replacePrefixMatch: /b}}
          {BACKEND}
        """
    ).rules
    assert rule.action == Forward((Destination("a.shop", 80),), ReplacePrefix("/a", "/b"), "b.com")


HOST = (
    "filters: [{type: RequestHeaderModifier,"
    " requestHeaderModifier: {set: [{name: host, value: b}]}}]"
)


def test_the_only_backend_may_set_host() -> None:
    (rule,) = read(f"rules: [{{backendRefs: [{{name: a, port: 80, {HOST}}}]}}]").rules
    assert isinstance(rule.action, Forward) and rule.action.authority == "b"


def test_host_of_one_backend_among_several_is_not_judged() -> None:
    (rule,) = read(
        f"rules: [{{backendRefs: [{{name: a, port: 80, {HOST}}}, {{name: b, port: 80}}]}}]"
    ).rules
    assert isinstance(rule.action, Forward) and rule.action.authority == ""
    assert "sets Host for its own share" in rule.not_understood[0]


def test_a_filter_that_istio_refuses_concerns_every_rule() -> None:
    refused = "{type: ExtensionRef, extensionRef: {group: a.com, kind: A, name: a}}"
    found = read(
        f"""
        rules:
        - {BACKEND}
        - filters: [{refused}]
          {BACKEND}
        - backendRefs: [{{name: a, port: 80, filters: [{refused}]}}]
        """
    )
    assert [note.partition(": a filter")[0] for note in found.not_understood] == [
        "routes.yaml:9: HTTPRoute shop/web, rules[1].filters[0]",
        "routes.yaml:11: HTTPRoute shop/web, rules[2].backendRefs[0].filters[0]",
    ]


def modifier(kind: str, prefix: str, by: str) -> str:
    name = kind[0].lower() + kind[1:] if kind == "RequestRedirect" else "urlRewrite"
    path = f"{{type: ReplacePrefixMatch, replacePrefixMatch: '{by}'}}"
    backend = "" if kind == "RequestRedirect" else f", {BACKEND}"
    return (
        f"rules: [{{matches: [{{path: {{value: {prefix}}}}}],"
        f" filters: [{{type: {kind}, {name}: {{path: {path}}}}}]{backend}}}]"
    )


@pytest.mark.parametrize(
    ("kind", "prefix", "by", "expected"),
    [
        ("URLRewrite", "/", "/x", "Istio makes /xb of /b here, and not /x/b"),
        ("URLRewrite", "/", "/x/", "Istio makes /xb of /b here, and not /x/b"),
        ("RequestRedirect", "/", "/x", "Istio redirects /b to /xb here, and not /x/b"),
        ("RequestRedirect", "/a", "/x/", "Istio redirects /a/b to /x//b, with two slashes"),
        ("RequestRedirect", "/a", "/", "Istio redirects /a/b to //b, with two slashes"),
        ("RequestRedirect", "/a", "", "Istio leaves the path as it is"),
    ],
)
def test_what_istio_makes_of_a_prefix_is_said(
    kind: str, prefix: str, by: str, expected: str
) -> None:
    (warning,) = warnings(modifier(kind, prefix, by))
    assert expected in warning


@pytest.mark.parametrize(
    ("kind", "prefix", "by"),
    [
        ("URLRewrite", "/a", "/x/"),
        ("URLRewrite", "/", "/"),
        ("URLRewrite", "/a", ""),
        ("RequestRedirect", "/", "/x/"),
        ("RequestRedirect", "/", "/"),
        ("RequestRedirect", "/a", "/x"),
    ],
)
def test_nothing_is_said_where_istio_follows(kind: str, prefix: str, by: str) -> None:
    assert warnings(modifier(kind, prefix, by)) == []


def test_default_gateways_are_not_judged() -> None:
    (warning,) = warnings("useDefaultGateways: All")
    assert warning.startswith(
        "routes.yaml:7: HTTPRoute shop/web, useDefaultGateways: is not judged"
    )


PREFIX_MODIFIER = (
    "filters: [{type: URLRewrite, urlRewrite:"
    " {path: {type: ReplacePrefixMatch, replacePrefixMatch: /b}}}]"
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("rules: []", "rules: expected at least one rule"),
        ("hostnames: [A.com]", "hostnames[0]: expected a lower-case hostname"),
        ("hostnames: ['*']", "hostnames[0]: expected a lower-case hostname"),
        ("rule: []", "rule: unknown key"),
        ("rules: [{match: []}]", "rules[0].match: unknown key"),
        ("parentRefs: [{kind: Gateway}]", "parentRefs[0].name: missing"),
        (
            "parentRefs: [{name: a}, {name: a, namespace: shop}]",
            "parentRefs[1]: expected another sectionName or port than a reference above",
        ),
        (
            "parentRefs: [{name: a, sectionName: b}, {name: a}]",
            "parentRefs[1]: expected sectionName, or port, in each reference to one parent",
        ),
        (
            f"rules: [{{matches: [{{path: {{type: Exact, value: /a}}}}], {PREFIX_MODIFIER}}}]",
            "rules[0].matches: expected exactly one match, of type PathPrefix",
        ),
        (
            f"rules: [{{matches: [{{path: {{value: /a}}}}, {{}}], {PREFIX_MODIFIER}}}]",
            "rules[0].matches: expected exactly one match, of type PathPrefix",
        ),
        (
            f"rules: [{{filters: [{{type: RequestRedirect, requestRedirect: {{}}}}], {BACKEND}}}]",
            "rules[0].backendRefs: expected none with a filter of type RequestRedirect",
        ),
        (
            f"rules: [{', '.join(['{}'] * 17)}]",
            "rules: expected a list of at most 16 mappings, got 17",
        ),
        (
            f"rules: [{{matches: [{', '.join(['{}'] * 64)}]}}, {{matches: "
            f"[{', '.join(['{}'] * 64)}]}}, {{}}]",
            "rules: expected at most 128 matches, got 129",
        ),
    ],
)
def test_routes_that_the_schema_refuses(spec: str, expected: str) -> None:
    (problem,) = problems(spec)
    assert expected in problem


def test_a_spec_is_needed() -> None:
    one = read_one(f"{API}kind: HTTPRoute\nmetadata: {{name: web}}\n")
    read_route(one, [])
    assert problems_of(one) == ["routes.yaml:1: HTTPRoute default/web: expected a spec"]
