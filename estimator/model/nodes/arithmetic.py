"""The arithmetic of nodes and cost, line by line, for each component that they carry.

As in explanation.py: formula, the same with its numbers, result; plain arithmetic can be redone.
"""

from collections.abc import Sequence

from estimator.model.figure import ExplanationLine, Figure
from estimator.model.nodes.packing import (
    HOURS_PER_MONTH,
    MIB,
    Cluster,
    NodePlan,
    NodePool,
    PodGroup,
    PoolPlan,
    free_on,
)

TOPIC = "nodes"


def explain_nodes(
    groups: Sequence[PodGroup], cluster: Cluster, plan: NodePlan
) -> dict[str, tuple[ExplanationLine, ...]]:
    """Return the lines of each component, by name."""
    pools = {pool.name: pool for pool in cluster.pools}
    result = {}
    for group in groups:
        found = next(one for one in plan.pools if group.component in one.components)
        result[group.component] = (
            *_per_node(group, pools[found.pool], cluster),
            *_pool(found, pools[found.pool]),
        )
    return result


def _per_node(group: PodGroup, pool: NodePool, cluster: Cluster) -> tuple[ExplanationLine, ...]:
    cpu, memory, places = free_on(pool, cluster)
    pod_cpu, pod_mib = group.pod.cpu_millicores, group.pod.memory_bytes / MIB
    left = pool.allocatable.cpu_millicores
    count = min(int(cpu / pod_cpu + 1e-9), int(memory // group.pod.memory_bytes), places)
    return (
        ExplanationLine(
            TOPIC,
            "cpu for pods = allocatable - DaemonSets",
            f"{left:g} - {left - cpu:g}",
            Figure(cpu, "millicores", f"pool {pool.name}: allocatable {pool.allocatable_reason}"),
        ),
        ExplanationLine(
            TOPIC,
            "pods of a node = min(floor(cpu / request), floor(memory / request), places)",
            f"min(floor({cpu:g} / {pod_cpu:g}), floor({memory / MIB:.2f} / {pod_mib:.2f}),"
            f" {places})",
            Figure(count, "replicas", f"of {group.component} alone, in millicores and MiB"),
        ),
        ExplanationLine(
            TOPIC,
            "pods = R + maxSurge",
            f"{group.replicas}",
            Figure(group.replicas, "replicas", f"over {cluster.zones} zone(s), evenly"),
        ),
    )


def _pool(plan: PoolPlan, pool: NodePool) -> tuple[ExplanationLine, ...]:
    zones = " + ".join(str(count) for count in plan.nodes_per_zone)
    lines = [
        ExplanationLine(
            TOPIC,
            f"nodes of pool {plan.pool} = sum over zones of first fit, of "
            + ", ".join(plan.components),
            zones,
            plan.nodes,
        )
    ]
    if plan.cost_per_month is not None:
        lines.append(
            ExplanationLine(
                TOPIC,
                "cost = nodes * price * hours",
                f"{plan.nodes.value:g} * {pool.price_per_hour:g} * {HOURS_PER_MONTH}",
                plan.cost_per_month,
            )
        )
    return tuple(lines)
