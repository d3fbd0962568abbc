"""Tests that the referee sees where the product is wrong."""

from dataclasses import replace

import pytest

from estimator.routing.rules import Destination, Forward
from estimator.routing.table import RouteTable
from tests.estimator.routing.istio.conftest import GATEWAY, service, tables_of, to
from tests.routing_referee.envoy import EnvoyAnswer
from tests.routing_referee.rule_sets import RuleSet, Translation, WireRequest
from tests.routing_referee.verdicts import judge

RULE = "VirtualService shop/web, http[0].match[0]"
REQUEST = WireRequest("GET", "/a/b?c", "a.com", hidden=frozenset({"headers"}))
FORWARDED = {
    "x-rule": RULE,
    "x-envoy-upstream-service-time": "0",
    "x-path": "/a/b?c",
    "x-authority": "a.com",
    "x-destination": "web.shop||",
}
TRANSLATION = Translation(shares={RULE: {"web.shop||": 1.0}})


def table() -> RouteTable:
    text = GATEWAY + service(f"[{{match: [{{uri: {{prefix: /a}}}}], {to('web')}}}]")
    return tables_of(text)[0]


def difference(answer: EnvoyAnswer, judged: RouteTable, request: WireRequest = REQUEST) -> str:
    found = judge(judged, RuleSet([]), request, answer, TRANSLATION)
    return found[0] if found else ""


def test_agreement_is_no_difference() -> None:
    assert difference(EnvoyAnswer(200, FORWARDED), table()) == ""
    other = replace(REQUEST, authority="b.com")
    assert difference(EnvoyAnswer(404, {}), table(), other) == ""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (EnvoyAnswer(404, {}), "rejected by Envoy, forwarded by the product"),
        (EnvoyAnswer(0, {}), "rejected by Envoy, forwarded by the product"),
        (EnvoyAnswer(301, {"location": "/"}), "redirected by Envoy, forwarded by the product"),
        (EnvoyAnswer(200, FORWARDED | {"x-rule": "other"}), "forwarded: other rule"),
        (EnvoyAnswer(200, FORWARDED | {"x-path": "/a"}), "forwarded: other target"),
        (EnvoyAnswer(200, FORWARDED | {"x-authority": "b"}), "forwarded: other authority"),
        (EnvoyAnswer(200, FORWARDED | {"x-destination": "b||"}), "forwarded: other destinations"),
    ],
)
def test_every_respect_counts(answer: EnvoyAnswer, expected: str) -> None:
    assert difference(answer, table()) == expected


def test_shares_count() -> None:
    (host,) = table().hosts
    action = Forward((Destination("web.shop", share=0.5), Destination("b.shop", share=0.5)))
    halved = replace(host, rules=(replace(host.rules[0], action=action),))
    judged = replace(table(), hosts=(halved,))
    assert difference(EnvoyAnswer(200, FORWARDED), judged) == "forwarded: other destinations"


def test_objects_that_are_refused_are_a_difference() -> None:
    found = judge("no", RuleSet([]), REQUEST, EnvoyAnswer(404, {}), TRANSLATION)
    assert found == ("the product refuses the objects", "no")
