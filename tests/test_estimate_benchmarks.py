"""Checks that the estimator's benchmarks run and compute correctly, without any timing."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks import result
from benchmarks.macro import estimate_speed
from benchmarks.micro import extrapolation, load_curve_coverage
from estimator.series.files import read_series
from estimator.table.files import read_table


def test_coverage_is_a_share_for_every_ladder() -> None:
    found = load_curve_coverage.coverage(2)
    assert len(found) == len(load_curve_coverage.ROWS) * len(load_curve_coverage.ERRORS)
    for row in found.values():
        assert all(0 <= row[f"{place} below high"] <= 1 for place in ("inside", "x1.2", "x1.5"))


def test_rows_without_error_are_always_covered() -> None:
    found = list(load_curve_coverage.ladders(3, 8, 0.0))
    assert len(found) == 9
    shares = [value for row in found for name, value in row.items() if "width" not in name]
    assert shares == [1.0] * 18


def test_measured_ladder_leaves_each_inner_row_out(tmp_path: Path) -> None:
    lines = ["achieved_rps,cpu_millicores", *(f"{n * 100},{n * 90}" for n in range(1, 7))]
    (tmp_path / "ladder.csv").write_text("\n".join(lines + ["900,990"]))
    found = load_curve_coverage.left_out(tmp_path / "ladder.csv")
    # The two end rows of six unsaturated ones have no neighbour on one side.
    assert (found["rows"], found["below high"]) == (4, 1)
    assert found["median error"] == pytest.approx(0, abs=1e-9)


def test_published_coverage_holds_its_level() -> None:
    published = result.read(result.path_of("load_curve_coverage"))["medians"]
    synthetic = [row for name, row in published.items() if name != "measured ladder"]
    assert min(row["inside below high"] for row in synthetic) >= 0.88
    assert min(row["x1.5 below high"] for row in synthetic) >= 0.95


def test_every_way_to_extrapolate_continues_a_line() -> None:
    x = np.array([100.0, 200, 300, 400])
    for name, method in extrapolation.METHODS.items():
        assert method(x, x, 600.0) == pytest.approx(600), name


def test_published_extrapolation_beats_what_was_before() -> None:
    published = result.read(result.path_of("extrapolation"))["medians"]
    for kind in ("power x1.2", "power x1.5", "measured"):
        ours, before = published[f"{kind} held power"], published[f"{kind} line or slope"]
        assert ours["median"] < before["median"] / 1.5
    for kind in ("line", "queue", "contention"):
        ours, before = (published[f"{kind} x1.5 {n}"] for n in ("held power", "line or slope"))
        assert ours["median"] < before["median"] + 0.02


def test_generated_table_and_series_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_text(estimate_speed.table_text())
    table = read_table(tmp_path / "table.yaml")
    assert len(table.components) == 1 + estimate_speed.PODS
    assert {route for component in table.components[1:] for route in component.routes} == set(
        estimate_speed.routes()
    )
    estimate_speed.write_series(tmp_path / "series.db", 20)
    series = read_series(tmp_path / "series.db", time.time())
    assert series.rps.shape == (estimate_speed.ROUTES, 20)
    with closing(sqlite3.connect(tmp_path / "series.db")) as database:
        (total,) = database.execute("SELECT sum(value) FROM counts").fetchone()
    assert np.nansum(series.rps) == total


def test_point_costs_are_those_beyond_the_shortest() -> None:
    rounds = [
        {
            f"{way}, {days}": {"points": days * 1e6, "cpu_seconds": 1 + days + noise}
            for way in ("report", "command")
            for days in (1, 3)
        }
        for noise in (0.0, 0.5)
    ]
    found = estimate_speed.summarise(rounds)
    assert found["report, 3"]["us_per_point"] == pytest.approx(1)
    assert found["report, 3"]["cpu_seconds_least"] == 4
    assert "us_per_point" not in found["command, 1"]


def test_published_cost_is_linear() -> None:
    published = result.read(result.path_of("estimate_speed"))["medians"]
    names = [name for name in published if "us_per_point" in published[name]]
    reports = [published[n]["us_per_point"] for n in names if n.startswith("report")]
    commands = [published[n]["us_per_point"] for n in names if n.startswith("command")]
    # From 3 to 30 days. Longer series fit worse into caches, but time must not grow quadratically.
    assert max(commands) < 1.3 * min(commands)
    assert max(reports) < 2 * min(reports)
