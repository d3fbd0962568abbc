import pytest

from estimator.routing.decision import Outcome
from tests.estimator.routing.istio.conftest import (
    GATEWAY,
    decide,
    problems_of,
    service,
    taker,
    to,
    warnings_of,
)

ROOT = service(
    "[{match: [{uri: {prefix: /d}}], delegate: {name: part, namespace: parts}},"
    f" {{{to('rest')}}}]"
)


def delegate(http: str, more: str = "") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {{name: part, namespace: parts}}
spec:
  http: {http}
  {more}
"""


@pytest.mark.parametrize(
    ("http", "more", "problem"),
    [
        ("[{}]", "", "http[0]: expected one of route, redirect, directResponse and delegate"),
        ("[{route: []}]", "", "http[0]: expected one of route, redirect, directResponse"),
        (
            f"[{{redirect: {{uri: /a}}, {to('a')}}}]",
            "",
            "http[0]: expected only one of them, got route and redirect",
        ),
        (
            f"[{{delegate: {{name: a}}, {to('a')}}}]",
            "",
            "http[0]: expected only one of them, got route and delegate",
        ),
        (
            "[{redirect: {uri: /a}, rewrite: {uri: /b}}]",
            "",
            "http[0]: expected no rewrite beside redirect",
        ),
        ("[{delegate: {}}]", "", "name: missing; expected the name of a VirtualService"),
        (f"[{{rout: [], {to('a')}}}]", "", "http[0].rout: unknown key; expected one of name,"),
        ("[]", "hostz: [a]", "hostz: unknown key; expected one of hosts, gateways, http, tls"),
    ],
)
def test_problems(http: str, more: str, problem: str) -> None:
    assert any(problem in said for said in problems_of(service(http, more=more)))


def test_host_with_a_port_is_a_problem() -> None:
    (said,) = problems_of(service("[]", host="a.com:80"))
    assert said.endswith(
        "hosts: expected a hostname, perhaps with a leading *, and without a port, got 'a.com:80'"
    )


def test_delegate_has_no_gateways_and_no_delegate() -> None:
    said = problems_of(delegate("[{delegate: {name: x}}]", "gateways: [gw]"))
    assert [problem.split(": ", 1)[1] for problem in said] == [
        "expected no gateways at a delegate, which has no hosts",
        "expected no delegate in a VirtualService without hosts, which is one itself",
    ]


def test_keys_that_change_no_verdict_are_not_read() -> None:
    more = "timeout: 1s, retries: {}, mirror: {host: m}, mirrors: [], corsPolicy: {}"
    text = GATEWAY + service(f"[{{{more}, {to('a')}}}]")
    assert taker(decide(text, "a.com/x")) == "a.shop"


def test_routes_of_a_delegate_stand_in_the_place_of_the_root_s() -> None:
    text = GATEWAY + ROOT + delegate(f"[{{match: [{{uri: {{prefix: /d/a}}}}], {to('a')}}}]")
    decision = decide(text, "a.com/d/a")
    assert taker(decision) == "a.parts"
    assert decision.rule is not None
    assert str(decision.rule.place) == "r.yaml:24: VirtualService parts/part, http[0].match[0]"
    assert decision.rule.orderer == "VirtualService shop/web"
    assert taker(decide(text, "a.com/d/b")) == "rest.shop"


def test_delegate_takes_from_its_root_what_it_lacks() -> None:
    root = service(
        "[{match: [{uri: {prefix: /d}}], delegate: {name: part, namespace: parts},"
        " rewrite: {uri: /n}, headers: {request: {set: {host: h.com}}},"
        " fault: {abort: {httpStatus: 500, percentage: {value: 100}}}}]"
    )
    own = "fault: {delay: {}}, rewrite: {uri: /own}"
    plain = decide(GATEWAY + root + delegate(f"[{{{to('a')}}}]"), "a.com/d")
    assert (plain.outcome, plain.status) == (Outcome.ANSWERED, 500)
    other = decide(GATEWAY + root + delegate(f"[{{{own}, {to('a')}}}]"), "a.com/d")
    assert (other.target, other.authority) == ("/own", "h.com")


def test_direct_response_of_the_root_is_given_to_the_delegate() -> None:
    root = service("[{delegate: {name: part, namespace: parts}, directResponse: {status: 204}}]")
    assert decide(GATEWAY + root + delegate(f"[{{{to('a')}}}]"), "a.com/d").status == 204


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("", "http[0]: the delegate parts/part is not among these files; the route is left out"),
        (
            delegate(f"[{{{to('a')}}}]", "exportTo: [x]"),
            "VirtualService parts/part is not exported here; the route is left out",
        ),
        (
            delegate(f"[{{match: [{{uri: {{prefix: /e}}}}], {to('a')}}}]"),
            "VirtualService parts/part, http[0]: a match contradicts r.yaml:17:",
        ),
    ],
)
def test_delegate_that_istio_leaves_out_is_a_warning(text: str, warning: str) -> None:
    (said,) = warnings_of(GATEWAY + ROOT + text)
    assert warning in said
    assert taker(decide(GATEWAY + ROOT + text, "a.com/d")) == "rest.shop"


def test_delegate_that_nobody_names_is_a_warning() -> None:
    (said,) = warnings_of(GATEWAY + delegate(f"[{{{to('a')}}}]"))
    assert "no route names this delegate" in said
