from dataclasses import replace

import numpy as np
import pytest

from estimator.errors import InputError
from estimator.table.load_tools.run import (
    LoadRun,
    Requests,
    decode,
    measured,
    quantile,
    require,
    steady,
)
from estimator.table.rows import Loop


def requests(seconds: int) -> Requests:
    """Return one request per second, slow in the first minute and failing in the last 30 s."""
    offset = np.arange(seconds, dtype=np.float64)
    late = offset >= seconds - 30
    return Requests(offset, np.where(offset < 62, 500.0, 10.0), late, ~late)


def run(seconds: int) -> LoadRun:
    sent = requests(seconds)
    return LoadRun(
        "x", Loop.OPEN, duration_s=seconds, start=1000.0, requests=sent, **measured(sent, seconds)
    )


def test_ramp_and_end_are_left_out() -> None:
    taken = steady(run(300))
    assert (taken.start, taken.duration_s) == (1062.0, 208.0)
    assert (taken.rps, taken.p99_ms, taken.error_ratio) == (1.0, 10.0, 0.0)
    assert taken.notes == ("62 s to 270 s of the run",)


def test_short_run_is_taken_whole_and_says_so() -> None:
    taken = steady(run(211))
    assert (taken.start, taken.duration_s, taken.p99_ms) == (1000.0, 211, 500.0)
    assert "less than 120 s remain" in taken.notes[0]
    assert steady(run(212)).duration_s == 120


def test_totals_are_of_the_whole_run_and_say_so() -> None:
    taken = steady(replace(run(300), requests=None, rps=5.0))
    assert (taken.rps, taken.start, taken.duration_s) == (5.0, 1062.0, 208.0)
    assert "of the whole run: the file has totals" in taken.notes[0]


def test_unanswered_requests_are_no_work() -> None:
    found = measured(requests(60), 60.0)
    assert found["rps"] == 0.5
    assert found["error_ratio"] == 0.5


def test_quantile_is_a_measured_value() -> None:
    assert quantile(np.array([1.0, 2.0, 100.0]), 0.5) == 2.0
    assert quantile(np.array([1.0, 2.0, 100.0]), 0.99) == 100.0
    assert quantile(np.array([]), 0.5) is None


def test_broken_json_names_the_key() -> None:
    with pytest.raises(InputError, match="f: is not as its tool writes it"):
        decode('{"a": 1}', dict[str, str], "f")


def test_require_names_the_rule() -> None:
    require(True, "f", "fine")
    with pytest.raises(InputError, match="f: is wrong"):
        require(False, "f", "is wrong")
