"""Checks that logs are read in their order, wherever they are read."""

import pytest

from estimator.errors import InputError
from estimator.series.access_log.workers import Workers


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
