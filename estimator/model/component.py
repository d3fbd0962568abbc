"""What one component needs at its peak: every figure of it, each with its reason.

Here the parts meet for one component: evidence, sizing, requests, HPA and its simulation, rate
limits, plots and the arithmetic of all of them. Components know nothing of each other here; what
they share (nodes, phases, totals) is projection.py's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from estimator import units
from estimator.model import drawing, requests
from estimator.model.autoscaling import HpaRecommendation
from estimator.model.evidence import Evidence, gather
from estimator.model.figure import ExplanationLine, Figure, Flag
from estimator.model.plots import CurvePlot, DemandPlot
from estimator.model.policy import Policy
from estimator.model.rate_limits import RateLimits
from estimator.model.scenario import Demand, Observed, demand_of
from estimator.model.simulation import Simulation
from estimator.model.sizing import SPECS, Constraint, Sizing, size, surge, unavailable
from estimator.table.load_points import Component, Kind


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


def project_component(
    observed: Observed, component: Component, policy: Policy
) -> ComponentProjection:
    """Return what this component needs for the demand of its routes.

    Raises Refused where the table cannot answer.
    """
    evidence = gather(component, policy)
    demand = demand_of(observed, policy)
    sizing = size(demand.peak.value, evidence, policy)
    workers = requests.proxy_workers(evidence, sizing, policy)
    containers = {
        name: _container(name, evidence, sizing, policy, workers) for name in component.requests
    }
    pod = add(containers.values(), "sum over containers")
    used = pod.cpu_used.value / pod.cpu_request.value
    return ComponentProjection(
        name=component.name,
        kind=component.kind,
        routes=component.routes,
        peak=demand.peak,
        peak_second=observed.peak_second,
        replicas=_replicas(sizing, demand),
        decided_by=sizing.decided_by.name,
        constraints=sizing.constraints,
        capacity=Figure(
            sizing.capacity_rps,
            "rps per replica",
            "the least that a constraint allows one replica",
            constraint=min(
                (one for one in sizing.constraints if one.rps_per_replica is not None),
                key=lambda one: one.rps_per_replica or 0.0,
            ).name,
        ),
        rps_per_replica=Figure(
            sizing.rps_per_replica,
            "rps per replica",
            f"peak of {units.format_rps(demand.peak.value)} rps over {sizing.replicas} replicas",
            rows=evidence.nearest_rows(sizing.rps_per_replica),
            flags=sizing.flags,
        ),
        cpu_utilisation=Figure(
            used,
            "ratio",
            "cpu used over cpu requested, both summed over the containers, at the peak",
        ),
        containers=containers,
        total=times(pod, sizing.replicas),
        rows_used=tuple(point.row for point in evidence.points),
        rows_nearest=evidence.nearest_rows(sizing.rps_per_replica),
        rows_excluded={point.row: point.exclusion or "" for point in component.excluded_points},
        not_covered=_not_covered(evidence, policy),
        warnings=tuple(_warnings(component, evidence, sizing)),
        demand=demand,
        performance_limit=_performance_limit(evidence),
        workers=workers,
        rollout=_rollout(sizing, policy),
        curves=drawing.curves_of(evidence, sizing, policy),
        demand_plot=drawing.demand_plot(observed),
    )


def _replicas(sizing: Sizing, demand: Demand) -> Figure:
    reason = sizing.decided_by.reason
    if sizing.decided_by.name not in ("min replicas", "quota"):
        reason += f"; {sizing.reserve.name}: {sizing.reserve.reason}"
    return Figure(
        sizing.replicas,
        "replicas",
        reason,
        low=sizing.low,
        high=sizing.high,
        constraint=sizing.decided_by.name,
        assumptions=("target utilisation", "imbalance", "lose pods"),
        flags=tuple(dict.fromkeys((*sizing.flags, *demand.peak.flags))),
    )


def _container(
    name: str, evidence: Evidence, sizing: Sizing, policy: Policy, workers: Figure | None
) -> Amounts:
    curve = evidence.cpu[name]
    used = curve.at(min(sizing.rps_per_replica, curve.limit_rps))
    rows = evidence.nearest_rows(sizing.rps_per_replica)
    at = units.format_rps(sizing.rps_per_replica)
    if Flag.BELOW_RANGE in sizing.flags:
        reason = f"smallest row ({name_rows(rows)}), an upper bound below it"
    elif used.is_extrapolated:
        reason = f"extrapolated to {at} rps per replica, beyond {name_rows(rows)}"
    else:
        reason = f"load curve at {at} rps per replica, next to {name_rows(rows)}"
    cpu_limit = requests.cpu_limit(name, workers)
    memory = requests.memory_request(name, evidence)
    measured = max(point.usage[name].memory_bytes for point in evidence.points)
    return Amounts(
        cpu_request=requests.cpu_request(name, evidence, sizing, policy),
        memory_request=memory,
        cpu_used=Figure(
            used.value,
            "millicores",
            reason,
            low=used.low if curve.has_interval else None,
            high=used.high if curve.has_interval else None,
            rows=rows,
            flags=sizing.flags,
        ),
        memory_used=Figure(
            measured, "bytes", "maximum over the rows used: memory does not follow rps"
        ),
        cpu_limit=cpu_limit,
        memory_limit=memory,
    )


def name_rows(rows: tuple[int, ...]) -> str:
    """Return `row 3` or `rows 1, 2`."""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(str(row) for row in rows)}"


def add(parts: Iterable[Amounts], reason: str) -> Amounts:
    """Return the sums, with their bounds; a limit only where every part has one."""
    listed = list(parts)
    return Amounts(
        _sum([part.cpu_request for part in listed], reason),
        _sum([part.memory_request for part in listed], reason),
        _sum([part.cpu_used for part in listed], reason),
        _sum([part.memory_used for part in listed], reason),
        _sum_of_all([part.cpu_limit for part in listed], reason),
        _sum_of_all([part.memory_limit for part in listed], reason),
    )


def _sum_of_all(figures: list[Figure | None], reason: str) -> Figure | None:
    known = [figure for figure in figures if figure is not None]
    return _sum(known, reason) if known and len(known) == len(figures) else None


def _sum(figures: list[Figure], reason: str) -> Figure:
    has_bounds = any(figure.low is not None for figure in figures)
    return Figure(
        sum(figure.value for figure in figures),
        figures[0].unit,
        reason,
        low=sum(f.value if f.low is None else f.low for f in figures) if has_bounds else None,
        high=sum(f.value if f.high is None else f.high for f in figures) if has_bounds else None,
        flags=tuple(dict.fromkeys(flag for figure in figures for flag in figure.flags)),
    )


def times(pod: Amounts, replicas: int) -> Amounts:
    """Return the amounts of so many replicas."""
    reason = f"{replicas} replicas, all containers"

    def scaled(figure: Figure) -> Figure:
        return Figure(
            figure.value * replicas,
            figure.unit,
            reason,
            low=None if figure.low is None else figure.low * replicas,
            high=None if figure.high is None else figure.high * replicas,
            flags=figure.flags,
        )

    return Amounts(
        scaled(pod.cpu_request),
        scaled(pod.memory_request),
        scaled(pod.cpu_used),
        scaled(pod.memory_used),
        None if pod.cpu_limit is None else scaled(pod.cpu_limit),
        None if pod.memory_limit is None else scaled(pod.memory_limit),
    )


def _performance_limit(evidence: Evidence) -> Figure:
    limit = evidence.performance_limit
    return Figure(
        limit.rps, "rps per replica", limit.reason, constraint=limit.name, rows=limit.rows
    )


def _rollout(sizing: Sizing, policy: Policy) -> Rollout:
    replicas, zones = sizing.replicas, policy.zones
    lost = -(-replicas // zones) if zones > 1 else 0
    added = surge(replicas, policy.max_surge_ratio)
    removed = unavailable(replicas, policy.max_unavailable_ratio)
    spare = max(0, replicas - sizing.serving)
    return Rollout(
        serving=Figure(sizing.serving, "replicas", "the fewest that serve the peak"),
        after_pod_loss=Figure(
            max(0, replicas - policy.lose_pods), "replicas", f"{policy.lose_pods} lost"
        ),
        after_zone_loss=Figure(
            replicas - lost,
            "replicas",
            f"one of {zones} zones lost" if zones > 1 else "no zones were named",
        ),
        update_highest=Figure(
            replicas + added,
            "replicas",
            f"maxSurge {policy.max_surge_ratio:.0%} of {replicas}, rounded up, is {added}",
        ),
        update_lowest=Figure(
            replicas - removed,
            "replicas",
            f"maxUnavailable {policy.max_unavailable_ratio:.0%} of {replicas}, rounded down, is"
            f" {removed}",
        ),
        disruption_budget=Figure(
            max(1, spare) if replicas > 1 else 0,
            "replicas",
            f"{replicas} less the {sizing.serving} that serve the peak"
            + ("" if spare else "; at least 1, or no node can be drained"),
        ),
        max_surge_ratio=policy.max_surge_ratio,
        max_unavailable_ratio=policy.max_unavailable_ratio,
    )


def _not_covered(evidence: Evidence, policy: Policy) -> tuple[str, ...]:
    spec = SPECS[evidence.component.kind]
    open_questions = list(spec.not_covered)
    if policy.slo_p99_ms is None:
        open_questions.insert(0, "latency")
    if spec.counts_connections and policy.peak_connections is None:
        open_questions.append("number of connections")
    return tuple(open_questions)


def _warnings(component: Component, evidence: Evidence, sizing: Sizing) -> Iterable[str]:
    yield from sizing.warnings
    for name, curve in evidence.cpu.items():
        if not curve.has_interval:
            yield f"cpu of {name} has no interval: {curve.evidence} is added"
    for name, request in component.requests.items():
        used = max(point.usage[name].memory_bytes for point in evidence.points)
        if used > request.memory_bytes:
            yield (
                f"{name} used {units.format_memory(used)} of memory in a row, above"
                f" its request of {units.format_memory(request.memory_bytes)}: raise the request"
            )
    if Flag.BELOW_RANGE in sizing.flags:
        yield (
            f"{units.format_rps(sizing.rps_per_replica)} rps per replica are below every row used:"
            " cpu is that of the smallest row"
        )
    if Flag.EXTRAPOLATED in sizing.flags:
        yield (
            f"{units.format_rps(sizing.design_rps)} rps on the busiest replica are beyond every row"
            " used: cpu is extrapolated, latency and errors there are not known"
        )
    if Flag.SCALED_LINEARLY in sizing.flags:
        yield (
            f"the peak is above the largest row, {units.format_rps(evidence.largest.rps)} rps over"
            f" {evidence.largest.replicas} replica(s): replicas are assumed not to disturb each"
            f" other ({evidence.law_note})"
        )
    if len(evidence.points) == 1:
        yield "rests on a single row: cpu does not fall with rps here, an upper bound"
