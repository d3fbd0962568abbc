from dataclasses import replace

import numpy as np
import pytest

from estimator.model.projection import Projection
from estimator.report.charts.content import (
    PageDetail,
    PointBudget,
    curve_chart,
    demand_chart,
    narrowed,
    replica_charts,
)
from estimator.report.charts.svg import Curve, CurveChart, TimeAxis, TimeChart
from estimator.report.charts.thinning import Keep
from tests.estimator.report.conftest import START, curve_plot, demand_plot, replicas_plot


def test_peaks_are_marked_with_their_values() -> None:
    chart = demand_chart(demand_plot()).chart
    assert isinstance(chart, TimeChart)
    assert [mark.y for mark in chart.marks] == [2345.6, 1600.0]
    assert chart.marks[0].label == "2,345.6 rps"
    assert "highest of 2023-11-16" in chart.marks[1].tip


def test_the_highest_value_is_drawn_and_in_the_table() -> None:
    block = demand_chart(demand_plot())
    assert isinstance(block.chart, TimeChart) and block.table is not None
    assert max(value or 0 for value in block.chart.lines[0].values) == 2345.6
    assert "2,346" in {row[1].text for row in block.table.rows}


def test_a_series_of_seconds_has_no_mean_beside_itself() -> None:
    plot = demand_plot()
    chart = demand_chart(replace(plot, mean_rps=plot.highest_rps)).chart
    assert isinstance(chart, TimeChart)
    assert [line.name for line in chart.lines] == ["highest"]


def test_merged_bins_keep_the_worst(complete: Projection) -> None:
    component = complete.components[0]
    replicas, utilisation = replica_charts(replicas_plot(), component, PointBudget(50, 24))
    assert isinstance(replicas.chart, TimeChart) and isinstance(utilisation.chart, TimeChart)
    ready, desired = replicas.chart.lines
    plot = replicas_plot()
    assert len(ready.values) <= 50
    assert min(value or 0 for value in ready.values) == plot.replicas.min()
    assert max(value or 0 for value in desired.values) == plot.desired.max()
    assert max(v or 0 for v in utilisation.chart.lines[0].values) == plot.utilisation.max()
    assert sum(replicas.chart.shaded) == 1
    assert replicas.chart.span.start == START
    assert replicas.chart.span.end >= START + 864 * 300


def test_the_target_is_a_line_across(complete: Projection) -> None:
    _, utilisation = replica_charts(replicas_plot(), complete.components[0], PointBudget(50, 24))
    assert isinstance(utilisation.chart, TimeChart)
    assert [rule.at for rule in utilisation.chart.rules] == [1.0, 0.55]


def test_utilisation_is_of_what_the_autoscaler_reads(complete: Projection) -> None:
    first = complete.components[0]
    assert first.hpa is not None
    by_app = replace(first, hpa=replace(first.hpa, container="app"))
    for component, whose in ((first, "all containers"), (by_app, "app")):
        _, utilisation = replica_charts(replicas_plot(), component, PointBudget(50, 24))
        assert utilisation.caption.startswith(f"Cpu used over cpu requested, {whose};")


def test_rows_that_were_not_used_are_told_apart() -> None:
    block = curve_chart(curve_plot("app"), "api")
    assert isinstance(block.chart, CurveChart) and block.table is not None
    assert [mark.css for mark in block.chart.points] == ["mark used"] * 3 + ["mark unused"]
    assert "saturated" in block.chart.points[3].tip
    assert block.table.rows[3][3].text == "not used: saturated: achieved 750 of 900 rps"


def test_a_band_with_a_hole_is_not_drawn() -> None:
    plot = curve_plot("app")
    holed = np.where(plot.rps > 600, np.nan, plot.low)
    chart = curve_chart(replace(plot, low=holed), "api").chart
    assert isinstance(chart, CurveChart)
    assert chart.band == ()


def test_extrapolation_is_said_and_shaded() -> None:
    block = curve_chart(curve_plot("app"), "api")
    assert isinstance(block.chart, CurveChart)
    assert block.chart.known_to == 600
    assert "shaded: beyond every row used, extrapolated" in block.caption


@pytest.mark.parametrize(("components", "bins"), [(1, 480), (50, 120), (10_000, 40)])
def test_many_components_share_the_room(components: int, bins: int) -> None:
    assert PointBudget.among(components, PageDetail.FULL) == PointBudget(bins, 24)
    assert PointBudget.among(components, PageDetail.LESS) == PointBudget(min(bins, 80), 0, 20)


def test_less_room_has_no_table_behind_a_chart(complete: Projection) -> None:
    replicas, _ = replica_charts(replicas_plot(), complete.components[0], PointBudget(50, 0))
    assert replicas.table is None


def test_a_curve_keeps_its_ends() -> None:
    chart = curve_chart(curve_plot("app"), "api").chart
    assert isinstance(chart, CurveChart)
    assert (chart.x[0], chart.x[-1], len(chart.x)) == (0, 900, 32)
    # The solid line ends at the last point within the rows.
    measured = max(at for at in curve_plot("app").rps if at <= 600)
    assert measured in chart.x


def test_a_narrow_chart_keeps_the_extremes() -> None:
    values = tuple(float(number % 97) for number in range(960))
    line = Curve("highest", "line-1", values)
    low = Curve("lowest", "line-2", values, keep=Keep.LOWEST)
    shaded = tuple(number == 500 for number in range(960))
    chart = TimeChart("t", "rps", TimeAxis(0, 60, 960), (line, low), shaded=shaded)
    narrow = narrowed(chart)
    assert narrow.span == TimeAxis(0, 600, 96)
    assert max(value or 0 for value in narrow.lines[0].values) == 96
    assert min(value or 0 for value in narrow.lines[1].values) == 0
    assert sum(narrow.shaded) == 1
