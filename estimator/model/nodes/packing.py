"""Nodes by packing pods into allocatable capacity, and their cost.

    packing   first fit, pods by falling dominant share max(cpu / free cpu, memory / free memory);
              at most 11/9 of the fewest nodes possible, and 6/9 of a node
    zones     each component's pods spread evenly; every zone is packed by itself
    cost      nodes * price * 730 h
    stranded  1 - (pods + DaemonSets) / allocatable

The nodes also hold a rolling update: what is packed is replicas + maxSurge. A component goes to the
first pool of the file that its node selector matches and whose nodes can carry one of its pods.

Source: D. Johnson 1973 for first fit.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from estimator import units
from estimator.errors import Refusal, Refused
from estimator.model.figure import ExplanationLine, Figure, explained
from estimator.model.nodes.capacity import MIB, Cluster, NodePool, free_on
from estimator.table.load_points import Resources

TOPIC = "nodes"
HOURS_PER_MONTH = 730


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """Nodes of one pool."""

    pool: str
    components: tuple[str, ...]
    nodes: Figure
    nodes_per_zone: tuple[int, ...]
    pods_per_node: Figure
    """The most pods that one node carries."""
    stranded_cpu: Figure
    """Ratio of allocatable that no pod requests."""
    stranded_memory: Figure
    cost_per_month: Figure | None


@dataclass(frozen=True, slots=True)
class NodePlan:
    """Nodes of all pools, a rolling update included."""

    source: str
    is_example: bool
    pools: tuple[PoolPlan, ...]
    nodes: Figure
    cost_per_month: Figure | None
    """Cost of the nodes for 730 h, with bounds from those of the replica counts."""
    requested_cost_per_month: Figure | None
    """Cost of the share of the nodes that the pods request."""
    cost_per_month_of_component: Mapping[str, Figure]
    """By component, its share of the node cost by the resource it requests most of."""
    assumptions: tuple[str, ...]
    """Price date and source, zones, provider formula."""


@dataclass(frozen=True, slots=True)
class PodGroup:
    """The pods of one component."""

    component: str
    replicas: int
    """maxSurge included."""
    low: int
    high: int
    pod: Resources
    """Requests of all its containers."""
    spare: int
    """Replicas that may be lost at the peak."""


def plan_nodes(groups: Sequence[PodGroup], cluster: Cluster) -> NodePlan:
    """Return the nodes of every pool. Raises Refused with every component that fits on none."""
    placed = _place(groups, cluster)
    pools = [
        _plan_pool(pool, placed[pool.name], cluster)
        for pool in cluster.pools
        if placed.get(pool.name)
    ]
    notes = [f"{cluster.zones} zone(s), pods spread evenly over them"]
    if cluster.priced_on is not None:
        notes.append(f"prices of {cluster.priced_on.isoformat()}: {cluster.price_source}")
    notes += [f"pool {p.name}: allocatable {p.allocatable_reason}" for p in cluster.pools]
    for plan in pools:
        notes += _node_losses(plan, placed[plan.pool], cluster)
    costs = [plan.cost_per_month for plan in pools]
    has_prices = bool(costs) and all(cost is not None for cost in costs)
    by_component = _by_component(placed, pools, cluster) if has_prices else {}
    return NodePlan(
        source=cluster.source,
        is_example=cluster.is_example,
        pools=tuple(pools),
        nodes=_total([plan.nodes for plan in pools], "sum over pools"),
        cost_per_month=_total([c for c in costs if c is not None], "sum over pools")
        if has_prices
        else None,
        requested_cost_per_month=_requested(placed, cluster) if has_prices else None,
        cost_per_month_of_component=by_component,
        assumptions=tuple(notes),
    )


def explain_nodes(
    groups: Sequence[PodGroup], cluster: Cluster, plan: NodePlan
) -> dict[str, tuple[ExplanationLine, ...]]:
    """Return the arithmetic of nodes and cost for each component, by name."""
    pools = {pool.name: pool for pool in cluster.pools}
    lines = {}
    for group in groups:
        carrier = next(pool for pool in plan.pools if group.component in pool.components)
        figures = explained(TOPIC, carrier.nodes, carrier.cost_per_month)
        lines[group.component] = (*_explain_group(group, pools[carrier.pool], cluster), *figures)
    return lines


def _explain_group(group: PodGroup, pool: NodePool, cluster: Cluster) -> Iterator[ExplanationLine]:
    cpu, memory, places = free_on(pool, cluster)
    pod_cpu, pod_mib = group.pod.cpu_millicores, group.pod.memory_bytes / MIB
    rest_millicores = pool.allocatable.cpu_millicores
    yield ExplanationLine(
        TOPIC,
        "cpu for pods = allocatable - DaemonSets",
        f"{rest_millicores:g} - {rest_millicores - cpu:g}",
        Figure(cpu, "millicores", f"pool {pool.name}: allocatable {pool.allocatable_reason}"),
    )
    by_memory = f"floor({memory / MIB:.2f} / {pod_mib:.2f})"
    yield ExplanationLine(
        TOPIC,
        "pods of a node = min(floor(cpu / request), floor(memory / request), places)",
        f"min(floor({cpu:g} / {pod_cpu:g}), {by_memory}, {places})",
        Figure(
            _per_node(group, pool, cluster),
            "replicas",
            f"of {group.component} alone, in millicores and MiB",
        ),
    )
    count = Figure(group.replicas, "replicas", f"over {cluster.zones} zone(s), evenly")
    yield ExplanationLine(TOPIC, "pods = R + maxSurge", f"{group.replicas}", count)


def _place(groups: Sequence[PodGroup], cluster: Cluster) -> dict[str, list[PodGroup]]:
    placed: dict[str, list[PodGroup]] = {}
    refusals = []
    for group in groups:
        labels = cluster.node_selectors.get(group.component, {})
        fitting = [
            pool
            for pool in cluster.pools
            if labels.items() <= pool.labels.items() and _per_node(group, pool, cluster) > 0
        ]
        if fitting:
            placed.setdefault(fitting[0].name, []).append(group)
            continue
        selector = ", ".join(f"{key}={value}" for key, value in labels.items()) or "none"
        reason = (
            f"a pod of {units.format_cpu(group.pod.cpu_millicores)} and"
            f" {units.format_memory(group.pod.memory_bytes)} fits on no node of {cluster.source}"
            f" (node selector: {selector})"
        )
        refusals.append(Refusal(group.component, reason, "Add a pool, or correct its selector"))
    if refusals:
        raise Refused(refusals)
    return placed


def _per_node(group: PodGroup, pool: NodePool, cluster: Cluster) -> int:
    cpu, memory, places = free_on(pool, cluster)
    return max(0, _fitting(group, cpu, memory, places))


def _fitting(group: PodGroup, cpu: float, memory: float, places: int) -> int:
    by_cpu = math.floor(cpu / group.pod.cpu_millicores + 1e-9)
    return min(by_cpu, int(memory // group.pod.memory_bytes), places)


def _pack(counts: Sequence[tuple[PodGroup, int]], pool: NodePool, cluster: Cluster) -> int:
    """Return the nodes of one zone that carry so many pods of each group, first fit."""
    cpu, memory, places = free_on(pool, cluster)

    def share(entry: tuple[PodGroup, int]) -> float:
        pod = entry[0].pod
        return max(pod.cpu_millicores / cpu, pod.memory_bytes / memory)

    nodes: list[list[float]] = []
    for group, count in sorted(counts, key=lambda entry: (-share(entry), entry[0].component)):
        unplaced = count
        # Identical pods fill one node after the other, which is first fit for each of them.
        for node in nodes:
            unplaced -= _fill(node, group, unplaced)
        while unplaced > 0:
            nodes.append([cpu, float(memory), float(places)])
            unplaced -= _fill(nodes[-1], group, unplaced)
    return len(nodes)


def _fill(node: list[float], group: PodGroup, most: int) -> int:
    """Place as many pods as the node takes, at most `most`; return how many."""
    placed = min(most, max(0, _fitting(group, node[0], int(node[1]), int(node[2]))))
    node[0] -= placed * group.pod.cpu_millicores
    node[1] -= placed * group.pod.memory_bytes
    node[2] -= placed
    return placed


def _zones_of(
    groups: Sequence[PodGroup], counts: Sequence[int], pool: NodePool, cluster: Cluster
) -> tuple[int, ...]:
    zones = cluster.zones
    return tuple(
        _pack(
            [
                (group, count // zones + (1 if zone < count % zones else 0))
                for group, count in zip(groups, counts, strict=True)
            ],
            pool,
            cluster,
        )
        for zone in range(zones)
    )


def _plan_pool(pool: NodePool, groups: Sequence[PodGroup], cluster: Cluster) -> PoolPlan:
    per_zone = _zones_of(groups, [group.replicas for group in groups], pool, cluster)
    low = sum(_zones_of(groups, [group.low for group in groups], pool, cluster))
    high = sum(_zones_of(groups, [group.high for group in groups], pool, cluster))
    count = sum(per_zone)
    cpu, memory, _ = free_on(pool, cluster)
    used_cpu = sum(group.replicas * group.pod.cpu_millicores for group in groups)
    used_memory = sum(group.replicas * group.pod.memory_bytes for group in groups)
    kept = f"allocatable of {count} node(s) that neither pods nor DaemonSets request"
    most = max(_per_node(group, pool, cluster) for group in groups)
    reason = (
        f"first fit of {sum(group.replicas for group in groups)} pods, a rolling update included,"
        f" into {units.format_cpu(cpu)} and {units.format_memory(memory)} of each node"
    )
    cost = None
    if pool.price_per_hour is not None:
        month = pool.price_per_hour * HOURS_PER_MONTH
        unit = f"{cluster.currency} per month"
        price = f"{pool.price_per_hour:g} {cluster.currency} an hour, {HOURS_PER_MONTH} h"
        cost = Figure(
            count * month,
            unit,
            f"{count} node(s) at {price}",
            low=low * month,
            high=high * month,
            formula="cost = nodes * price * hours",
            numbers=f"{count} * {pool.price_per_hour:g} * {HOURS_PER_MONTH}",
        )
    components = tuple(group.component for group in groups)
    return PoolPlan(
        pool=pool.name,
        components=components,
        nodes=Figure(
            count,
            "nodes",
            reason,
            low=min(low, count),
            high=max(high, count),
            formula=f"nodes of pool {pool.name} = sum over zones of first fit, of "
            + ", ".join(components),
            numbers=" + ".join(str(nodes) for nodes in per_zone),
        ),
        nodes_per_zone=per_zone,
        pods_per_node=Figure(most, "replicas", "of the smallest pod, after DaemonSets"),
        stranded_cpu=Figure(
            _stranded(cpu, count, used_cpu, pool.allocatable.cpu_millicores), "ratio", kept
        ),
        stranded_memory=Figure(
            _stranded(memory, count, used_memory, pool.allocatable.memory_bytes), "ratio", kept
        ),
        cost_per_month=cost,
    )


def _stranded(free: float, nodes: int, used: float, of: float) -> float:
    return max(0.0, (free * nodes - used) / (of * nodes))


def _node_losses(plan: PoolPlan, groups: Sequence[PodGroup], cluster: Cluster) -> list[str]:
    """Say where a lost node takes more pods away than the sizing holds in reserve."""
    pool = next(pool for pool in cluster.pools if pool.name == plan.pool)
    notes = []
    for group in groups:
        in_zone = -(-group.replicas // cluster.zones)
        most = min(in_zone, _per_node(group, pool, cluster))
        if most > max(1, group.spare):
            notes.append(
                f"a node of pool {plan.pool} may carry {most} pods of {group.component}, whose"
                f" reserve is {group.spare}: spread them over nodes (topologySpreadConstraints), or"
                " raise the number of pods that may be lost"
            )
    return notes


def _dominant(group: PodGroup, pool: NodePool) -> float:
    cpu = group.pod.cpu_millicores / pool.allocatable.cpu_millicores
    return group.replicas * max(cpu, group.pod.memory_bytes / pool.allocatable.memory_bytes)


def _requested(placed: Mapping[str, Sequence[PodGroup]], cluster: Cluster) -> Figure:
    total = sum(
        _dominant(group, pool) * (pool.price_per_hour or 0.0) * HOURS_PER_MONTH
        for pool in cluster.pools
        for group in placed.get(pool.name, ())
    )
    reason = "the share of a node that the pods request, by the resource they request most of"
    return Figure(total, f"{cluster.currency} per month", reason)


def _by_component(
    placed: Mapping[str, Sequence[PodGroup]], plans: Sequence[PoolPlan], cluster: Cluster
) -> dict[str, Figure]:
    result = {}
    pools = {pool.name: pool for pool in cluster.pools}
    for plan in plans:
        groups, cost = placed[plan.pool], plan.cost_per_month
        assert cost is not None
        total = sum(_dominant(group, pools[plan.pool]) for group in groups)
        for group in groups:
            share = _dominant(group, pools[plan.pool]) / total
            reason = f"{share:.0%} of pool {plan.pool}, by the resource it requests most of"
            result[group.component] = Figure(cost.value * share, cost.unit, reason)
    return result


def _total(figures: Sequence[Figure], reason: str) -> Figure:
    return Figure(
        sum(figure.value for figure in figures),
        figures[0].unit,
        reason,
        low=sum(figure.value if figure.low is None else figure.low for figure in figures),
        high=sum(figure.value if figure.high is None else figure.high for figure in figures),
    )
