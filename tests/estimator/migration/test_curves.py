from dataclasses import replace

import numpy as np
import pytest

from estimator.migration.curves import curves_of, plot_of
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

REQUESTS = {"app": Resources(1000, 2**30), "proxy": Resources(100, 2**20)}


def row(number: int, rps: float, replicas: int = 1) -> LoadPoint:
    used = {"app": Resources(rps / replicas, 1), "proxy": Resources(10 + rps / replicas / 10, 1)}
    return LoadPoint(number, replicas, rps, used, error_ratio=0.0)


API = Component(
    "api",
    Kind.POD,
    ("*",),
    REQUESTS,
    (row(1, 100), row(2, 400, 2), row(3, 300), replace(row(4, 900), error_ratio=0.5)),
)


def test_every_container_has_its_curve() -> None:
    curves = curves_of(API)
    assert list(curves) == ["app", "proxy"]
    assert curves["app"].prediction.curve.millicores_at(250) == pytest.approx(250)
    assert curves["proxy"].prediction.curve.millicores_at(250) == pytest.approx(35)


def test_excluded_row_is_no_part_of_it_and_is_drawn() -> None:
    curve = curves_of(API)["app"]
    assert curve.prediction.curve.highest_rps == 300
    plot = plot_of(curve)
    assert [point.is_used for point in plot.rows] == [True, True, True, False]
    assert plot.rows[3].verdict == "failing: error_ratio 0.5 is above 0.01"
    assert (plot.rps[0], plot.rps[-1], plot.highest_row_rps) == (0, 450, 300)


def test_errors_are_those_of_rows_left_out() -> None:
    bent = replace(
        API, points=(row(1, 100), replace(row(2, 200), usage=row(2, 300).usage), row(3, 300))
    )
    curve = curves_of(bent)["app"]
    # Without row 2 the curve gives 200 at 200 rps, where 300 was measured: 50 % more.
    assert curve.left_out == (pytest.approx(0.5),)
    assert (curve.median_error, curve.worst_error) == (pytest.approx(0.5), pytest.approx(0.5))


def test_without_rows_between_others_no_error_is_known() -> None:
    curve = curves_of(replace(API, points=API.points[:1]))["app"]
    assert (curve.median_error, curve.worst_error) == (None, None)
    assert np.isnan(plot_of(curve).low).all()


def test_component_without_usable_rows_has_no_curve() -> None:
    assert curves_of(replace(API, points=API.points[3:])) == {}
