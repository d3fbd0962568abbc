"""Checks that a real Envoy does with generated requests what the route tables say."""

import pytest

from tests.routing_referee.comparison import KINDS, run
from tests.topology.conftest import require

pytestmark = pytest.mark.topology

COUNT = 10_000
SEED = 19


@pytest.mark.parametrize("kind", KINDS)
def test_verdicts_are_those_of_envoy(kind: str) -> None:
    findings = run(require("envoy"), kind, COUNT, SEED)
    assert not findings.counts, "\n".join(map(str, findings.examples.values()))
    assert findings.cases == COUNT
    # The cases are no proof if most of them miss every rule.
    assert findings.outcomes["rejected"] < COUNT * 0.6
    assert min(findings.outcomes[outcome] for outcome in ("redirected", "answered")) > COUNT * 0.03
    assert findings.rules > COUNT * 0.1
