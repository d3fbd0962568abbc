"""From a series and a table to every figure of the report, each with its reason.

Here the parts meet: whose traffic reaches a component, its peak, its sizing, the totals, and what
was assumed on the way. All components are answered or none: a report with one number missing would
be read without it. The report formats what it finds here and computes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from estimator import units
from estimator.errors import Refusal, Refused
from estimator.model.component import Amounts, ComponentProjection
from estimator.model.figure import Assumption, ExplanationLine, Figure, Flag
from estimator.model.nodes import NodePlan
from estimator.model.phases import PathProjection, PhaseProjection
from estimator.model.plots import DemandPlot
from estimator.model.policy import REASONS, Policy
from estimator.model.sizing import Sizing, size
from estimator.series.rps import ALL_ROUTES, Peak, RpsSeries
from estimator.table.load_points import ERROR_RATIO_LIMIT, Component, Kind, Resources, Table

MIN_OBSERVED_S = 86_400
"""A peak belongs to a day; in less than one the highest hour may be missing."""
MIN_COMPLETENESS_RATIO = 0.9
"""With more than a tenth unseen, the peak may have been there."""

__all__ = [
    "Amounts",
    "Assumption",
    "ComponentProjection",
    "ExplanationLine",
    "Figure",
    "Flag",
    "Projection",
    "SeriesSummary",
    "project",
]
"""Also what a report needs to name: this is the one module of the model that it has to import."""


@dataclass(frozen=True, slots=True)
class SeriesSummary:
    """What the peaks were read from."""

    source: str
    start: int
    """Unix time."""
    resolution: Figure
    duration: Figure
    observed: Figure
    completeness: Figure
    routes: tuple[str, ...]
    peak: Figure
    """Of all routes together."""
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
    """Why the answer must not be relied on; empty where it may be."""
    demand_plot: DemandPlot | None = None
    """All routes together."""
    nodes: NodePlan | None = None
    """None without a node file."""
    phases: tuple[PhaseProjection, ...] = ()
    """Phase 2, then 3, for the paths of the policy moved together."""
    paths: tuple[PathProjection, ...] = ()
    """Each path moved alone, by falling peak; the fifty largest."""


def project(series: RpsSeries, table: Table, policy: Policy) -> Projection:
    """Return what every component of the table needs at the peak of its routes.

    Raises Refused with every component that cannot be answered.
    """
    whole = series.peak([ALL_ROUTES])
    if whole is None or whole.rps == 0:
        advice = "Record production traffic first, or choose another time"
        raise Refused([Refusal(series.source, "no request was observed in it", advice)])
    components = []
    refusals: list[Refusal] = []
    for component in table.components:
        try:
            components.append(_project(series, component, policy))
        except Refused as refused:
            refusals.extend(refused.refusals)
    if refusals:
        raise Refused(refusals)
    return Projection(
        series=_summary(series, whole),
        table=table.source,
        is_example_table=table.is_example,
        components=tuple(components),
        total=_sum((component.total for component in components), "sum over all components"),
        assumptions=_assumptions(series, table, policy),
        warnings=_uncovered_routes(series, table),
        low_confidence=_doubts(series, table),
    )


def _project(series: RpsSeries, component: Component, policy: Policy) -> ComponentProjection:
    peak = _peak(series, component)
    sizing = size(peak.rps, component, policy)
    replicas = sizing.replicas
    containers = {name: _container(name, component, sizing) for name in component.requests}
    pod = _sum(containers.values(), "sum over containers")
    return ComponentProjection(
        name=component.name,
        kind=component.kind,
        routes=component.routes,
        peak=Figure(peak.rps, "rps", _peak_reason(series, component)),
        peak_second=peak.second,
        replicas=Figure(replicas, "replicas", sizing.decided_by.reason),
        decided_by=sizing.decided_by.name,
        constraints=sizing.constraints,
        capacity=Figure(
            sizing.capacity_rps,
            "rps per replica",
            "the least that a container's target or the largest row per replica allows",
        ),
        rps_per_replica=Figure(
            sizing.rps_per_replica,
            "rps per replica",
            f"peak of {units.format_rps(peak.rps)} rps over {replicas} replicas",
        ),
        cpu_utilisation=Figure(
            pod.cpu_used.value / pod.cpu_request.value,
            "ratio",
            "cpu used over cpu requested, both summed over the containers, at the peak",
        ),
        containers=containers,
        total=_times(pod, replicas),
        rows_used=tuple(point.row for point in component.used_points),
        rows_nearest=sizing.nearest_rows,
        rows_excluded={point.row: point.exclusion or "" for point in component.excluded_points},
        not_covered=sizing.spec.not_covered,
        warnings=tuple(_component_warnings(series, component, sizing)),
    )


def _peak(series: RpsSeries, component: Component) -> Peak:
    peak = series.peak(component.routes)
    if peak is None or peak.rps == 0:
        reason = f"none of its routes ({', '.join(component.routes)}) had a request in the series"
        advice = f"The series has the routes {', '.join(series.routes)}; correct its routes, or"
        raise Refused([Refusal(component.name, reason, f"{advice} leave the component out")])
    return peak


def _peak_reason(series: RpsSeries, component: Component) -> str:
    every = "every second" if series.resolution_s == 1 else f"each {series.resolution_s} s bucket"
    which = "all routes" if ALL_ROUTES in component.routes else ", ".join(component.routes)
    return f"maximum over {every} of the sum over {which}"


def _container(name: str, component: Component, sizing: Sizing) -> Amounts:
    request = component.requests[name]
    used = sizing.usage[name]
    if sizing.is_below_range:
        cpu_reason = f"smallest row ({_rows(sizing.nearest_rows)}), an upper bound below it"
    else:
        at = units.format_rps(sizing.rps_per_replica)
        cpu_reason = f"load curve at {at} rps per replica, next to {_rows(sizing.nearest_rows)}"
    return Amounts(
        cpu_request=Figure(request.cpu_millicores, "millicores", "requests of the table"),
        memory_request=Figure(request.memory_bytes, "bytes", "requests of the table"),
        cpu_used=Figure(used.cpu_millicores, "millicores", cpu_reason),
        memory_used=Figure(used.memory_bytes, "bytes", "maximum over the rows used"),
    )


def _rows(rows: tuple[int, ...]) -> str:
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(str(row) for row in rows)}"


def _sum(parts: Iterable[Amounts], reason: str) -> Amounts:
    listed = list(parts)
    return Amounts(
        Figure(sum(part.cpu_request.value for part in listed), "millicores", reason),
        Figure(sum(part.memory_request.value for part in listed), "bytes", reason),
        Figure(sum(part.cpu_used.value for part in listed), "millicores", reason),
        Figure(sum(part.memory_used.value for part in listed), "bytes", reason),
    )


def _times(pod: Amounts, replicas: int) -> Amounts:
    reason = f"{replicas} replicas, all containers"
    return Amounts(
        Figure(pod.cpu_request.value * replicas, "millicores", reason),
        Figure(pod.memory_request.value * replicas, "bytes", reason),
        Figure(pod.cpu_used.value * replicas, "millicores", reason),
        Figure(pod.memory_used.value * replicas, "bytes", reason),
    )


def _summary(series: RpsSeries, peak: Peak) -> SeriesSummary:
    bucket = f"buckets of {series.resolution_s} s"
    return SeriesSummary(
        source=series.source,
        start=series.start,
        resolution=Figure(series.resolution_s, "seconds", "as recorded by the source"),
        duration=Figure(series.duration_s, "seconds", "first to last bucket asked for"),
        observed=Figure(series.observed_s, "seconds", f"{bucket} that have a value"),
        completeness=Figure(series.completeness_ratio, "ratio", "observed over duration"),
        routes=series.routes,
        peak=Figure(peak.rps, "rps", f"maximum over {bucket} of the sum over all routes"),
        peak_second=peak.second,
    )


def _component_warnings(series: RpsSeries, component: Component, sizing: Sizing) -> Iterable[str]:
    for route in component.routes:
        if route != ALL_ROUTES and route not in series.routes:
            yield f"route {route} was never seen in the series: its traffic counts as none"
    for name, used in sizing.usage.items():
        request: Resources = component.requests[name]
        if used.memory_bytes > request.memory_bytes:
            yield (
                f"{name} used {units.format_memory(used.memory_bytes)} of memory in a row, above"
                f" its request of {units.format_memory(request.memory_bytes)}: raise the request"
            )
    if sizing.is_below_range:
        yield (
            f"{units.format_rps(sizing.rps_per_replica)} rps per replica are below every row used:"
            " cpu is that of the smallest row"
        )
    if len(component.used_points) == 1:
        yield "rests on a single row: cpu does not fall with rps here, an upper bound"


def _uncovered_routes(series: RpsSeries, table: Table) -> tuple[str, ...]:
    """Name the routes that no pod, or no gateway, of the table serves.

    By kind, because a gateway for `*` would hide every route that has no pod. A kind that the
    table does not have at all is not missed: in phase 2 the apps are not on Kubernetes yet.
    """
    warnings = []
    for kind in Kind:
        covered = {r for part in table.components if part.kind == kind for r in part.routes}
        if not covered or ALL_ROUTES in covered:
            continue
        for route in series.routes:
            peak = series.peak([route])
            if route not in covered and peak is not None and peak.rps > 0:
                rps = units.format_rps(peak.rps)
                warnings.append(f"route {route} (peak {rps} rps) is not covered by any {kind}")
    return tuple(warnings)


def _doubts(series: RpsSeries, table: Table) -> tuple[str, ...]:
    doubts = []
    if series.observed_s < MIN_OBSERVED_S:
        doubts.append(
            f"only {units.format_duration(series.observed_s)} were observed, less than"
            f" {units.format_duration(MIN_OBSERVED_S)}: the peak of the day may not be among them"
        )
    if series.completeness_ratio < MIN_COMPLETENESS_RATIO:
        doubts.append(
            f"{1 - series.completeness_ratio:.0%} of"
            f" {units.format_duration(series.duration_s)} are gaps, more than"
            f" {1 - MIN_COMPLETENESS_RATIO:.0%}: the peak may have been there"
        )
    if table.is_example:
        doubts.append("the table is the bundled example: nobody measured it on your cluster")
    return tuple(doubts)


def _assumptions(series: RpsSeries, table: Table, policy: Policy) -> tuple[Assumption, ...]:
    chosen = [
        _chosen("target_utilisation", f"{policy.target_utilisation:g}", policy),
        _chosen("min_replicas", str(policy.min_replicas), policy),
        Assumption(
            "error limit of rows",
            f"{ERROR_RATIO_LIMIT:g}",
            "a row with more errors shows a component that fails, not one that serves",
            True,
        ),
        Assumption("growth", "none", "the peak is the one that was observed", True),
        Assumption("spread", "even", "every replica gets the same share of the rps", True),
        Assumption(
            "failures",
            "none beyond min replicas",
            "no lost node or zone and no rolling update at the peak",
            True,
        ),
    ]
    unstated = [
        f"{component.name} {_rows(rows)}"
        for component in table.components
        if (rows := tuple(point.row for point in component.points if point.error_ratio is None))
    ]
    if unstated:
        where = "; ".join(unstated)
        chosen.append(Assumption("error_ratio of rows", "0", f"not stated for {where}", True))
    chosen += [Assumption("series", "as is", caveat, True) for caveat in series.caveats]
    return tuple(chosen)


def _chosen(name: str, value: str, policy: Policy) -> Assumption:
    is_default = policy.is_default(name)
    reason = REASONS[name] if is_default else "given"
    return Assumption(name.replace("_", " "), value, reason, is_default)
