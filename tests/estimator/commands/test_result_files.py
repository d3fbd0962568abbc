from pathlib import Path

import pytest

from estimator.commands.result_files import read_files
from estimator.errors import InputError
from estimator.table.rows import Loop


def test_options_complete_a_run(load_tool_samples: Path) -> None:
    (file,) = read_files([load_tool_samples / "wrk2.txt"], ["1000"], [2500.0], "closed")
    (run,) = file.result.runs
    assert (run.start, run.rps_target, run.loop) == (1000, 2500, Loop.CLOSED)
    assert file.windows == [(1000, 1000 + run.duration_s)]
    assert "the whole run" in run.notes[-1]


def test_options_go_to_the_runs_that_need_them(load_tool_samples: Path) -> None:
    paths = [load_tool_samples / name for name in ("wrk.txt", "fortio.json", "wrk2.txt")]
    files = read_files(paths, ["1000", "2000"], [], None)
    assert [file.result.runs[0].start for file in files][::2] == [1000, 2000]


@pytest.mark.parametrize(
    ("starts", "targets", "rule"),
    [
        ([], [], r"--start: expected once for each result without a time \(wrk.txt\), got 0"),
        (["noon"], [], "--start: expected Unix seconds"),
        (["2026-01-01T00:00:00"], [], "--start: expected Unix seconds"),
        (["1"], [1.0, 2.0], "--rps-target: expected once for each result without a rate"),
    ],
)
def test_wrong_options_are_named(
    load_tool_samples: Path, starts: list[str], targets: list[float], rule: str
) -> None:
    with pytest.raises(InputError, match=rule):
        read_files([load_tool_samples / "wrk.txt"], starts, targets, None)
