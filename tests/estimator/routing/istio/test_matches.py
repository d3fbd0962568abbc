import pytest

from estimator.routing.decision import Outcome
from tests.estimator.routing.istio.conftest import (
    GATEWAY,
    decide,
    problems_of,
    service,
    tables_of,
    taker,
    to,
)


def matched(match: str) -> str:
    return GATEWAY + service(f"[{{match: [{match}], {to('hit')}}}, {{{to('miss')}}}]")


@pytest.mark.parametrize(
    ("match", "url", "headers", "hits"),
    [
        ("{uri: {exact: /a}}", "a.com/a?b", {}, True),
        ("{uri: {exact: /a}}", "a.com/A", {}, False),
        ("{uri: {exact: /a}, ignoreUriCase: true}", "a.com/A", {}, True),
        ("{uri: {prefix: /policy}}", "a.com/policy-author", {}, True),
        ("{uri: {prefix: /P}, ignoreUriCase: true}", "a.com/policy", {}, True),
        ("{uri: {regex: '/a|/b'}}", "a.com/bc", {}, False),
        ("{uri: {regex: '/A'}, ignoreUriCase: true}", "a.com/a", {}, False),
        ("{uri: {}}", "a.com/x", {}, True),
        ("{method: {exact: GET}}", "a.com/x", {}, True),
        ("{method: {regex: 'P.*'}}", "a.com/x", {}, False),
        ("{authority: {prefix: a.}}", "a.com:80/x", {}, True),
        ("{authority: {exact: a.com}}", "a.com:80/x", {}, False),
        ("{scheme: {exact: http}}", "a.com/x", {}, True),
        ("{scheme: {exact: https}}", "a.com/x", {}, False),
        ("{headers: {X-User: {exact: b}}}", "a.com/x", {"x-user": "b"}, True),
        ("{headers: {x-user: {prefix: b}}}", "a.com/x", {}, False),
        ("{headers: {x-user: {}}}", "a.com/x", {"x-user": ""}, True),
        ("{headers: {x-user: {regex: '*'}}}", "a.com/x", {"x-user": "b"}, True),
        ("{headers: {x-user: {regex: '*'}}}", "a.com/x", {}, False),
        ("{withoutHeaders: {x-user: {exact: b}}}", "a.com/x", {}, True),
        ("{withoutHeaders: {x-user: {exact: b}}}", "a.com/x", {"x-user": "b"}, False),
        ("{withoutHeaders: {x-user: {regex: '.*'}}}", "a.com/x", {}, False),
        ("{withoutHeaders: {x-user: {}}}", "a.com/x", {}, True),
        ("{withoutHeaders: {x-user: {}}}", "a.com/x", {"x-user": "b"}, False),
        ("{queryParams: {v: {exact: '1'}}}", "a.com/x?v=1", {}, True),
        ("{queryParams: {v: {}}}", "a.com/x?v", {}, True),
        ("{queryParams: {v: {}}}", "a.com/x", {}, False),
        ("{queryParams: {V: {exact: '1'}}}", "a.com/x?v=1", {}, False),
        ("{port: 80}", "a.com/x", {}, True),
        ("{port: 443}", "a.com/x", {}, False),
        ("{gateways: [edge/gw]}", "a.com/x", {}, True),
        ("{gateways: [mesh]}", "a.com/x", {}, False),
        ("{gateways: [gw]}", "a.com/x", {}, False),
        ("{sourceLabels: {istio: ingressgateway}}", "a.com/x", {}, True),
        ("{sourceLabels: {app: web}}", "a.com/x", {}, False),
        ("{sourceLabels: {app: web}, gateways: [edge/gw]}", "a.com/x", {}, True),
        ("{sourceNamespace: edge}", "a.com/x", {}, True),
        ("{sourceNamespace: shop}", "a.com/x", {}, False),
        ("{name: n, statPrefix: s}", "a.com/x", {}, True),
    ],
)
def test_match(match: str, url: str, headers: dict[str, str], hits: bool) -> None:
    expected = "hit.shop" if hits else "miss.shop"
    assert taker(decide(matched(match), url, headers)) == expected


@pytest.mark.parametrize(
    ("match", "problem"),
    [
        ("{urii: {exact: /a}}", "http[0].match[0].urii: unknown key; expected one of name, uri,"),
        ("{uri: {exact: /a, prefix: /b}}", "http[0].match[0].uri: expected one of exact, prefix"),
        ("{uri: {suffix: /a}}", "uri.suffix: unknown key; expected one of exact, prefix, regex"),
        ("{uri: {regex: '/a(?=b)'}}", "uri.regex: expected a regex that RE2 accepts, which Envoy"),
        ("{uri: {regex: '*'}}", "uri.regex: expected a regex that RE2 accepts"),
        ("{uri: {regex: ''}}", "uri.regex: expected a regex that is not empty"),
        ("{uri: /a}", "uri: expected a mapping, got '/a'"),
        ("{uri: {prefix: }}", "match[0].uri: prefix: expected a text, got null"),
        ("{headers: {x-beta: }}", "headers: x-beta: expected exact, prefix or regex, or {} for"),
        ("{headers: {'': {exact: a}}}", "headers.: expected the name of a header, got an empty"),
        ("{port: 70000}", "port: expected a whole number from 0 to 65535, got 70000"),
        ("{ignoreUriCase: 'yes'}", "ignoreUriCase: expected true or false, got 'yes'"),
    ],
)
def test_problems_of_a_match(match: str, problem: str) -> None:
    (said,) = problems_of(matched(match))
    assert problem in said


def test_long_regex_is_refused_as_by_istio() -> None:
    (said,) = problems_of(matched("{uri: {regex: '" + "a" * 1025 + "'}}"))
    assert said.endswith("expected a regex of at most 1024 characters, got 1025")


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("'@request.auth.claims.group'", "the claim of a token is not judged"),
        ("x-forwarded-proto", "because the gateway may change it"),
        ("':path'", "a condition on :path as a header is not judged"),
    ],
)
def test_condition_that_is_not_judged_leaves_the_request_undecided(
    header: str, reason: str
) -> None:
    decision = decide(matched(f"{{headers: {{{header}: {{exact: b}}}}}}"), "a.com/x")
    assert decision.outcome is Outcome.UNDECIDED
    (said,) = decision.not_understood
    assert said.startswith("r.yaml:17: VirtualService shop/web, http[0].match[0]: ")
    assert reason in said


def test_what_only_asks_for_a_path_leaves_no_doubt() -> None:
    (table,) = tables_of(matched("{uri: {prefix: /a}}"))
    assert [rule.not_understood for rule in table.rules()] == [(), ()]
