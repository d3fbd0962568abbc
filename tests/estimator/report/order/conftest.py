from collections import Counter

import pytest

from estimator.migration.order.observed import Seen
from estimator.migration.order.plan import Evidence, Plan, plan
from estimator.migration.order.state import State
from estimator.series.ended_legs import EndedLegs
from mirror.formats.routes import RouteTable
from tests.estimator.migration.order.test_moves import SITES
from tests.estimator.migration.order.test_plan import SERIES, TEMPLATES


@pytest.fixture
def planned() -> Plan:
    """Return a plan with a path in each group, a doubt and a note."""
    seen = {
        "/cart": Seen(
            10,
            Counter({"GET": 9, "PUT": 1}),
            served=10,
            rules=Counter({f"r.yaml:{n}: HTTPRoute shop/site": 5 - n for n in range(1, 5)}),
        ),
        "/api/_": Seen(40, Counter({"GET": 40}), served=40, undecided=1, why="GET /api/*: `x`"),
        "other": Seen(1, Counter({"": 1}), served=1, lost=1, why="/<b>: no rule takes it"),
    }
    state = {"/cart": State(10, authorization=10)}
    legs = {"/cart": EndedLegs(Counter({"2xx": 998, "5xx": 2}), Counter({"2xx": 1000}))}
    templates = RouteTable(TEMPLATES)
    return plan(
        Evidence(SERIES, templates, seen, state, legs, True, ("a note",), ("a doubt",)),
        SITES,
    )
