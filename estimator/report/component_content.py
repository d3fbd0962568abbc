"""The section of one component: the decision first, then everything that it rests on.

The order follows the reader's questions: how many, why, on which evidence, with which requests,
what if a pod or a zone is lost, what would the HPA do, where to limit, what is not covered. This
module computes nothing; `Fold`s and `estimate --explain` show the formulas.
"""

from collections.abc import Iterator
from dataclasses import replace

from estimator.model.autoscaling.recommendation import HpaRecommendation
from estimator.model.autoscaling.summary import Simulation
from estimator.model.demand.scenario import Demand
from estimator.model.projection import ComponentProjection, Figure
from estimator.model.rollout import Rollout
from estimator.model.sizing.amounts import Amounts
from estimator.model.sizing.rate_limits import RateLimits
from estimator.report import explain, wording
from estimator.report.blocks import (
    Block,
    Cell,
    Column,
    FactList,
    Fold,
    Grid,
    Headline,
    Level,
    Listing,
    Section,
    Sums,
)
from estimator.report.charts.axes import instant
from estimator.report.charts.content import PageDetail, PointBudget, curve_chart, replica_charts

_WHAT_VALUE_WHY = (Column("what"), Column("value", is_number=True), Column("why"))


def component_section(
    component: ComponentProjection, key: str, budget: PointBudget, detail: PageDetail
) -> Section:
    """Return the section of one component, including its charts."""
    blocks: list[Block] = [
        Headline(_answer(component), f"{component.decided_by}: {component.replicas.reason}"),
        FactList(tuple(_facts(component))),
        *_cautions(component),
        _constraints(component),
    ]
    if component.demand is not None:
        blocks.append(replace(_demand(component.demand, component.peak), is_folded=True))
    if detail is not PageDetail.LEAST:
        name, points = component.name, budget.curve_points
        blocks += [curve_chart(plot, name, points) for plot in component.curves]
    blocks.append(_containers(component))
    if detail is not PageDetail.LEAST:
        blocks.append(replace(_why_amounts(component), is_folded=True))
    if component.rollout is not None:
        blocks.append(replace(_rollout(component.rollout), is_folded=True))
    if component.hpa is not None:
        blocks += [_hpa(component.hpa), *_notes("Autoscaler", component.hpa.notes)]
    if component.simulation is not None:
        blocks += [_simulation(component.simulation), *_saturations(component.simulation)]
        if detail is not PageDetail.LEAST:
            blocks += replica_charts(component.simulation.plot, component, budget)
    if component.rate_limits is not None:
        blocks += [replace(_rate_limits(component.rate_limits), is_folded=True)]
        blocks += _notes("Rate limits", component.rate_limits.notes)
    blocks.append(Listing("Not covered", component.not_covered))
    if component.explanation and detail is PageDetail.FULL:
        lines = explain.explanation_lines(component)
        blocks.append(Fold("The arithmetic, line by line", (Sums(lines),)))
    return Section(key, component.name, tuple(blocks))


def _answer(component: ComponentProjection) -> str:
    replicas = component.replicas
    caution = wording.caution(replicas)
    noun = "replica" if replicas.value == 1 else "replicas"
    count = f"{wording.bare(replicas)} {noun} {caution}".rstrip()
    return f"{count} at a peak of {wording.shown(component.peak)}"


def _facts(component: ComponentProjection) -> Iterator[tuple[str, str]]:
    yield "kind", f"{component.kind}, for {', '.join(component.routes)}"
    yield "peak", f"observed at {instant(component.peak_second)}; {component.peak.reason}"
    load = wording.shown(component.rps_per_replica)
    yield "load", f"{load} of {wording.shown(component.capacity)} that one can serve"
    if component.performance_limit is not None:
        limit = component.performance_limit
        by = f", by {limit.constraint}" if limit.constraint else ""
        yield "performance limit", f"{wording.shown(limit)}{by}; {limit.reason}"
    yield "cpu utilisation", f"{wording.percent(component.cpu_utilisation)} of the requests"
    if component.workers is not None:
        yield "Envoy workers", f"{wording.shown(component.workers)}; {component.workers.reason}"
    if component.no_hpa:
        yield "autoscaler", f"none; {component.no_hpa}"
    yield "evidence", f"rests on {wording.rows(component.rows_used)}"
    for row, rule in component.rows_excluded.items():
        yield f"row {row} not used", rule


def _cautions(component: ComponentProjection) -> Iterator[Listing]:
    if component.warnings:
        yield Listing("Warnings", component.warnings, Level.WARN)


def _constraints(component: ComponentProjection) -> Grid:
    """Return the constraints; those that decided the count are highlighted."""
    constraints = component.constraints
    rows = tuple(
        (Cell(limit.name), Cell(str(limit.replicas)), Cell(limit.reason)) for limit in constraints
    )
    decisive = frozenset(
        index
        for index, limit in enumerate(constraints)
        if limit.name == component.decided_by or limit.replicas == component.replicas.value
    )
    columns = (Column("constraint"), Column("replicas", is_number=True), Column("why"))
    title = "What the replicas must satisfy; the deciding constraint is marked"
    return Grid(title, columns, rows, decisive=decisive)


