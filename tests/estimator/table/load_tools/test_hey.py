from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.rows import Loop

HEAD = "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset"


def test_sample_has_its_units(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "hey.csv").runs
    # The duration of the 200 lines is from the smallest offset to the last end.
    assert run.duration_s == pytest.approx(4.0128 - 0.0805)
    assert run.rps == pytest.approx(200 / 3.9323)
    # These are the 100th and the 198th of the sorted times.
    assert (run.p50_ms, run.p99_ms) == (pytest.approx(9.1), pytest.approx(30.6))
    assert (run.loop, run.error_ratio, run.rps_target, run.start) == (Loop.CLOSED, 0, None, None)
    assert "lacks requests without a response" in run.notes[0]


def test_refusals_of_a_rate_limit_are_errors(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "hey_limited.csv").runs
    assert run.error_ratio == pytest.approx(78 / 200)  # lines with 503
    assert run.rps == pytest.approx(200 / (4.0151 - 0.0836))
    assert run.p99_ms == pytest.approx(140.5)


def test_errors_are_statuses(read) -> None:
    rows = [f"0.1,0,0,0,0,0,{status},{k}" for k, status in enumerate((200, 301, 404, 503))]
    run = read("\n".join([HEAD, *rows]) + "\n")
    assert run.error_ratio == 0.5
    assert run.rps == pytest.approx(4 / 3.1)


def test_every_bad_line_is_named(refused) -> None:
    text = "\n".join([HEAD, "0.1,0,0,0,0,0,200,1", "0.1,0,0", "a,0,0,0,0,0,200,1"]) + "\n"
    assert refused(text) == [
        ":3: expected 8 numbers, got '0.1,0,0'",
        ":4: expected 8 numbers, got 'a,0,0,0,0,0,200,1'",
    ]
    assert refused(HEAD) == ["holds no request"]
    assert refused("response-time,DNS+dialup,x\n") == [":1: misses the columns offset, status-code"]
