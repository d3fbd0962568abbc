import json
from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.rows import Loop

FLAT = {
    "root_group": {},
    "metrics": {
        "http_reqs": {"count": 12000, "rate": 100.0},
        # 40 requests failed; k6 counts them as passes of "has failed".
        "http_req_failed": {"passes": 40, "fails": 11960, "value": 40 / 12000},
        "http_req_duration": {
            "avg": 4.2,
            "med": 3.9,
            "p(90)": 6.0,
            "p(99)": 9.5,
            "thresholds": {"p(99)<5": True},
        },
        "iterations": {"count": 6000, "rate": 50.0},
        "vus_max": {"value": 30, "min": 30, "max": 30},
    },
}


def nested() -> dict:
    """Return the summary as handleSummary receives it.

    A rate metric has `rate` there, and `value` in the flat summary.
    """
    metrics = {
        name: {"type": "x", "values": dict(values)} for name, values in FLAT["metrics"].items()
    }
    failed = metrics["http_req_failed"]["values"]
    failed["rate"] = failed.pop("value")
    return {"metrics": metrics, "state": {"testRunDurationMs": 120_000}}


def machine_readable() -> dict:
    """Return what k6 2.2 writes with --new-machine-readable-summary: counts, no rates, no p(99)."""
    kinds = {
        "http_reqs": ("counter", "default", {"count": 12000}),
        "http_req_failed": ("rate", "default", {"matches": 40, "rate": 40 / 12000, "total": 12000}),
        "http_req_duration": ("trend", "time", {"avg": 4.2, "med": 3.9, "p(90)": 6, "p(95)": 7}),
        "iterations": ("counter", "default", {"count": 6000}),
        "vus_max": ("gauge", "default", {"max": 30, "min": 30, "value": 30}),
    }
    return {
        "config": {"duration": 120.0, "execution": "local", "script": "shop.js"},
        "metadata": {"generatedAt": "2026-01-01T00:02:00.123456789Z", "k6Version": "2.2.0"},
        "results": {
            "metrics": [
                {"contains": contains, "name": name, "type": kind, "values": values}
                for name, (kind, contains, values) in kinds.items()
            ]
        },
        "version": "1.0.0",
    }


@pytest.mark.parametrize(
    ("document", "p99_ms"), [(FLAT, 9.5), (nested(), 9.5), (machine_readable(), None)]
)
def test_three_shapes_say_the_same(read, document: dict, p99_ms: float | None) -> None:
    run = read(json.dumps(document))
    assert (run.rps, run.duration_s, run.p50_ms, run.p99_ms) == (100, 120, 3.9, p99_ms)
    assert run.error_ratio == pytest.approx(40 / 12000)
    assert (run.connections, run.loop, run.rps_target) == (30, Loop.CLOSED, None)
    assert "include the ramp" in run.notes[0]
    assert "taken as a closed loop" in run.notes[1]


def test_exported_sample_has_its_units(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "k6_summary_export.json").runs
    assert run.duration_s == pytest.approx(60.03)
    assert run.rps == pytest.approx(3000 / 60.03)
    assert (run.p50_ms, run.p99_ms, run.error_ratio) == (6.21, 31.4, 0.004)
    assert (run.loop, run.rps_target, run.connections) == (Loop.CLOSED, None, 10)


def test_machine_readable_sample_is_the_same_run(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "k6_machine_readable.json").runs
    (exported,) = read_result(load_tool_samples / "k6_summary_export.json").runs
    assert run.rps == pytest.approx(exported.rps)
    assert (run.p50_ms, run.error_ratio) == (exported.p50_ms, exported.error_ratio)
    assert run.start == pytest.approx(1772442000)


def test_sample_with_dropped_iterations_is_open(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "k6_handle_summary.json").runs
    assert run.duration_s == pytest.approx(60)
    # 3000 iterations a minute were requested, and 200 of them never began.
    assert (run.loop, run.rps_target) == (Loop.OPEN, pytest.approx(50))
    assert run.rps == pytest.approx(2800 / 60)
    assert (run.p50_ms, run.p99_ms, run.error_ratio) == (397.5, 1010.2, 0.025)


def test_summary_is_written_at_the_end(read) -> None:
    # 2026-01-01T00:00:00Z
    assert read(json.dumps(machine_readable())).start == pytest.approx(1767225600.123, abs=0.001)
    assert read(json.dumps(FLAT)).start is None
    # A time without a zone is no instant.
    for text in ("soon", "2026-01-01T00:02:00"):
        garbled = machine_readable() | {"metadata": {"generatedAt": text}}
        assert read(json.dumps(garbled)).start is None


def test_machine_readable_summary_needs_its_duration(read, refused) -> None:
    assert "machine-readable summary never has it" in read(json.dumps(machine_readable())).notes[-1]
    for config, rule in (
        ({}, "config.duration: missing"),
        ({"duration": 0}, "config.duration: expected seconds above 0"),
        ({"duration": "5m"}, "config.duration: expected a number of at least 0, got '5m'"),
    ):
        assert refused(json.dumps(machine_readable() | {"config": config})) == [rule]


def test_dropped_iterations_show_the_requested_rate(read) -> None:
    # An iteration has 2 requests; 3000 of 9000 iterations never began, so the target was 150 rps.
    metrics = FLAT["metrics"] | {"dropped_iterations": {"count": 3000, "rate": 25.0}}
    run = read(json.dumps({"metrics": metrics}))
    assert run.rps_target == pytest.approx(150)
    assert run.loop is Loop.OPEN


def test_missing_p99_is_told_not_guessed(read) -> None:
    duration = {"http_req_duration": {"med": 3.9, "p(95)": 7.0}}
    run = read(json.dumps({"metrics": FLAT["metrics"] | duration}))
    assert run.p99_ms is None
    assert run.notes[-1] == "no p99: run k6 with --summary-trend-stats=med,p(99)"


def test_broken_values_are_named(refused) -> None:
    metrics = FLAT["metrics"] | {"http_reqs": {"count": 12000, "rate": "fast"}}
    assert refused(json.dumps({"metrics": metrics})) == [
        "http_reqs.rate: expected a number of at least 0, got 'fast'"
    ]
    assert refused(json.dumps({"metrics": {"http_reqs": {"count": 1}}})) == [
        "http_reqs.rate: missing"
    ]
    assert refused(json.dumps({"results": {"metrics": [3]}})) == ["http_reqs.count: missing"]
    assert refused(json.dumps({"metrics": {"http_reqs": 3}})) == [
        "http_reqs: expected its values, got None"
    ]