def _demand(demand: Demand, peak: Figure) -> Grid:
    steps: list[tuple[str, str, Figure]] = [
        ("observed peak", wording.shown(demand.observed), demand.observed),
        ("averaging window", wording.factor(demand.window_correction), demand.window_correction),
        ("growth", wording.factor(demand.growth), demand.growth),
        ("event", wording.factor(demand.event), demand.event),
    ]
    if demand.return_level is not None:
        steps.append(("return level", wording.shown(demand.return_level), demand.return_level))
    rows = tuple((Cell(name), Cell(words), Cell(step.reason)) for name, words, step in steps)
    footer = (Cell("sized for"), Cell(wording.shown(peak)), Cell(peak.reason))
    return Grid(
        "From the observed peak to the peak that is sized for", _WHAT_VALUE_WHY, rows, footer
    )


def _containers(component: ComponentProjection) -> Grid:
    titles = ("cpu request", "cpu limit", "memory request", "memory limit")
    columns = (
        Column("container"),
        *(Column(title, is_number=True) for title in (*titles, "cpu used", "memory used")),
    )
    rows = tuple((Cell(name), *_amounts(used)) for name, used in component.containers.items())
    footer = (Cell(f"all {wording.bare(component.replicas)} replicas"), *_amounts(component.total))
    return Grid("Containers of one replica; use at the peak", columns, rows, footer)


def _amounts(amounts: Amounts) -> tuple[Cell, ...]:
    return (
        wording.cell(amounts.cpu_request),
        wording.cell(amounts.cpu_limit),
        wording.cell(amounts.memory_request),
        wording.cell(amounts.memory_limit),
        wording.cell(amounts.cpu_used),
        wording.cell(amounts.memory_used),
    )


def _why_amounts(component: ComponentProjection) -> Grid:
    named = [
        (f"{name}: {title}", figure)
        for name, amounts in component.containers.items()
        for title, figure in (
            ("cpu request", amounts.cpu_request),
            ("cpu limit", amounts.cpu_limit),
            ("memory request", amounts.memory_request),
            ("memory limit", amounts.memory_limit),
            ("cpu used", amounts.cpu_used),
            ("memory used", amounts.memory_used),
        )
        if figure is not None
    ]
    return _reasons("Why these requests and limits", *named)


def _rollout(rollout: Rollout) -> Grid:
    return _reasons(
        "During failures and updates",
        ("serving the peak, at least", rollout.serving),
        ("after losing pods", rollout.after_pod_loss),
        ("after losing a zone", rollout.after_zone_loss),
        ("most during a rolling update", rollout.update_highest),
        ("fewest during a rolling update", rollout.update_lowest),
        ("PodDisruptionBudget maxUnavailable", rollout.disruption_budget),
    )


def _hpa(hpa: HpaRecommendation) -> Grid:
    ramp = hpa.steepest_ramp
    of = f" of {hpa.container}" if hpa.container else ""
    grid = _reasons(
        "HorizontalPodAutoscaler",
        ("minReplicas", hpa.min_replicas),
        ("maxReplicas", hpa.max_replicas),
        (f"averageUtilization{of}", hpa.target_percent),
        ("adds replicas at", hpa.trigger_rps),
        ("target as rps", hpa.rps_target),
        ("reaction lag", hpa.reaction_lag),
    )
    last = (Cell("steepest ramp"), Cell(wording.factor(ramp)), Cell(ramp.reason))
    return replace(grid, rows=(*grid.rows, last))


def _simulation(simulation: Simulation) -> Grid:
    saved = simulation.saved
    grid = _reasons(
        "The recommended HPA, simulated over this series",
        ("highest replicas", simulation.highest_replicas),
        ("lowest replicas", simulation.lowest_replicas),
        ("time at saturation", simulation.saturated),
        ("changes", simulation.changes),
        ("pod-hours", simulation.pod_hours),
        ("pod-hours of the fixed count", simulation.fixed_pod_hours),
    )
    rejected = simulation.rejected
    last = [
        (Cell("rejected"), Cell(f"{rejected.value:.2%}"), Cell(rejected.reason)),
        (Cell("saved"), Cell(wording.percent(saved)), Cell(saved.reason)),
    ]
    return replace(grid, rows=(*grid.rows, *last))


def _saturations(simulation: Simulation) -> Iterator[Grid]:
    if simulation.saturations:
        columns = (
            Column("from"),
            *(Column(title, is_number=True) for title in ("seconds", "ready", "needed")),
        )
        rows = tuple(
            (
                Cell(instant(stretch.second)),
                Cell(str(stretch.duration_s)),
                Cell(str(stretch.replicas)),
                Cell(str(stretch.needed)),
            )
            for stretch in simulation.saturations
        )
        yield Grid("The ten longest times at which the HPA was too late", columns, rows)


def _rate_limits(limits: RateLimits) -> Grid:
    listed = [
        ("per replica", limits.local),
        ("Envoy max_tokens", limits.envoy_max_tokens),
        ("Envoy tokens_per_fill", limits.envoy_tokens_per_fill),
        ("Envoy fill_interval", limits.envoy_fill_interval),
        ("nginx rate", limits.nginx_rate),
        ("nginx burst", limits.nginx_burst),
    ]
    if limits.global_limit is not None:
        listed.append(("over all replicas", limits.global_limit))
    return _reasons("Rate limits", *listed)


def _notes(title: str, notes: tuple[str, ...]) -> Iterator[Listing]:
    if notes:
        yield Listing(f"{title}: notes", notes)


def _reasons(title: str, *named: tuple[str, Figure]) -> Grid:
    rows = tuple(
        (Cell(name), Cell(wording.shown(figure)), Cell(figure.reason)) for name, figure in named
    )
    return Grid(title, _WHAT_VALUE_WHY, rows)
