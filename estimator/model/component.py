"""What one component needs at its peak: every figure of it, each with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass

from estimator.model.autoscaling import HpaRecommendation
from estimator.model.figure import ExplanationLine, Figure
from estimator.model.plots import CurvePlot, DemandPlot
from estimator.model.rate_limits import RateLimits
from estimator.model.simulation import Simulation
from estimator.model.sizing import Constraint
from estimator.table.load_points import Kind


@dataclass(frozen=True, slots=True)
class Amounts:
    """Cpu and memory, of a container, a component or all components."""

    cpu_request: Figure
    """Recommended."""
    memory_request: Figure
    cpu_used: Figure
    """At the peak; low and high where the curve has an interval."""
    memory_used: Figure
    cpu_limit: Figure | None = None
    """Recommended; None: no cpu limit is recommended (or, in a sum, some container has none)."""
    memory_limit: Figure | None = None


@dataclass(frozen=True, slots=True)
class Demand:
    """From the observed peak to the one that is sized for: each factor by itself."""

    observed: Figure
    """Highest bucket of the series."""
    window_correction: Figure
    """Ratio: peak over `peak_window_s` to the highest bucket."""
    growth: Figure
    """Ratio, over the horizon."""
    event: Figure
    """Ratio."""
    return_level: Figure | None
    """Rps exceeded once in 365 days (or `return_days`); None with fewer than 14 daily maxima."""
    daily_maxima: tuple[tuple[int, float], ...]
    """Unix time of the day and its highest rps, for every day observed at least by half."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Replicas during failure and rolling update."""

    serving: Figure
    """The fewest that serve the peak."""
    after_pod_loss: Figure
    after_zone_loss: Figure
    update_highest: Figure
    """Replicas + maxSurge, rounded up: what the nodes must hold."""
    update_lowest: Figure
    """Replicas - maxUnavailable, rounded down."""
    disruption_budget: Figure
    """PodDisruptionBudget maxUnavailable."""
    max_surge_ratio: float
    max_unavailable_ratio: float


@dataclass(frozen=True, slots=True)
class ComponentProjection:
    """What one component needs at its peak."""

    name: str
    kind: Kind
    routes: tuple[str, ...]
    peak: Figure
    """That is sized for: growth, event and averaging window included."""
    peak_second: int
    """Unix time of the start of the observed peak's bucket."""
    replicas: Figure
    decided_by: str
    constraints: tuple[Constraint, ...]
    capacity: Figure
    """What one replica serves within the target and the table."""
    rps_per_replica: Figure
    cpu_utilisation: Figure
    containers: Mapping[str, Amounts]
    """Of one replica."""
    total: Amounts
    """Of all replicas."""
    rows_used: tuple[int, ...]
    rows_nearest: tuple[int, ...]
    rows_excluded: Mapping[int, str]
    """Row and the rule that excluded it."""
    not_covered: tuple[str, ...]
    warnings: tuple[str, ...]
    demand: Demand | None = None
    performance_limit: Figure | None = None
    """Rps per replica that must not be exceeded: latency, errors, cpu, workers or the table's end;
    `constraint` says which."""
    workers: Figure | None = None
    """Envoy worker threads to set (`concurrency`), where a container is istio-proxy."""
    rollout: Rollout | None = None
    hpa: HpaRecommendation | None = None
    simulation: Simulation | None = None
    rate_limits: RateLimits | None = None
    curves: tuple[CurvePlot, ...] = ()
    """One for each container, and p99 where rows state it."""
    demand_plot: DemandPlot | None = None
    explanation: tuple[ExplanationLine, ...] = ()
    """By topic, in the order of the calculation."""
