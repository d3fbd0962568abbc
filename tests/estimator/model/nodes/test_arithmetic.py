import math
import re
from datetime import date

import pytest

from estimator.model.nodes.arithmetic import explain_nodes
from estimator.model.nodes.packing import (
    GIB,
    MIB,
    Cluster,
    DaemonSet,
    NodePool,
    PodGroup,
    plan_nodes,
)
from estimator.table.load_points import Resources

POOL = NodePool("p", Resources(4000, 16 * GIB), Resources(3920, 13 * GIB), "given", 9, {}, 0.2)
SHIPPER = DaemonSet("ship", Resources(150, 100 * MIB), {})
CLUSTER = Cluster("nodes.yaml", (POOL,), (SHIPPER,), 3, {}, "EUR", date(2026, 11, 1), "a list")
GROUPS = [
    PodGroup("api", 8, 7, 9, Resources(510, 640 * MIB), 1),
    PodGroup("web", 3, 3, 3, Resources(100, 5000 * MIB), 1),
]
FUNCTIONS = {"min": min, "floor": math.floor}


def test_every_component_has_its_lines() -> None:
    found = explain_nodes(GROUPS, CLUSTER, plan_nodes(GROUPS, CLUSTER))
    assert set(found) == {"api", "web"}
    assert all(line.topic == "nodes" for lines in found.values() for line in lines)


@pytest.mark.parametrize("component", ["api", "web"])
def test_arithmetic_can_be_redone_by_hand(component: str) -> None:
    lines = explain_nodes(GROUPS, CLUSTER, plan_nodes(GROUPS, CLUSTER))[component]
    assert len(lines) == 5
    for line in lines:
        assert re.fullmatch(r"(?:min|floor|[\d.+\-*/(), ])+", line.substituted), line
        by_hand = eval(line.substituted, {"__builtins__": {}}, FUNCTIONS)
        assert by_hand == pytest.approx(line.result.value, rel=1e-4), line


def test_nodes_without_a_price_have_no_cost_line() -> None:
    free = Cluster(
        "n",
        (NodePool("p", *(POOL.capacity,) * 2, "given", 9, {}, None),),
        (),
        1,
        {},
        "EUR",
        None,
        "",
    )
    found = explain_nodes(GROUPS, free, plan_nodes(GROUPS, free))
    assert not any("cost" in line.formula for lines in found.values() for line in lines)
