"""What one component needs at its peak: every figure of it, each with its reason.

Here the parts meet for one component: evidence, sizing, requests, HPA and its simulation, rate
limits, plots and the arithmetic of all of them. Components know nothing of each other here; what
they share (nodes, phases, totals) is projection.py's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from estimator import units
from estimator.model import drawing
from estimator.model.autoscaling.metric import pod_of
from estimator.model.autoscaling.recommendation import (
    HpaRecommendation,
    Scaled,
    explain_hpa,
    recommend,
)
from estimator.model.autoscaling.simulation import Load
from estimator.model.autoscaling.summary import Simulation, summarise
from estimator.model.demand.scenario import Demand, Observed, demand_of, explain_demand
from estimator.model.evidence.evidence import PROXY, Evidence, explain_curves
from estimator.model.evidence.queueing import Queue
from estimator.model.figure import ExplanationLine, Figure, Flag, explained
from estimator.model.plots import CurvePlot, DemandPlot
from estimator.model.policy import Policy
from estimator.model.rollout import Rollout, rollout_of
from estimator.model.sizing import requests
from estimator.model.sizing.amounts import Amounts, add, container_amounts, times
from estimator.model.sizing.rate_limits import (
    Downstream,
    LimitBounds,
    RateLimits,
    explain_rate_limits,
    rate_limits,
)
from estimator.model.sizing.replicas import (
    SPECS,
    Constraint,
    Sizing,
    explain_replicas,
    size,
)
from estimator.table.load_points import Component, Kind


@dataclass(frozen=True, slots=True)
class ComponentProjection:
    """What one component needs at its peak."""

    name: str
    kind: Kind
    routes: tuple[str, ...]
    peak: Figure
    """The peak that is sized for, with growth, event and averaging window."""
    peak_second: int
    """Unix time of the start of the observed peak's bucket."""
    replicas: Figure
    decided_by: str
    constraints: tuple[Constraint, ...]
    capacity: Figure
    """The rps that one replica serves within every constraint."""
    rps_per_replica: Figure
    cpu_utilisation: Figure
    containers: Mapping[str, Amounts]
    """Amounts of one replica, by container."""
    total: Amounts
    """Amounts of all replicas."""
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
    """None where a fixed count is better."""
    no_hpa: str = ""
    """Why a fixed count is better than an HPA, and what it costs; empty with an HPA."""
    simulation: Simulation | None = None
    """None without an HPA."""
    rate_limits: RateLimits | None = None
    curves: tuple[CurvePlot, ...] = ()
    """One for each container, and p99 where rows state it."""
    demand_plot: DemandPlot | None = None
    explanation: tuple[ExplanationLine, ...] = ()
    """By topic, in the order of the calculation."""


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """All parts of the answer for one component."""

    demand: Demand
    evidence: Evidence
    sizing: Sizing
    containers: Mapping[str, Amounts]
    workers: Figure | None
    queue: Queue | None
    """Before the Envoy workers, where there are any."""
    scaled: Scaled
    simulation: Simulation
    rate_limits: RateLimits
    policy: Policy


def project_component(
    observed: Observed,
    evidence: Evidence,
    policy: Policy,
    downstreams: tuple[Downstream, ...] = (),
) -> ComponentProjection:
    """Return what a component needs for the demand of its routes.

    `downstreams` take what the component passes on; those of the policy are added.

    Raises Refused if the table cannot answer.
    """
    parts = _calculate(observed, evidence, policy, downstreams)
    evidence, component = parts.evidence, evidence.component
    sizing, demand = parts.sizing, parts.demand
    pod = add(parts.containers.values(), "sum over containers")
    return ComponentProjection(
        name=component.name,
        kind=component.kind,
        routes=component.routes,
        peak=demand.peak,
        peak_second=observed.peak_second,
        replicas=replicas_figure(sizing, demand),
        decided_by=sizing.decided_by.name,
        constraints=sizing.constraints,
        capacity=_capacity(sizing),
        rps_per_replica=Figure(
            sizing.rps_per_replica,
            "rps per replica",
            f"peak of {units.format_rps(demand.peak.value)} rps over {sizing.replicas} replicas",
            rows=evidence.nearest_rows(sizing.rps_per_replica),
            flags=sizing.flags,
        ),
        cpu_utilisation=Figure(
            pod.cpu_used.value / pod.cpu_request.value,
            "ratio",
            "cpu used over cpu requested, both summed over the containers, at the peak",
        ),
        containers=parts.containers,
        total=times(pod, sizing.replicas, sizing.high),
        rows_used=tuple(point.row for point in evidence.points),
        rows_nearest=evidence.nearest_rows(sizing.rps_per_replica),
        rows_excluded={point.row: point.exclusion or "" for point in component.excluded_points},
        not_covered=_not_covered(evidence, policy),
        warnings=tuple(_warnings(parts)),
        demand=demand,
        performance_limit=_performance_limit(evidence),
        workers=parts.workers,
        rollout=rollout_of(sizing, parts.scaled, policy),
        hpa=None if parts.scaled.declined else parts.scaled.hpa,
        no_hpa=parts.scaled.declined,
        rate_limits=parts.rate_limits,
        simulation=None if parts.scaled.declined else parts.simulation,
        curves=drawing.curves_of(evidence, sizing, policy),
        demand_plot=drawing.demand_plot(observed),
        explanation=tuple(_explain(parts)),
    )


