"""From a series and a table to every figure of the report, each with its reason.

Here the parts meet: whose traffic reaches a component, its peak, its sizing, the totals, and what
was assumed on the way. All components are answered or none: a report with one number missing would
be read without it. The report formats what it finds here and computes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from estimator import units
from estimator.errors import Refusal, Refused
from estimator.model import chain
from estimator.model.component import ComponentProjection, project_component
from estimator.model.confidence import component_doubts, doubts, spike_doubts
from estimator.model.demand.scenario import Demand, Observed, demand_of
from estimator.model.demand.traffic import Traffic
from estimator.model.drawing import demand_plot
from estimator.model.evidence.evidence import Evidence, gather
from estimator.model.evidence.prediction import PRIOR_ERROR
from estimator.model.figure import Assumption, ExplanationLine, Figure, Flag
from estimator.model.nodes.capacity import Cluster
from estimator.model.nodes.packing import NodePlan, PodGroup, explain_nodes, plan_nodes
from estimator.model.phases import (
    PHASES,
    ComponentDemand,
    Moved,
    PathProjection,
    PhaseProjection,
    kinds_of,
    project_path,
    project_phase,
)
from estimator.model.plots import DemandPlot
from estimator.model.policy import Policy
from estimator.model.sizing.amounts import Amounts, add, name_rows
from estimator.model.sizing.rate_limits import Downstream
from estimator.model.sizing.requests import MEMORY_MARGIN, MEMORY_MARGIN_REASON
from estimator.model.weights import Weight, heaviest, whole_reserve
from estimator.series.rps import ALL_ROUTES, RpsSeries
from estimator.table.load_points import Component, Kind, Resources, Table

MOST_PATHS = 50
"""Most paths that are projected alone: nobody reads more."""
_MOST_ROUTES = 5  # without a component that are named, the busiest ones

__all__ = [
    "Amounts",
    "Assumption",
    "ComponentProjection",
    "ExplanationLine",
    "Figure",
    "Flag",
    "Projection",
    "SeriesSummary",
    "Weight",
    "project",
]
"""Also what a report needs to name: this is the one module of the model that it has to import."""


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """The series that the peaks come from."""

    source: str
    start: int
    """Unix time."""
    resolution: Figure
    duration: Figure
    observed: Figure
    completeness: Figure
    routes: tuple[str, ...]
    peak: Figure
    """The peak of all routes together."""
    peak_second: int


@dataclass(frozen=True, slots=True)
class Projection:
    """The whole answer."""

    series: SeriesSummary
    table: str
    is_example_table: bool
    components: tuple[ComponentProjection, ...]
    total: Amounts
    assumptions: tuple[Assumption, ...]
    warnings: tuple[str, ...]
    low_confidence: tuple[str, ...]
    """Why the answer must not be relied on; empty if it may be."""
    demand_plot: DemandPlot | None = None
    """All routes together."""
    nodes: NodePlan | None = None
    """None without a node file."""
    phases: tuple[PhaseProjection, ...] = ()
    """Phase 2, then 3, for the paths of the policy moved together."""
    reserve: Figure | None = None
    """Cpu requested over the cpu used at the peak: the product of all reserves."""
    paths: tuple[PathProjection, ...] = ()
    """Each path moved alone, by falling peak; the fifty largest."""
    heaviest: tuple[Weight, ...] = ()
    """The assumptions that move the answer most."""


def project(
    series: RpsSeries, table: Table, policy: Policy, cluster: Cluster | None = None
) -> Projection:
    """Return what every component of the table needs at the peak of its routes.

    Raises Refused with every component that cannot be answered, and with every one that fits on no
    node of the cluster.
    """
    traffic = Traffic(series)
    if not any(traffic.peak(route) > 0 for route in series.routes):
        advice = "Record production traffic first, or choose another time"
        raise Refused([Refusal(series.source, "no request was observed in it", advice)])
    all_traffic = traffic.observed(series.source, (ALL_ROUTES,))
    shared = chain.policies(table.components, policy)
    evidence = {part.name: _gathered(part, shared[part.name]) for part in table.components}
    components, silent = _components(traffic, table, shared, evidence)
    nodes = None
    if cluster is not None:
        groups = _groups(components)
        nodes = plan_nodes(groups, cluster)
        lines = explain_nodes(groups, cluster, nodes)
        components = tuple(
            replace(projected, explanation=(*projected.explanation, *lines[projected.name]))
            for projected in components
        )
    known = {name: e for name, e in evidence.items() if isinstance(e, Evidence)}
    moved, alone = _moves(traffic, policy, [*known.values()])
    together = policy.paths or (ALL_ROUTES,)
    assumptions = _assumptions(series, table, policy)
    return Projection(
        series=_summary(series, all_traffic),
        table=table.source,
        is_example_table=table.is_example,
        components=components,
        total=(total := add((part.total for part in components), "sum over all components")),
        assumptions=assumptions,
        warnings=(
            *series.warnings,
            *silent,
            *_uncovered_routes(traffic, table),
            *_zones(cluster, policy),
        ),
        low_confidence=(
            *doubts(series, table, cluster),
            *spike_doubts(components, known, policy),
            *component_doubts(components, known),
        ),
        demand_plot=demand_plot(traffic.observed(series.source, together)),
        nodes=nodes,
        phases=tuple(project_phase(phase, moved, policy) for phase in PHASES),
        paths=tuple(project_path(path, policy) for path in alone),
        reserve=whole_reserve(total, policy),
        heaviest=heaviest(components, policy, assumptions),
    )


def _gathered(component: Component, policy: Policy) -> Evidence | Refused:
    """Return the evidence of a component, or why it has none: not every phase needs all of them."""
    try:
        return gather(component, policy)
    except Refused as refused:
        return refused


def _components(
    traffic: Traffic,
    table: Table,
    policies: Mapping[str, Policy],
    evidence: Mapping[str, Evidence | Refused],
) -> tuple[tuple[ComponentProjection, ...], list[str]]:
    """Return the components of the phase, in the order of the table, and who has no traffic.

    Pods before gateways: what the pods can take bounds what a gateway should let through. A
    component without a request in the time is left out with a warning, unless all of them are.
    """
    projections: dict[str, ComponentProjection] = {}
    refusals: list[Refusal] = []
    silent: list[Refusal] = []
    ordered = sorted(table.components, key=lambda component: component.kind == Kind.GATEWAY)
    for component in ordered:
        policy = policies[component.name]
        routes = traffic.carried(component.routes, policy.paths)
        if component.kind not in kinds_of(policy.phase) or (policy.paths and not routes):
            continue
        try:
            gathered = evidence[component.name]
            if isinstance(gathered, Refused):
                raise gathered
            try:
                observed = traffic.observed(component.name, routes)
            except Refused as without:
                silent.extend(without.refusals)
                continue
            downstreams = _downstreams(observed, component, projections)
            projected = project_component(observed, gathered, policy, downstreams)
            unseen = _unseen_routes(traffic.series, component)
            projections[component.name] = replace(
                projected, warnings=(*unseen, *projected.warnings)
            )
        except Refused as refused:
            refusals.extend(refused.refusals)
    if not projections:
        refusals.extend(silent)
    if refusals:
        names = [component.name for component in table.components]
        raise Refused(sorted(refusals, key=lambda refusal: names.index(refusal.subject)))
    if not projections:
        phase = next(iter(policies.values())).phase
        reason = f"has no component for phase {phase} and these paths"
        raise Refused([Refusal(table.source, reason, "Choose another phase, or other paths")])
    answered = tuple(
        projections[component.name]
        for component in table.components
        if component.name in projections
    )
    return answered, [
        f"{refusal.subject}: {refusal.reason}, so it is not sized: nothing is known of its peak"
        for refusal in silent
    ]


def _downstreams(
    observed: Observed, component: Component, pods: Mapping[str, ComponentProjection]
) -> tuple[Downstream, ...]:
    """Return what the pods behind a gateway can take, in terms of the gateway's own rps.

    A pod that gets a share of the traffic bounds all of it at its own limit over that share.
    """
    result = []
    for pod in pods.values():
        local = pod.rate_limits
        behind = component.kind == Kind.GATEWAY and pod.kind == Kind.POD
        everything = ALL_ROUTES in (*component.routes, *pod.routes)
        shared = everything or set(pod.routes) & set(component.routes)
        if local is None or pod.demand is None or not behind or not shared:
            continue
        share = min(1.0, pod.demand.observed.value / observed.peak_rps)
        held_rps = local.local.value * pod.replicas.value
        result.append(Downstream(f"pods of {pod.name}", held_rps / share))
    return tuple(result)


def _moves(
    traffic: Traffic, policy: Policy, evidence: Sequence[Evidence]
) -> tuple[Moved, list[Moved]]:
    """Return the paths of the policy moved together, and the largest of them each alone."""
    demands: dict[tuple[str, ...], Demand] = {}

    def demand(routes: tuple[str, ...]) -> Demand:
        if routes not in demands:
            demands[routes] = demand_of(traffic.observed("the paths", routes), policy)
        return demands[routes]

    def moved(paths: tuple[str, ...]) -> Moved:
        parts = [
            ComponentDemand(of_component, demand(routes))
            for of_component in evidence
            if traffic.has(routes := traffic.carried(of_component.component.routes, paths))
        ]
        return Moved(paths, demand(paths), tuple(parts))

    together = policy.paths or traffic.series.routes
    busiest = sorted((p for p in together if traffic.has((p,))), key=traffic.peak, reverse=True)
    return moved(tuple(together)), [moved((path,)) for path in busiest[:MOST_PATHS]]


def _groups(components: Sequence[ComponentProjection]) -> list[PodGroup]:
    """Return the pods that the nodes must hold, a rolling update included."""
    groups = []
    for component in components:
        assert component.rollout is not None
        count = int(component.replicas.value)
        added = int(component.rollout.update_highest.value) - count
        parts = component.containers.values()
        pod = Resources(
            sum(part.cpu_request.value for part in parts),
            int(sum(part.memory_request.value for part in parts)),
        )
        low, high = component.replicas.low or count, component.replicas.high or count
        spare = count - int(component.rollout.serving.value)
        group = PodGroup(
            component.name, count + added, int(low) + added, int(high) + added, pod, spare
        )
        groups.append(group)
    return groups


def _summary(series: RpsSeries, peak: Observed) -> SeriesSummary:
    bucket = f"buckets of {series.resolution_s} s"
    return SeriesSummary(
        source=series.source,
        start=series.start,
        resolution=Figure(series.resolution_s, "seconds", "as recorded by the source"),
        duration=Figure(series.duration_s, "seconds", "first to last bucket of the query"),
        observed=Figure(series.observed_s, "seconds", f"{bucket} that have a value"),
        completeness=Figure(series.completeness_ratio, "ratio", "observed over duration"),
        routes=series.routes,
        peak=Figure(peak.peak_rps, "rps", f"maximum over {bucket} of the sum over all routes"),
        peak_second=peak.peak_second,
    )


def _unseen_routes(series: RpsSeries, component: Component) -> tuple[str, ...]:
    unseen = [r for r in component.routes if r != ALL_ROUTES and r not in series.routes]
    never = "was never seen in the series: its traffic counts as none"
    return tuple(f"route {route} {never}" for route in unseen)


def _uncovered_routes(traffic: Traffic, table: Table) -> tuple[str, ...]:
    """Name the routes that no pod, or no gateway, of the table serves.

    A gateway for `*` would hide routes without a pod, so each kind is judged alone. A kind that the
    table lacks is not missed: in phase 2 the apps are not on Kubernetes yet.
    """
    warnings = []
    for kind in Kind:
        covered = {r for part in table.components if part.kind == kind for r in part.routes}
        if not covered or ALL_ROUTES in covered:
            continue
        peaks = ((traffic.peak(r), r) for r in traffic.series.routes if r not in covered)
        lacking = sorted((pair for pair in peaks if pair[0] > 0), reverse=True)
        for peak, route in lacking[:_MOST_ROUTES]:
            rps = units.format_rps(peak)
            warnings.append(f"route {route} (peak {rps} rps) is not covered by any {kind}")
        if more := lacking[_MOST_ROUTES:]:
            rps = units.format_rps(more[0][0])
            words = f"{len(more)} more routes (peak at most {rps} rps each) are not covered"
            warnings.append(f"{words} by any {kind}")
    return tuple(warnings)


def _zones(cluster: Cluster | None, policy: Policy) -> tuple[str, ...]:
    if cluster is None or cluster.zones == policy.zones:
        return ()
    return (
        f"{cluster.source} names {cluster.zones} zone(s), replicas are counted for {policy.zones}:"
        " set zones for the loss of one to be covered",
    )


def _assumptions(series: RpsSeries, table: Table, policy: Policy) -> tuple[Assumption, ...]:
    chosen = [_chosen(option, policy) for option in ASSUMED if _matters(option, policy)]
    chosen += chain.assumptions(table.components, policy)
    chosen += _FIXED
    unstated = [
        f"{component.name} {name_rows(rows)}"
        for component in table.components
        if (rows := tuple(point.row for point in component.points if point.error_ratio is None))
    ]
    if unstated:
        where = "; ".join(unstated)
        chosen.append(Assumption("error_ratio of rows", "0", f"not stated for {where}", True))
    chosen += [Assumption("series", "as is", caveat, True) for caveat in series.caveats]
    chosen += [Assumption("series", "repaired", repair, True) for repair in series.repairs]
    return tuple(chosen)


ASSUMED = tuple(option.name for option in fields(Policy) if option.name != "defaulted")
"""Options that the report may list as assumed, in the order of the section; see `_matters`."""


def _matters(name: str, policy: Policy) -> bool:
    """Say whether a reader must know of this option: it was set, or its default is a decision."""
    return not policy.is_default(name) or getattr(policy, name) not in (None, ())


_FIXED = [
    Assumption("memory margin", f"{MEMORY_MARGIN:g}", MEMORY_MARGIN_REASON, True),
    Assumption(
        "HPA behaviour",
        "sync 15 s, tolerance 0.1, stabilisation 300 s, up to +100 % or +4 pods each 15 s",
        "the defaults of Kubernetes",
        True,
    ),
    Assumption(
        "error of a curve",
        f"{PRIOR_ERROR:g}",
        "joined to the few rows that can be left out; on 20 Istio load series the standard"
        " deviation of left-out rows, median 4.1 %",
        True,
    ),
]


def _chosen(name: str, policy: Policy) -> Assumption:
    is_default = policy.is_default(name)
    reason = policy.reason(name) if is_default else "given"
    return Assumption(name.replace("_", " "), _shown(getattr(policy, name)), reason, is_default)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join("=".join(str(x) for x in v) if isinstance(v, tuple) else v for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
