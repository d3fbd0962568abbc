"""Checks that whatever a rule asks for is kept."""

from estimator.requests.asked import Asked, asked_by
from estimator.routing.conditions import Conditions, Kind, Named, Text


def test_the_names_of_all_rules_are_asked_for() -> None:
    x, y, v = (Named(name, Text(Kind.PRESENT)) for name in "xyv")
    rules = [Conditions(headers=(x,)), Conditions(headers=(y, x), query=(v,)), Conditions()]
    assert asked_by(rules) == Asked(frozenset("xy"), frozenset("v"))
