"""From the model's plots to charts: which line, which colour, which words beside it.

The model thins its arrays to at most a thousand bins and keeps the extremes. In a report with many
components each chart gets fewer bins, so that the page stays below its size limit (`PointBudget`);
neighbouring bins are then merged into their extreme (thinning.py). This module computes nothing.
"""

from dataclasses import dataclass, replace
from enum import Enum

from estimator import units
from estimator.model.plots import CurvePlot, DemandPlot, ReplicasPlot
from estimator.model.projection import ComponentProjection
from estimator.report.blocks import Cell, Chart, Column, Grid
from estimator.report.charts.axes import instant
from estimator.report.charts.svg import LOW, Curve, CurveChart, Mark, Rule, TimeAxis, TimeChart
from estimator.report.charts.thinning import Keep, Values, merge, merged_width, values_of

_ROOM = 24_000
"""The number of bins of all lines and components: half a megabyte at about 20 bytes per bin."""
_MOST = 480
"""The most bins of one line, each two pixels wide; more bins would not be visible."""
_MOST_NARROW = 100
_LINES = 4
CURVE_POINTS = 41
"""The number of points of a smooth curve through a handful of rows."""


class PageDetail(Enum):
    """How much detail of each component a page shows; less if there are many components."""

    FULL = "full"
    LESS = "less"
    """Coarser charts, no table behind those over time, and no arithmetic."""
    LEAST = "least"
    """Without a component's charts and the reasons of its single amounts, too."""