def _calculate(
    observed: Observed, evidence: Evidence, policy: Policy, downstreams: tuple[Downstream, ...]
) -> Parts:
    """Calculate the parts of the answer, each from the parts before it."""
    component = evidence.component
    demand = demand_of(observed, policy)
    sizing = size(demand.peak.value, evidence, policy)
    evidence = evidence.among(sizing.serving, policy)
    workers = requests.proxy_workers(evidence, sizing, policy)
    containers = {
        name: container_amounts(name, evidence, sizing, policy, workers)
        for name in component.requests
    }
    requested = {name: amounts.cpu_request.value for name, amounts in containers.items()}
    factor = demand.peak.value / observed.peak_rps
    load = Load(observed.demand * factor, observed.start, observed.resolution_s)
    pod = pod_of(evidence, requested, policy)
    scaled = recommend(load, sizing, evidence, pod, policy, demand.peak_without_spike_rps)
    dependencies = (*downstreams, *_called_services(component, policy))
    return Parts(
        demand=demand,
        evidence=evidence,
        sizing=sizing,
        containers=containers,
        workers=workers,
        queue=_queue(evidence, sizing, workers),
        scaled=scaled,
        simulation=summarise(load, scaled.run, scaled.pod, sizing.replicas),
        rate_limits=_rate_limits(scaled, evidence, sizing, dependencies),
        policy=policy,
    )


def _explain(parts: Parts) -> Iterator[ExplanationLine]:
    """Yield the arithmetic of every step, by topic, in the order of the calculation."""
    yield from explain_demand(parts.demand)
    yield from explain_curves(parts.evidence, parts.sizing.design_rps)
    yield from explain_replicas(parts.sizing, parts.policy)
    for amounts in parts.containers.values():
        yield from explained("requests", amounts.cpu_request, amounts.memory_request)
    if parts.queue is not None:
        yield from explained("requests", parts.workers)
        yield from parts.queue.explain("requests")
    requested = {name: amounts.cpu_request.value for name, amounts in parts.containers.items()}
    if not parts.scaled.declined:
        yield from explain_hpa(parts.scaled, parts.sizing, requested)
        yield from explained("hpa", parts.simulation.saturated)
    yield from explain_rate_limits(parts.rate_limits)


def _queue(evidence: Evidence, sizing: Sizing, workers: Figure | None) -> Queue | None:
    """Return the queue before the Envoy workers of the busiest replica; None without them."""
    if workers is None:
        return None
    curve = evidence.cpu[PROXY]
    design = min(sizing.design_rps, curve.limit_rps)
    # The cpu time of a request keeps a worker busy; its service time is at least that.
    return Queue(design, curve.at(design).high / 1000 / design, int(workers.value))


def _capacity(sizing: Sizing) -> Figure:
    bounding = min(
        (limit for limit in sizing.constraints if limit.rps_per_replica is not None),
        key=lambda limit: limit.rps_per_replica or 0.0,
    )
    return Figure(
        sizing.capacity_rps,
        "rps per replica",
        f"the least that a constraint allows one replica: {bounding.name}",
        low=sizing.capacity_rps,
        high=sizing.capacity_high_rps,
        constraint=bounding.name,
    )


def replicas_figure(sizing: Sizing, demand: Demand) -> Figure:
    """Return the replica count with what decided it."""
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


def _performance_limit(evidence: Evidence) -> Figure:
    limit = evidence.performance_limit
    return Figure(
        limit.rps, "rps per replica", limit.reason, constraint=limit.name, rows=limit.rows
    )


def _not_covered(evidence: Evidence, policy: Policy) -> tuple[str, ...]:
    spec = SPECS[evidence.component.kind]
    open_questions = list(spec.not_covered)
    if policy.slo_p99_ms is None:
        open_questions.insert(0, "latency")
    if spec.counts_connections and policy.peak_connections is None:
        open_questions.append("number of connections")
    return tuple(open_questions)


def _warnings(parts: Parts) -> Iterator[str]:
    evidence, sizing = parts.evidence, parts.sizing
    component = evidence.component
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
            f" other ({evidence.scaling.note})"
        )
    if len(evidence.points) == 1:
        yield "rests on a single row: cpu does not fall with rps here, an upper bound"
    yield from _not_surviving(parts.scaled)
    yield from _queueing(parts)
    yield from requests.concurrency_warnings(evidence, parts.policy, parts.workers)


def _not_surviving(scaled: Scaled) -> tuple[str, ...]:
    hpa = scaled.hpa
    return () if hpa.survives or scaled.declined else (f"the HPA {hpa.notes[-1]}",)


def _queueing(parts: Parts) -> tuple[str, ...]:
    queue, slo_ms = parts.queue, parts.policy.slo_p99_ms
    if queue is None or (queue.load < queue.servers and slo_ms is None):
        return ()
    wait_ms = queue.wait_quantile_s(0.99) * 1000
    if slo_ms is not None and wait_ms <= slo_ms:
        return ()
    wait = "for ever" if wait_ms == float("inf") else f"{wait_ms:.3g} ms"
    return (
        f"at the busiest replica's peak, one in a hundred requests would wait {wait} for one of the"
        f" {queue.servers} Envoy worker(s), {queue.utilisation:.0%} busy: give it more workers",
    )


def _called_services(component: Component, policy: Policy) -> tuple[Downstream, ...]:
    return tuple(
        Downstream(f"what {component.name} calls", rps)
        for name, rps in policy.downstream_rps
        if name == component.name
    )


def _rate_limits(
    scaled: Scaled, evidence: Evidence, sizing: Sizing, downstreams: tuple[Downstream, ...]
) -> RateLimits:
    limit, measured = scaled.pod.limit_rps, evidence.performance_limit
    name = "cpu request" if limit < measured.rps else measured.name
    trigger = None if scaled.declined else scaled.hpa.trigger_rps.value
    bounds = LimitBounds(trigger, limit, name, sizing.replicas, sizing.flags)
    return rate_limits(bounds, downstreams)
