"""Checks that logs are read in their order, wherever they are read."""

import pytest

from estimator.errors import InputError
from estimator.series.access_log.workers import Beginnings, Workers, source_name


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_tasks(jobs: int) -> None:
    done: list[tuple[int, int]] = []
    workers = Workers(jobs, progress=lambda *of: done.append(of))
    tasks = ["a", "bbb", "cc"]
    assert list(workers.each(len, ["x", "y", "z"], tasks)) == [1, 3, 2]
    assert done == [(1, 3), (2, 3), (3, 3)]


def test_standard_input_stays_in_this_process() -> None:
    # A function of no module cannot be sent to another process.
    assert list(Workers(2).each(lambda task: task * 2, ["-", "b"], [1, 2])) == [2, 4]


def test_standard_input_is_not_on_other_machines() -> None:
    with pytest.raises(InputError, match="standard input cannot be read by other machines"):
        list(Workers(scheduler="tcp://127.0.0.1:1").each(len, ["-"], [""]))


def test_log_that_is_given_twice_is_refused() -> None:
    beginnings = Beginnings()
    for name, beginning in (("a", b"x"), ("b", b"y"), ("empty", b""), ("empty too", b"")):
        beginnings.add(name, beginning)
    with pytest.raises(InputError, match="c: begins exactly as a does"):
        beginnings.add("c", b"x")


def test_three_logs_are_named_and_the_rest_is_counted() -> None:
    assert source_name(("a", "b", "c")) == "access log a, b, c"
    assert source_name(("a", "b", "c", "d", "e")) == "access log a, b, c and 2 more"
