import math
import re
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.errors import Refused
from estimator.model.nodes.capacity import GIB, MIB, Cluster, DaemonSet, NodePool
from estimator.model.nodes.packing import NodePlan, PodGroup, explain_nodes, plan_nodes
from estimator.table.load_points import Resources

GENERAL = NodePool(
    "general", Resources(4000, 16 * GIB), Resources(4000, 16 * GIB), "given", 110, {}, 0.2
)
CLUSTER = Cluster("nodes.yaml", (GENERAL,), (), 1, {}, "EUR", date(2026, 11, 1), "a list")


def pods(component: str, replicas: int, cpu: float, memory_mib: int = 1) -> PodGroup:
    pod = Resources(cpu, memory_mib * MIB)
    return PodGroup(component, replicas, replicas, replicas, pod, spare=1)


def nodes(*groups: PodGroup, cluster: Cluster = CLUSTER) -> NodePlan:
    return plan_nodes(groups, cluster)


def test_identical_pods_fill_nodes() -> None:
    plan = nodes(pods("api", 9, 1000))
    assert plan.nodes.value == 3
    assert plan.pools[0].pods_per_node.value == 4
    assert plan.pools[0].stranded_cpu.value == pytest.approx(3 / 12)


def test_small_pods_fill_what_large_ones_leave() -> None:
    # Two pods of 3000m leave 1000m each, which the small pods use.
    assert nodes(pods("large", 2, 3000), pods("small", 4, 500)).nodes.value == 2


def test_memory_may_decide() -> None:
    assert nodes(pods("api", 4, 100, 8 * 1024)).nodes.value == 2


def test_places_for_pods_may_decide() -> None:
    few = replace(CLUSTER, pools=(replace(GENERAL, max_pods=4),))
    watchers = (DaemonSet("watch", Resources(10, MIB), {}),)
    assert nodes(pods("api", 9, 10), cluster=replace(few, daemon_sets=watchers)).nodes.value == 3


def test_daemon_sets_take_their_share_of_every_node() -> None:
    shipper = DaemonSet("ship", Resources(1000, MIB), {})
    assert (
        nodes(pods("api", 4, 1000), cluster=replace(CLUSTER, daemon_sets=(shipper,)))
        .pools[0]
        .pods_per_node.value
        == 3
    )
    elsewhere = replace(shipper, node_selector={"pool": "other"})
    assert (
        nodes(pods("api", 4, 1000), cluster=replace(CLUSTER, daemon_sets=(elsewhere,))).nodes.value
        == 1
    )


def test_zones_are_packed_by_themselves() -> None:
    plan = nodes(pods("api", 5, 1000), cluster=replace(CLUSTER, zones=3))
    assert plan.pools[0].nodes_per_zone == (1, 1, 1)
    assert plan.nodes.value == 3


def test_selector_decides_the_pool() -> None:
    edge = replace(GENERAL, name="edge", labels={"pool": "edge"})
    two = replace(CLUSTER, pools=(GENERAL, edge), node_selectors={"gateway": {"pool": "edge"}})
    plan = nodes(pods("gateway", 2, 1000), pods("api", 2, 1000), cluster=two)
    assert {pool.pool: pool.components for pool in plan.pools} == {
        "general": ("api",),
        "edge": ("gateway",),
    }


def test_pod_that_fits_nowhere_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        nodes(pods("api", 1, 5000), pods("huge", 1, 9000), pods("small", 1, 10))
    assert [refusal.subject for refusal in caught.value.refusals] == ["api", "huge"]
    assert "a pod of 5 and 1Mi fits on no node of nodes.yaml" in str(caught.value)


def test_cost_is_nodes_times_price_times_730_hours() -> None:
    plan = nodes(replace(pods("api", 9, 1000), low=8, high=13), pods("web", 1, 1000))
    assert plan.cost_per_month is not None and plan.requested_cost_per_month is not None
    assert plan.cost_per_month.value == pytest.approx(3 * 0.2 * 730)
    assert (plan.nodes.low, plan.nodes.high) == (3, 4)
    assert plan.cost_per_month.high == pytest.approx(4 * 0.2 * 730)
    assert plan.requested_cost_per_month.value == pytest.approx(2.5 * 0.2 * 730)
    shares = plan.cost_per_month_of_component
    assert sum(share.value for share in shares.values()) == pytest.approx(plan.cost_per_month.value)
    assert shares["api"].value == pytest.approx(0.9 * plan.cost_per_month.value)


def test_nodes_without_a_price_cost_nothing_that_is_known() -> None:
    free = replace(CLUSTER, pools=(replace(GENERAL, price_per_hour=None),))
    plan = nodes(pods("api", 1, 10), cluster=free)
    assert plan.cost_per_month is None
    assert plan.cost_per_month_of_component == {}


def test_node_that_carries_more_than_the_reserve_is_said() -> None:
    assert any(
        "may carry 4 pods of api" in assumption
        for assumption in nodes(pods("api", 8, 1000)).assumptions
    )


@given(
    st.lists(st.tuples(st.integers(1, 40), st.floats(50, 4000)), min_size=1, max_size=6),
    st.integers(1, 3),
)
def test_every_pod_finds_its_place(groups: list[tuple[int, float]], zones: int) -> None:
    made = [pods(f"c{n}", count, cpu) for n, (count, cpu) in enumerate(groups)]
    plan = nodes(*made, cluster=replace(CLUSTER, zones=zones))
    needed = sum(group.replicas * group.pod.cpu_millicores for group in made)
    assert plan.nodes.value * 4000 >= needed * (1 - 1e-9)
    # First fit decreasing needs at most 11/9 of the optimum plus one node in each zone.
    assert plan.nodes.value <= zones * (2 * needed / zones / 4000 + len(made) + 1)


@given(st.integers(1, 100), st.integers(0, 50), st.floats(50, 4000))
def test_more_pods_never_fewer_nodes(count: int, more: int, cpu: float) -> None:
    assert (
        nodes(pods("api", count, cpu)).nodes.value
        <= nodes(pods("api", count + more, cpu)).nodes.value
    )


@pytest.mark.parametrize("component", ["api", "web"])
def test_arithmetic_can_be_redone_by_hand(component: str) -> None:
    shipper = DaemonSet("ship", Resources(150, 100 * MIB), {})
    pool = replace(GENERAL, allocatable=Resources(3920, 13 * GIB), max_pods=9)
    cluster = replace(CLUSTER, pools=(pool,), daemon_sets=(shipper,), zones=3)
    groups = [replace(pods("api", 8, 510, 640), low=7, high=9), pods("web", 3, 100, 5000)]
    found = explain_nodes(groups, cluster, plan_nodes(groups, cluster))
    assert set(found) == {"api", "web"}
    assert len(found[component]) == 5
    for line in found[component]:
        assert line.topic == "nodes"
        assert re.fullmatch(r"(?:min|floor|[\d.+\-*/(), ])+", line.substituted), line
        functions = {"min": min, "floor": math.floor}
        by_hand = eval(line.substituted, {"__builtins__": {}}, functions)
        assert by_hand == pytest.approx(line.result.value, rel=1e-4), line


def test_nodes_without_a_price_have_no_cost_line() -> None:
    free = replace(CLUSTER, pools=(replace(GENERAL, price_per_hour=None),))
    groups = [pods("api", 1, 10)]
    (lines,) = explain_nodes(groups, free, plan_nodes(groups, free)).values()
    assert not any("cost" in line.formula for line in lines)