@dataclass(frozen=True, slots=True)
class PointBudget:
    """The numbers of points that the charts of one component may have."""

    bins: int
    table_rows: int
    """The number of rows in the table of a chart over time; 0 for no table."""
    curve_points: int = CURVE_POINTS

    @classmethod
    def among(cls, components: int, detail: PageDetail) -> "PointBudget":
        """Return the budget of each component: at least 40 bins, the fewest that are legible."""
        most = _MOST if detail is PageDetail.FULL else 80
        bins = max(40, min(most, _ROOM // (_LINES * max(1, components))))
        return cls(bins, 24) if detail is PageDetail.FULL else cls(bins, 0, CURVE_POINTS // 2)


def narrowed(chart: TimeChart) -> TimeChart:
    """Return the chart with as many bins as a phone has pixels for."""
    width = merged_width(chart.span.bins, _MOST_NARROW)
    lines = tuple(
        replace(line, values=merge(line.values, width, line.keep)) for line in chart.lines
    )
    shaded = merge([float(flag) for flag in chart.shaded], width, Keep.HIGHEST)
    span = TimeAxis(chart.span.start, chart.span.bin_s * width, len(lines[0].values))
    return replace(chart, span=span, lines=lines, shaded=tuple(bool(flag) for flag in shaded))


def demand_chart(plot: DemandPlot) -> Chart:
    """Return rps over time with its peaks marked."""
    span = TimeAxis(plot.start, plot.bin_s, len(plot.highest_rps))
    highest, mean = values_of(plot.highest_rps), values_of(plot.mean_rps)
    marks = tuple(
        Mark(
            peak.second,
            peak.rps,
            f"{units.format_rps(peak.rps)} rps" if number == 0 else "",
            f"{peak.label}\n{units.format_rps(peak.rps)} rps at {instant(peak.second)}",
        )
        for number, peak in enumerate(plot.peaks)
    )
    lines = (
        Curve("highest", "line-1", highest),
        *([Curve("mean", "line-2", mean)] if plot.bin_s and mean != highest else []),
    )
    width_text = units.format_duration(max(1, int(plot.bin_s)))
    return Chart(
        TimeChart("Requests per second over time", "rps", span, lines, marks),
        f"As observed, before growth and events; each point covers {width_text}; times are UTC."
        " The peaks of the series and of the highest days are marked.",
        _as_table(span, lines, 24),
    )


def replica_charts(
    plot: ReplicasPlot, component: ComponentProjection, budget: PointBudget
) -> list[Chart]:
    """Return the simulated control loop: replicas over time, and utilisation."""
    width = merged_width(len(plot.replicas), budget.bins)
    ready = merge(values_of(plot.replicas), width, Keep.LOWEST)
    desired = merge(values_of(plot.desired), width, Keep.HIGHEST)
    used = merge(values_of(plot.utilisation), width, Keep.HIGHEST)
    saturated = merge([float(flag) for flag in plot.saturated], width, Keep.HIGHEST)
    span = TimeAxis(plot.start, plot.bin_s * width, len(ready))
    fixed = component.replicas.value
    rules = [Rule(fixed, f"fixed count {fixed:g}")]
    utilisation_rules = [Rule(1.0, "all that is requested", "rule bad")]
    whose = "all containers"
    if component.hpa is not None:
        target, whose = component.hpa.target_percent, component.hpa.container or whose
        utilisation_rules.append(Rule(target.value / 100, f"HPA target {target.value:g}%"))
    shaded = tuple(bool(flag) for flag in saturated)
    lines = (
        Curve("ready (lowest)", "line-1", ready, True, Keep.LOWEST),
        Curve("wanted by the HPA (highest)", "line-2", desired, is_step=True),
    )
    utilisation = (Curve("utilisation (highest)", "line-3", used, is_step=True),)
    shade = (
        " A replica is beyond its performance limit where the chart is shaded."
        if any(shaded)
        else ""
    )
    return [
        Chart(
            TimeChart(
                f"Replicas of {component.name} under the simulated HPA",
                *("replicas", span, lines, (), tuple(rules), shaded, LOW),
            ),
            f"The recommended HPA, simulated over this series with growth and events.{shade}",
            _as_table(span, lines, budget.table_rows),
        ),
        Chart(
            TimeChart(
                f"Cpu utilisation of {component.name} under the simulated HPA",
                *("of requests", span, utilisation, (), tuple(utilisation_rules), shaded, LOW),
            ),
            f"Cpu used over cpu requested, {whose}; 1 is all that is requested.",
            _as_table(span, utilisation, budget.table_rows),
        ),
    ]


def curve_chart(plot: CurvePlot, component: str, points: int = CURVE_POINTS) -> Chart:
    """Return a load curve with its bounds, rows and range, and the chosen rps."""
    step = merged_width(len(plot.rps), points)
    # Draw every step-th point, the last one and the last measured one, where the curve ends.
    measured = sum(float(at) <= plot.highest_row_rps for at in plot.rps) - 1
    chosen = sorted({*range(0, len(plot.rps), step), max(0, measured), len(plot.rps) - 1})
    x = [float(plot.rps[index]) for index in chosen]
    y = [float(plot.value[index]) for index in chosen]
    whole_band = list(zip(values_of(plot.low), values_of(plot.high), strict=True))
    band = [whole_band[index] for index in chosen]
    # The bounds are drawn completely or not at all: a hole would look like certainty.
    bounded = [(low, high) for low, high in band if low is not None and high is not None]
    marks = tuple(
        Mark(
            row.rps,
            row.value,
            "",
            f"row {row.row}: {units.format_rps(row.rps)} rps per replica,"
            f" {row.value:,.4g} {plot.unit}; {row.verdict}",
            "mark used" if row.is_used else "mark unused",
        )
        for row in plot.rows
    )
    limits = [Rule(plot.highest_row_rps, f"largest row used, {plot.highest_row_rps:,.4g} rps")]
    if plot.chosen_rps is not None:
        limits.append(Rule(plot.chosen_rps, f"at the peak, {plot.chosen_rps:,.4g} rps", "rule ok"))
    budget = (
        ()
        if plot.budget is None
        else (Rule(plot.budget, f"not above {plot.budget:,.4g} {plot.unit}", "rule bad"),)
    )
    chart = CurveChart(
        title=f"{plot.quantity} of {component} over rps per replica",
        name=plot.quantity,
        unit=plot.unit,
        x=tuple(x),
        y=tuple(y),
        band=tuple(bounded) if len(bounded) == len(x) else (),
        points=marks,
        rules=budget,
        limits=tuple(limits),
        known_to=plot.highest_row_rps,
    )
    interval = "with the interval of the policy's confidence" if chart.band else "without interval"
    beyond = "; shaded: beyond every row used, extrapolated" if x[-1] > plot.highest_row_rps else ""
    return Chart(
        chart,
        f"Rows as circles (hollow: not used), the curve {interval}, measured from"
        f" {plot.lowest_row_rps:,.4g} to {plot.highest_row_rps:,.4g} rps per replica{beyond}.",
        _rows_grid(plot),
    )


def _rows_grid(plot: CurvePlot) -> Grid:
    columns = (
        Column("row"),
        Column("rps per replica", is_number=True),
        Column(plot.unit, is_number=True),
        Column("verdict"),
    )
    rows = tuple(
        (
            Cell(str(row.row)),
            Cell(units.format_rps(row.rps)),
            Cell(f"{row.value:,.4g}"),
            Cell(row.verdict if row.is_used else f"not used: {row.verdict}"),
        )
        for row in plot.rows
    )
    return Grid(f"Rows behind {plot.quantity}", columns, rows)


def _as_table(span: TimeAxis, lines: tuple[Curve, ...], most_rows: int) -> Grid | None:
    if not most_rows:
        return None
    width = merged_width(span.bins, most_rows)
    columns = (Column("from"), *(Column(line.name, is_number=True) for line in lines))
    merged: list[Values] = [merge(line.values, width, line.keep) for line in lines]
    rows = tuple(
        (
            Cell(instant(span.start + index * width * span.bin_s)),
            *(Cell("no data" if v[index] is None else f"{v[index]:,.4g}") for v in merged),
        )
        for index in range(len(merged[0]))
    )
    width_text = units.format_duration(max(1, int(width * span.bin_s)))
    return Grid(f"The extreme of each {width_text}", columns, rows)
