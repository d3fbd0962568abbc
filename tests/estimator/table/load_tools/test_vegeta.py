import json
from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.rows import Loop


@pytest.fixture
def document(load_tool_samples: Path) -> dict:
    return json.loads((load_tool_samples / "vegeta_report.json").read_text())


def line(at_s: float, status: int, latency_ms: float) -> str:
    ns = int(1_700_000_000e9 + at_s * 1e9)
    return f"{ns},{status},{int(latency_ms * 1e6)},0,5,,aGVsbG8=,,0,GET,http://x/,\n"


def test_sample_has_its_units(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "vegeta_report.json").runs
    assert run.p99_ms == pytest.approx(24.3)
    assert run.p50_ms == pytest.approx(7.9)
    assert run.duration_s == pytest.approx(29.95 + 0.05)
    # 6 of the 600 requests got no response, and 6 more got a 503.
    assert run.rps == pytest.approx(594 / 30)
    assert run.rps_target == pytest.approx(600 / 29.95)
    assert (run.loop, run.error_ratio) == (Loop.OPEN, pytest.approx(0.02))
    assert run.start == 1772442000.25  # 2026-03-02T10:00:00.25+01:00


def test_status_zero_was_never_answered(read, document: dict) -> None:
    document |= {"requests": 100, "success": 0.5542, "status_codes": {"0": 45, "200": 55}}
    run = read(json.dumps(document))
    assert run.rps == pytest.approx(55 / 30)
    assert run.error_ratio == pytest.approx(0.4458)


def test_time_without_a_zone_is_refused(refused, document: dict) -> None:
    (problem,) = refused(json.dumps(document | {"earliest": "2026-03-02T10:00:00.25"}))
    assert "timezone" in problem and "`$.earliest`" in problem


def test_empty_report_is_refused(refused, document: dict) -> None:
    assert refused(json.dumps(document | {"requests": 0})) == ["holds no request"]


def test_encoded_sample_is_measured(load_tool_samples: Path) -> None:
    # 11 lines are 50 ms apart; the fifth is a 503, the eighth has no status, the last took 10 ms.
    (run,) = read_result(load_tool_samples / "vegeta.csv").runs
    assert run.duration_s == pytest.approx(0.51)
    assert run.rps == pytest.approx(10 / 0.51)
    assert run.rps_target == pytest.approx(20)
    assert run.error_ratio == pytest.approx(2 / 11)
    assert (run.p50_ms, run.p99_ms) == (8.3, 31)
    assert run.start == pytest.approx(1772442000.25, abs=1e-6)


def test_csv_is_measured_request_by_request(read) -> None:
    text = "".join(line(k / 10, 0 if k == 7 else 503 if k == 8 else 200, 20) for k in range(11))
    run = read(text)
    assert run.duration_s == pytest.approx(1.02)
    assert run.rps == pytest.approx(10 / 1.02)
    assert run.rps_target == pytest.approx(10)
    assert run.error_ratio == pytest.approx(2 / 11)
    assert (run.p50_ms, run.start) == (20, 1_700_000_000)


def test_csv_may_be_out_of_order(read) -> None:
    lines = [line(k / 10, 200, k) for k in range(11)]
    assert read("".join(lines[::-1])).rps == read("".join(lines)).rps


def test_every_bad_line_is_named(refused) -> None:
    text = line(0, 200, 1) + "x,200,1\n" + line(1, 200, 1) + "\n"
    assert refused(text) == [
        ":2: expected time, status and latency as whole numbers, got ['x', '200', '1']",
        ":4: expected time, status and latency as whole numbers, got []",
    ]


@pytest.mark.parametrize("cells", ["1700000000000000000,200,-5", "9" * 30 + ",200,1"])
def test_numbers_that_no_run_has_are_named(refused, load_tool_samples: Path, cells: str) -> None:
    first = (load_tool_samples / "vegeta.csv").read_text().splitlines()[0]
    (problem,) = refused(f"{first}\n{cells}\n")
    assert problem.startswith(":2: expected time, status and latency as whole numbers, got ")
