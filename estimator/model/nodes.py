"""Nodes by packing pods into allocatable capacity, and their cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from estimator.model.figure import Figure
from estimator.table.load_points import Resources


@dataclass(frozen=True, slots=True)
class DaemonSet:
    """A pod that every node of the pools it selects carries."""

    name: str
    requests: Resources
    node_selector: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NodePool:
    """A kind of node that pods may be placed on."""

    name: str
    capacity: Resources
    allocatable: Resources
    """Capacity less what kubelet, system and eviction keep."""
    allocatable_reason: str
    """`given`, or the provider's formula with its numbers."""
    max_pods: int
    labels: Mapping[str, str]
    price_per_hour: float | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a node file says."""

    source: str
    pools: tuple[NodePool, ...]
    daemon_sets: tuple[DaemonSet, ...]
    zones: int
    node_selectors: Mapping[str, Mapping[str, str]]
    """By component name; a component without one may go to every pool (the first that fits)."""
    currency: str
    priced_on: date | None
    price_source: str
    is_example: bool = False


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
    """Of the nodes, 730 h; low and high from the bounds of the replica counts."""
    requested_cost_per_month: Figure | None
    """Of the share of the nodes that the pods request."""
    cost_per_month_of_component: Mapping[str, Figure]
    """By component, its share of the node cost by the resource it requests most of."""
    assumptions: tuple[str, ...]
    """Price date and source, zones, provider formula."""
