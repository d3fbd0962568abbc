import json
from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.rows import Loop


@pytest.fixture
def document() -> dict:
    """Return what oha 1.10 writes of 100 rps for 300 s; 60 requests were not answered."""
    return {
        "summary": {
            "successRate": 0.999,
            "total": 300.0,
            "slowest": 0.08,
            "fastest": 0.001,
            "average": 0.01,
            "requestsPerSec": 100.2,
            "totalData": 1000,
            "sizePerRequest": 10,
            "sizePerSec": 3.3,
        },
        "responseTimeHistogram": {"0.001": 10, "0.0082": 29990},
        "latencyPercentiles": {"p10": 0.002, "p50": 0.01, "p99": 0.04, "p99.9": 0.06},
        "firstByteHistogram": {"0.001": 10},
        "firstBytePercentiles": {"p50": 0.009},
        "rps": {"mean": 100, "stddev": 1, "max": 120, "min": 80, "percentiles": {"p50": 90}},
        "details": {},
        "statusCodeDistribution": {"200": 29900, "503": 100},
        "errorDistribution": {"connection refused": 20, "aborted due to deadline": 40},
    }


def test_json_has_its_units(read, document: dict) -> None:
    run = read(json.dumps(document, indent=2))
    assert (run.tool, run.loop) == ("oha", Loop.CLOSED)
    # Answered requests: those without a response cost the component nothing.
    assert (run.rps, run.duration_s) == (100, 300)
    assert (run.p50_ms, run.p99_ms) == (10, 40)
    # Requests that the end of the run cut off are no errors of the server.
    assert run.error_ratio == pytest.approx(120 / 30020)
    assert (run.start, run.rps_target, run.connections) == (None, None, None)


def test_csv_holds_every_request(read) -> None:
    header = "request-start,DNS,DNS+dialup,Response-delay,request-duration,bytes,status"
    rows = [
        f"{0.5 + k},0,0,0.004,0.{k + 1},10,{status}" for k, status in enumerate((200, 503, 302))
    ]
    run = read("\n".join([header, *rows]) + "\n")
    assert (run.tool, run.loop, run.duration_s) == ("oha", Loop.CLOSED, pytest.approx(2.3))
    assert run.rps == pytest.approx(3 / 2.3)
    assert (run.p50_ms, run.p99_ms) == (pytest.approx(200), pytest.approx(300))
    assert run.error_ratio == pytest.approx(1 / 3)
    assert run.requests is not None


def test_missing_percentiles_are_no_number(read, document: dict) -> None:
    # oha writes NaN as null.
    run = read(json.dumps(document | {"latencyPercentiles": {"p50": None}}))
    assert (run.p50_ms, run.p99_ms) == (None, None)


def test_what_is_missing_or_impossible_is_named(refused, document: dict) -> None:
    nothing = document | {"statusCodeDistribution": {}}
    assert refused(json.dumps(nothing)) == ["holds no answered request"]
    negative = document | {"statusCodeDistribution": {"200": 5, "503": -4}}
    assert refused(json.dumps(negative)) == ["expected counts of at least 0"]
    (problem,) = refused(json.dumps(document | {"summary": {}}))
    assert "missing required field `total`" in problem


def test_samples_have_their_units(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "oha.json").runs
    assert (run.rps, run.duration_s) == (100, 240)
    assert (run.p50_ms, run.p99_ms) == (pytest.approx(9.1), pytest.approx(31.2))
    assert run.error_ratio == pytest.approx(70 / 24_010)
    (run,) = read_result(load_tool_samples / "oha.csv").runs
    # The last request began 0.95 s after the first and took 18.5 ms.
    assert run.duration_s == pytest.approx(0.9685)
    assert (run.p99_ms, run.error_ratio) == (pytest.approx(18.5), 1 / 20)
