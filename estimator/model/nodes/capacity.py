"""What the nodes of a cluster have: pools, DaemonSets, zones, and what pods may use of a node.

    free = allocatable - DaemonSets that the pool's labels select

What kubelet, system and eviction keep of the capacity (the rest is `allocatable`):

| provider | cpu | memory |
|---|---|---|
| gke, eks | 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of the rest | |
| gke | | 25 % of 4 GiB, 20 % of the next 4, 10 % of 8, 6 % of 112, 2 % of the rest + 100 MiB |
| eks | | 11 MiB * max pods + 255 MiB + 100 MiB |
| aks | 60, 100, 140, 180, 260, 420, 740 m up to 1, 2, 4, 8, 16, 32, 64 cores | the least of 20 MB |
| | | times max pods + 50 MB and of a quarter, + 100 MiB |

Worked: gke, 4 cores and 16 GiB keep 80 m and 1.0 + 0.8 + 0.8 GiB + 100 MiB = 2762.4 MiB; 3920 m and
13621.6 MiB are left.

Source: the providers' documentation of node sizes, as of 2025.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from estimator.table.load_points import Resources

PROVIDERS = ("gke", "eks", "aks")
MIB, GIB = 2**20, 2**30
_EVICTION_BYTES = 100 * MIB
_AKS_CPU = ((1, 60), (2, 100), (4, 140), (8, 180), (16, 260), (32, 420), (64, 740))
_GKE_MEMORY = ((4, 0.25), (4, 0.20), (8, 0.10), (112, 0.06), (math.inf, 0.02))
_CORES = ((1, 0.06), (1, 0.01), (2, 0.005), (math.inf, 0.0025))


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


def allocatable(provider: str, capacity: Resources, max_pods: int) -> Resources:
    """Return what pods may use of a node; `provider` is one of PROVIDERS."""
    cores = capacity.cpu_millicores / 1000
    if provider == "aks":
        kept_cpu = float(next((m for size, m in _AKS_CPU if cores <= size), _AKS_CPU[-1][1]))
        kept = min(20e6 * max_pods + 50e6, 0.25 * capacity.memory_bytes)
    else:
        kept_cpu = 1000 * _tiers(cores, _CORES)
        kept = 11 * MIB * max_pods + 255 * MIB
    if provider == "gke":
        tiers = _tiers(capacity.memory_bytes / GIB, _GKE_MEMORY) * GIB
        kept = 255 * MIB if capacity.memory_bytes < GIB else tiers
    memory = capacity.memory_bytes - kept - _EVICTION_BYTES
    return Resources(max(0.0, capacity.cpu_millicores - kept_cpu), max(0, math.floor(memory)))


def _tiers(amount: float, tiers: Sequence[tuple[float, float]]) -> float:
    kept = 0.0
    for width, share in tiers:
        kept += min(amount, width) * share
        amount = max(0.0, amount - width)
    return kept


def free_on(pool: NodePool, cluster: Cluster) -> tuple[float, int, int]:
    """Return cpu, memory and places for pods that DaemonSets leave on a node."""
    running = [d for d in cluster.daemon_sets if d.node_selector.items() <= pool.labels.items()]
    cpu = pool.allocatable.cpu_millicores - sum(d.requests.cpu_millicores for d in running)
    memory = pool.allocatable.memory_bytes - sum(d.requests.memory_bytes for d in running)
    return cpu, memory, pool.max_pods - len(running)
