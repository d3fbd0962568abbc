import json

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.load_tools.run import steady
from estimator.table.rows import Loop

REPORT = {
    "format": "kagami-replay",
    "version": 1,
    "to": "http://127.0.0.1:8080",
    "rate_rps": 100.0,
    "speed": None,
    "is_valid": True,
    "invalid_reason": None,
    "is_interrupted": False,
    "window_s": 300.0,
    "elapsed_s": 300.2,
    "due": 30000,
    "shed": {"waiting_full": 30},
    "sent": 29970,
    "outcomes": {"2xx": 29900, "5xx": 50, "timeout": 20},
    "answered": 29950,
    "offered_rps": 100.0,
    "achieved_rps": 99.77,
    "skipped": {},
    "from_intended_ms": {"p50": 2.0, "p90": 3.0, "p99": 9.0, "p99_9": 20.0, "max": 40.0},
    "from_send_ms": {"p50": 1.9, "p90": 2.9, "p99": 8.0, "p99_9": 19.0, "max": 39.0},
    "schedule_lag_ms": {"p50": 0.1, "p90": 0.1, "p99": 0.2, "p99_9": 0.3, "max": 1.0},
    "lag_limit_ms": 10.0,
    "schedule": "5ca1ab1e",
    "shard": None,
    "late": 0,
    "filtered": 0,
    "histograms": {"from_intended_us": "", "from_send_us": "", "schedule_lag_us": ""},
    "steps": [],
    "saturation": None,
}


STEP = {
    **REPORT,
    "rate_rps": 100.0,
    "generator_cpu_ratio": 0.2,
    "steady_from": 1.7e9,
    "window_s": 240.0,
    "due": 24000,
    "answered": 23990,
    "outcomes": {"2xx": 23760, "timeout": 240},
    "offered_rps": 100.0,
    "achieved_rps": 99.0,
    "from_intended_ms": REPORT["from_intended_ms"] | {"p50": 1.5, "p99": 8.0},
}


def with_steps(*steps: dict, **changes: object) -> str:
    return json.dumps(REPORT | {"steps": list(steps)} | changes)


def test_step_is_its_steady_part(read) -> None:
    run = read(with_steps(STEP))
    assert (run.rps, run.rps_target, run.duration_s, run.start) == (99, 100, 240, 1.7e9)
    # Latency counts from the instant at which a request was due, not from its sending.
    assert (run.p50_ms, run.p99_ms, run.loop) == (1.5, 8, Loop.OPEN)
    assert round(run.error_ratio, 6) == 0.01
    assert run.notes == ("the steady part of the step at 100 rps, 240 s",)


def test_steady_part_of_a_step_is_not_trimmed_again(read) -> None:
    # An equally long run of another tool would lose its first 62 s and last 30 s.
    run = read(with_steps(STEP))
    assert steady(run) == run


def test_recorded_timing_aims_at_what_was_due(read) -> None:
    assert read(with_steps(STEP | {"rate_rps": None, "offered_rps": 98.5})).rps_target == 98.5


def test_late_generator_has_no_latency(read) -> None:
    run = read(with_steps(STEP | {"is_valid": False, "invalid_reason": "1 % were late"}))
    assert (run.rps, run.p50_ms, run.p99_ms) == (99, None, None)
    assert run.notes[1:] == ("no latency: 1 % were late",)


def test_every_step_that_was_reached_is_a_run(tmp_path) -> None:
    usage = {
        "component": "api",
        "container": "app",
        "replica": "host/7",
        "cpu_limit_millicores": 2000.0,
        "readings": [[1.7e9, 10.0, 5000]],
    }
    steps = (STEP, STEP | {"achieved_rps": 198.0}, STEP | {"steady_from": None})
    path = tmp_path / "replay.json"
    path.write_text(with_steps(*steps, usage=[usage]))
    result = read_result(path)
    assert [run.rps for run in result.runs] == [99, 198]
    assert result.notes == ("1 of 3 steps ended before their steady part",)
    (process,) = result.processes
    assert (process.replica, process.readings[0].cpu_s) == ("host/7", 10)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (with_steps(STEP, version=2), "version: expected 1, got 2"),
        (with_steps(), "holds no step that reached its steady part"),
        (with_steps(STEP | {"due": 0}), "holds no step that reached its steady part"),
        (with_steps(STEP, due="many"), "Expected `int`, got `str` - at `$.due`"),
        (
            with_steps(STEP, shard="0/2"),
            "is shard 0/2: `mirror replay-merge` adds all of them up",
        ),
    ],
)
def test_other_results_are_refused(refused, text: str, rule: str) -> None:
    assert refused(text) == [rule]
