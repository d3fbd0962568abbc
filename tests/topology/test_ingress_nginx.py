"""Checks that a real nginx does with Ingresses what the product says of them."""

import pytest

from tests.routing_referee.ingress_comparison import run
from tests.topology.conftest import require

pytestmark = pytest.mark.topology

COUNT = 4_000
SEED = 19


def test_verdicts_are_those_of_nginx() -> None:
    findings = run(require("nginx"), COUNT, SEED)
    assert not findings.disagreements, "\n\n".join(findings.disagreements)
    assert findings.cases == COUNT
    # The cases are no proof if most of them miss every path.
    assert findings.outcomes["forwarded"] > COUNT * 0.4
    assert findings.outcomes["redirected"] > COUNT * 0.03
