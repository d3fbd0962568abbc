import json
from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.load_tools.fortio import _Bucket, interpolated
from estimator.table.rows import Loop


@pytest.fixture
def document(load_tool_samples: Path) -> dict:
    return json.loads((load_tool_samples / "fortio.json").read_text())


def test_sample_has_its_units(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "fortio.json").runs
    assert run.rps == pytest.approx(120_000 / 240.012)
    assert run.duration_s == pytest.approx(240.012)
    assert (run.rps_target, run.connections) == (500, 32)
    assert run.error_ratio == pytest.approx(300 / 120_000)
    assert run.p50_ms == pytest.approx(3 + 2 / 3)
    assert run.p99_ms == pytest.approx(12)
    assert run.start == 1772443800.5  # 2026-03-02T09:30:00.5Z
    assert run.loop is Loop.CLOSED


def test_rate_of_max_is_no_target(read, document: dict) -> None:
    assert read(json.dumps(document | {"RequestedQPS": "max"})).rps_target is None


def test_missing_percentile_is_interpolated(read, document: dict) -> None:
    stated = read(json.dumps(document))
    document["DurationHistogram"]["Percentiles"] = None
    run = read(json.dumps(document))
    # The tool interpolates as well, so both must agree.
    assert run.p99_ms == pytest.approx(stated.p99_ms)
    assert run.p50_ms == pytest.approx(stated.p50_ms)
    assert run.notes[-1] == "p99 interpolated in the histogram: the file does not state it"


def test_errors_are_what_is_not_2xx(read, document: dict) -> None:
    run = read(json.dumps(document | {"RetCodes": {"200": 150, "503": 30, "-1": 20}}))
    assert run.error_ratio == pytest.approx(0.25)
    # A failed connection was no work for the component.
    assert run.rps == pytest.approx(120_000 / 240.012 * 0.9)


def test_grpc_statuses_are_good(read, document: dict) -> None:
    assert read(json.dumps(document | {"RetCodes": {"SERVING": 5}})).error_ratio == 0


def test_broken_results_are_refused(refused, document: dict) -> None:
    assert refused(json.dumps(document | {"RequestedQPS": "fast"})) == [
        "RequestedQPS: expected a rate or \"max\", got 'fast'"
    ]
    assert refused(json.dumps(document | {"RetCodes": {}})) == ["holds no request"]
    (problem,) = refused(json.dumps(document | {"ActualQPS": "1"}))
    assert "`$.ActualQPS`" in problem


def test_time_without_a_zone_is_refused(refused, document: dict) -> None:
    (problem,) = refused(json.dumps(document | {"StartTime": "2026-03-02T09:30:00.5"}))
    assert "timezone" in problem and "`$.StartTime`" in problem


def test_histogram_that_ends_early_gives_its_end() -> None:
    assert interpolated(99.0, [_Bucket(0.0, 0.001, 90.0)]) == 0.001
