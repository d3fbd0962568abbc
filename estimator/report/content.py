"""The document of a projection: what it says, in which order, for every format.

First comes what a reader must know before any number (example table, low confidence), then the
answer on one screen, the traffic, each component, nodes and cost, the phases, and at the end all
assumptions and everything that is not covered. Only the contents of charts and arithmetic lines may
be omitted. This module computes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence

from estimator import units
from estimator.model.nodes.packing import NodePlan, PoolPlan
from estimator.model.phases import PhaseProjection
from estimator.model.projection import ComponentProjection, Figure, Flag, Projection
from estimator.report import wording
from estimator.report.blocks import (
    Banner,
    Block,
    Cell,
    Column,
    Document,
    FactList,
    Grid,
    Level,
    Listing,
    Section,
    Tiles,
)
from estimator.report.charts.axes import instant
from estimator.report.charts.content import PageDetail, PointBudget, demand_chart
from estimator.report.component_content import component_section

CONFIDENT = "Confidence: ok"
LOW_CONFIDENCE = "Confidence: low. Do not rely on these numbers alone"

_UNKNOWN: Mapping[str, str] = {}
_MOST_WARNINGS = 6
"""More beside the confidence would push the answer off the screen."""
_MOST_NAMES = 3
_LEFT_OUT = {
    PageDetail.FULL: "",
    PageDetail.LESS: "To keep the page small, it has coarser charts and no arithmetic. ",
    PageDetail.LEAST: "To keep the page small, it has no charts of single components, no"
    " arithmetic and no reasons of single amounts; a table of fewer components shows them. ",
}


def document_of(
    projection: Projection,
    version: str,
    detail: PageDetail = PageDetail.FULL,
    today: Mapping[str, str] = _UNKNOWN,
) -> Document:
    """Return the report; its last line names the version of the program.

    `today` has the replicas of components whose manifests are known.
    """
    budget = PointBudget.among(len(projection.components), detail)
    sections = [_needed(projection, today), _traffic(projection)]
    sections += [
        component_section(component, f"component-{number}", budget, detail)
        for number, component in enumerate(projection.components, 1)
    ]
    if projection.nodes is not None:
        sections.append(_nodes(projection.nodes))
    if projection.phases or projection.paths:
        sections.append(_phases(projection))
    sections += [_assumed(projection), _not_covered(projection), _how_to_read()]
    return Document(
        "Capacity projection",
        (*_banners(projection), *_warned(projection), FactList(tuple(_origin(projection)))),
        tuple(sections),
        f"kagami estimate {version}. {_LEFT_OUT[detail]}`estimate --explain COMPONENT` with"
        " the same options shows the arithmetic of every number.",
    )


def example_banners(projection: Projection) -> Iterator[Banner]:
    """Yield what must be said first of a report from the bundled examples."""
    if projection.is_example_table:
        yield Banner(
            Level.BAD,
            "EXAMPLE TABLE: not a sizing of your cluster",
            (
                "These numbers only show the format of the answer. Measure your own table and pass"
                " it with --table.",
            ),
        )
    if projection.nodes is not None and projection.nodes.is_example:
        lines = ("Nodes and cost below only show the format; pass your own with --nodes.",)
        yield Banner(Level.BAD, "EXAMPLE NODES: neither your nodes nor your prices", lines)


def _banners(projection: Projection) -> Iterator[Banner]:
    yield from example_banners(projection)
    if projection.low_confidence:
        yield Banner(Level.WARN, LOW_CONFIDENCE, projection.low_confidence)
    else:
        yield Banner(Level.OK, CONFIDENT, tuple(_evidence(projection)))


def _warned(projection: Projection) -> Iterator[Listing]:
    """Yield the warnings beside the confidence; those of components are in their sections, too."""
    warnings = all_warnings(projection)
    shown = warnings[:_MOST_WARNINGS]
    if len(warnings) > _MOST_WARNINGS:
        shown = (*shown, f"and {len(warnings) - _MOST_WARNINGS} more, in the sections below")
    if shown:
        yield Listing("Warnings", shown, Level.WARN)


def all_warnings(projection: Projection) -> tuple[str, ...]:
    """Return every warning; those of components begin with the names, the same ones stand once."""
    names: dict[str, list[str]] = {}
    for part in projection.components:
        for text in dict.fromkeys(part.warnings):
            names.setdefault(text, []).append(part.name)
    return (*projection.warnings, *(f"{some_names(of)}: {text}" for text, of in names.items()))


def some_names(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _evidence(projection: Projection) -> Iterator[str]:
    series = projection.series
    observed = units.format_duration(int(series.observed.value))
    yield (
        f"{observed} of traffic, {series.completeness.value:.1%} of the time without a gap; the"
        " assumptions and the limits of this projection are listed at the end."
    )


def _origin(projection: Projection) -> Iterator[tuple[str, str]]:
    series = projection.series
    observed = units.format_duration(int(series.observed.value))
    yield (
        "Peak",
        f"{wording.shown(series.peak)} over all routes at {instant(series.peak_second)}",
    )
    yield (
        "Observed",
        f"{observed} from {instant(series.start)}, {series.completeness.value:.1%} complete,"
        f" one value each {series.resolution.value:g} s",
    )
    yield "Series", series.source
    yield "Table", projection.table


def _needed(projection: Projection, today: Mapping[str, str]) -> Section:
    peak = projection.series.peak
    tiles = [("peak observed", wording.amount(peak.value, peak.unit), wording.caution(peak))]
    tiles.append(_amount_tile("cpu requested", projection.total.cpu_request))
    tiles.append(_amount_tile("memory requested", projection.total.memory_request))
    if (reserve := projection.reserve) is not None:
        tiles.append(("requested over used", wording.factor(reserve), ""))
    if (nodes := projection.nodes) is not None:
        tiles.append(("nodes", wording.bare(nodes.nodes), wording.caution(nodes.nodes)))
        if (cost := nodes.cost_per_month) is not None:
            tiles.append((f"cost, {cost.unit}", wording.bare(cost), wording.caution(cost)))
    return Section(
        "needed", "Needed at the peak", (Tiles(tuple(tiles)), _overview(projection, today))
    )


def _amount_tile(name: str, figure: Figure) -> tuple[str, str, str]:
    exact = f"{wording.bare(figure)} {wording.caution(figure)}".rstrip()
    return name, wording.rounded(figure), exact


def _overview(projection: Projection, today: Mapping[str, str]) -> Grid:
    columns = (
        Column("component"),
        Column("peak rps", is_number=True),
        *([Column("today", is_number=True)] if today else []),
        Column("replicas", is_number=True),
        Column("HPA", is_number=True),
        Column("cpu", is_number=True),
        Column("memory", is_number=True),
        Column("decided by"),
    )
    rows = tuple(
        (
            Cell(component.name),
            wording.cell(component.peak),
            *([Cell(today.get(component.name, "unknown"))] if today else []),
            wording.cell(component.replicas),
            hpa_range(component),
            wording.without_bounds(component.total.cpu_request),
            wording.without_bounds(component.total.memory_request),
            Cell(decided(component)),
        )
        for component in projection.components
    )
    total = projection.total
    footer = (
        *(Cell("all"), *(Cell("") for _ in columns[1:-3])),
        wording.without_bounds(total.cpu_request),
        wording.without_bounds(total.memory_request),
        Cell(""),
    )
    return Grid("Requests of all replicas together", columns, rows, footer)


def decided(component: ComponentProjection) -> str:
    """Return what decided in words: `cpu of app, with loss of a zone`."""
    others = [
        limit.name
        for limit in component.constraints
        if limit.replicas == component.replicas.value and limit.name != component.decided_by
    ]
    return f"{component.decided_by}, with {others[-1]}" if others else component.decided_by


def hpa_range(component: ComponentProjection) -> Cell:
    """Return `3 to 9 at 32%`."""
    hpa = component.hpa
    if hpa is None:
        return Cell("none")
    return Cell(
        f"{wording.bare(hpa.min_replicas)} to {wording.bare(hpa.max_replicas)}",
        f"at {hpa.target_percent.value:g}%"
        + (f" of {hpa.container}" if hpa.container else "")
        + ("" if hpa.survives else ", too slow"),
    )


def _traffic(projection: Projection) -> Section:
    blocks: list[Block] = []
    if (plot := projection.demand_plot) is not None:
        blocks.append(demand_chart(plot))
        columns = (Column("peak"), Column("rps", is_number=True), Column("at"))
        rows = tuple(
            (Cell(peak.label), Cell(units.format_rps(peak.rps)), Cell(instant(peak.second)))
            for peak in plot.peaks
        )
        blocks.append(Grid("Peaks, as observed", columns, rows, is_folded=True))
    routes = ", ".join(projection.series.routes)
    blocks.append(FactList((("Routes", routes),)))
    return Section("traffic", "Traffic", tuple(blocks))


def _nodes(plan: NodePlan) -> Section:
    columns = (
        Column("pool"),
        Column("carries"),
        *(
            Column(title, is_number=True)
            for title in ("nodes", "per zone", "pods a node", "cpu idle", "memory idle", "cost")
        ),
        Column("why"),
    )
    blocks: list[Block] = [
        Grid("Nodes by pool", columns, tuple(_pool(figure) for figure in plan.pools))
    ]
    totals = [("nodes", plan.nodes)]
    if plan.cost_per_month is not None:
        totals.append(("cost of the nodes", plan.cost_per_month))
    if plan.requested_cost_per_month is not None:
        totals.append(("cost of the share that pods request", plan.requested_cost_per_month))
    totals += [
        (f"share of {name}", figure) for name, figure in plan.cost_per_month_of_component.items()
    ]
    totals_columns = (Column("what"), Column("value", is_number=True), Column("why"))
    rows = tuple(
        (Cell(name), Cell(wording.shown(figure)), Cell(figure.reason)) for name, figure in totals
    )
    blocks += [Grid("Together", totals_columns, rows), FactList((("Node file", plan.source),))]
    if plan.assumptions:
        blocks.append(Listing("Assumed of the nodes", plan.assumptions))
    return Section("nodes", "Nodes and cost", tuple(blocks))


def _pool(pool: PoolPlan) -> tuple[Cell, ...]:
    return (
        Cell(pool.pool),
        Cell(", ".join(pool.components)),
        wording.cell(pool.nodes),
        Cell(", ".join(str(count) for count in pool.nodes_per_zone)),
        wording.cell(pool.pods_per_node),
        Cell(wording.percent(pool.stranded_cpu)),
        Cell(wording.percent(pool.stranded_memory)),
        wording.cell(pool.cost_per_month, "no price"),
        Cell(pool.nodes.reason),
    )


def _phases(projection: Projection) -> Section:
    blocks: list[Block] = []
    if projection.phases:
        together = tuple(_phase("together", phase) for phase in projection.phases)
        which = ", ".join(projection.phases[0].paths) or "all paths"
        blocks.append(Grid(f"Moved together: {which}", _PHASE_COLUMNS, together))
    if projection.paths:
        alone = tuple(
            _phase(path.path, phase) for path in projection.paths for phase in path.phases
        )
        blocks.append(Grid("Each path moved alone", _PHASE_COLUMNS, alone))
    refused = tuple(
        f"phase {phase.phase}, {', '.join(phase.paths)}: {reason}"
        for phase in (*projection.phases, *(p for path in projection.paths for p in path.phases))
        for reason in phase.refused
    )
    if refused:
        blocks.append(Listing("Refused", refused, Level.BAD))
    return Section("phases", "Phases of the migration", tuple(blocks), is_folded=True)


_PHASE_COLUMNS = (
    Column("path"),
    Column("phase", is_number=True),
    Column("peak rps", is_number=True),
    Column("replicas"),
    Column("cpu", is_number=True),
    Column("memory", is_number=True),
)


def _phase(path: str, phase: PhaseProjection) -> tuple[Cell, ...]:
    replicas = (f"{wording.shown(figure)} {name}" for name, figure in phase.replicas.items())
    refused = (f"{reason.partition(':')[0]} refused" for reason in phase.refused)
    return (
        Cell(path),
        Cell(str(phase.phase)),
        wording.cell(phase.peak),
        Cell(", ".join((*replicas, *refused)) or "none"),
        wording.cell(phase.cpu_request),
        wording.cell(phase.memory_request),
    )


def _assumed(projection: Projection) -> Section:
    columns = (Column("what"), Column("value"), Column("set by"), Column("why"))
    rows = tuple(
        (
            Cell(assumption.name),
            Cell(assumption.value),
            Cell("default" if assumption.is_default else "you"),
            Cell(assumption.reason),
        )
        for assumption in projection.assumptions
    )
    grid = Grid("Every value that was chosen rather than measured", columns, rows)
    return Section("assumed", "Assumed", (grid,), is_folded=True)


def _not_covered(projection: Projection) -> Section:
    missing: dict[str, list[str]] = {}
    for component in projection.components:
        for resource in component.not_covered:
            missing.setdefault(resource, []).append(component.name)
    items = tuple(f"{resource} ({', '.join(names)})" for resource, names in missing.items())
    blocks: list[Block] = [Listing("This projection does not cover", items)]
    if warnings := all_warnings(projection):
        blocks.append(Listing("Warnings", warnings, Level.WARN))
    return Section("limits", "What is not covered", tuple(blocks))


_READING = (
    "Brackets after a number hold its interval, then its flags.",
    "An interval contains a new measurement with the confidence listed under Assumed. Requests are"
    " computed from its upper end, so that an error costs money rather than lost requests.",
    f"{Flag.EXTRAPOLATED}: beyond the largest row used, within the limit listed under Assumed.",
    f"{Flag.BELOW_RANGE}: less rps per replica than in any row; the smallest row is used, which is"
    " more than needed.",
    f"{Flag.SCALED_LINEARLY}: more rps over all replicas than in any row; replicas are assumed not"
    " to disturb each other.",
    f"{Flag.NO_INTERVAL}: too few rows to estimate the error; the margin listed under Assumed is"
    " used.",
    f"{Flag.ASSUMED}: a default decides the number, not a measurement.",
    "A row of the table is one measured load point. Rows that are not used are listed with"
    " the rule.",
    "CPU is in millicores (1000m is a core), memory in Mi and Gi (2^20 and 2^30 bytes); times are"
    " UTC. Amounts are rounded up.",
)


def _how_to_read() -> Section:
    routes = (
        "A route is written as its tag, in which _ replaces characters that a tag cannot contain:"
        " /watch/{id} becomes /watch/_id_."
    )
    return Section(
        "reading",
        "How to read this",
        (Listing("Words and signs", (*_READING, routes)),),
        is_folded=True,
    )
