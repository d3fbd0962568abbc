import json

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


def test_own_report_is_read(read) -> None:
    run = read(json.dumps(REPORT))
    assert (run.rps, run.rps_target, run.duration_s) == (99.77, 100, 300.2)
    # From the instant a request was due, not from its sending.
    assert (run.p50_ms, run.p99_ms, run.loop) == (2, 9, Loop.OPEN)
    # What was shed, timed out or answered with 5xx: 100 of 30,000.
    assert round(run.error_ratio * 30000) == 100


def test_late_generator_has_no_latency(read) -> None:
    run = read(json.dumps(REPORT | {"is_valid": False, "invalid_reason": "1 % were late"}))
    assert (run.rps, run.p50_ms, run.p99_ms) == (99.77, None, None)
    assert run.notes == ("no latency: 1 % were late",)


def test_other_reports_are_refused(refused) -> None:
    assert refused(json.dumps(REPORT | {"version": 2})) == ["version: expected 1, got 2"]
    assert refused(json.dumps(REPORT | {"answered": 0})) == ["holds no answered request"]
    (shard,) = refused(json.dumps(REPORT | {"shard": "0/2"}))
    assert shard.startswith("is shard 0/2: `mirror replay-merge`")


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


def test_one_step_is_its_steady_part(read) -> None:
    run = read(json.dumps(REPORT | {"steps": [STEP]}))
    assert (run.rps, run.duration_s, run.start) == (99, 240, 1.7e9)
    assert (run.p50_ms, run.p99_ms, round(run.error_ratio, 6)) == (1.5, 8, 0.01)
    short = read(json.dumps(REPORT | {"steps": [STEP | {"steady_from": None}]}))
    assert (short.rps, short.start) == (99.77, None)


def test_several_steps_are_rows_of_the_replay(refused) -> None:
    (problem,) = refused(json.dumps(REPORT | {"steps": [STEP, STEP]}))
    assert problem == "holds 2 steps: `mirror replay --table` makes a row of each"
