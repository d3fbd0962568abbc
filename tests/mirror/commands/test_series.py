"""Checks `mirror series`: the table with its peaks, the export, and refusals."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mirror.commands.series import bars, series
from mirror.commands.series_file import Window
from tests.mirror.commands.test_series_file import COUNTS, make

PEAK = 1_700_000_050


@pytest.fixture
def path(tmp_path: Path) -> Path:
    start = 1_700_000_000
    counts = [(start + n, "requests", "/a", "safe", 10) for n in range(100)]
    counts += [(start + n, "requests", "/b", "safe", 2) for n in range(100)]
    counts.append((PEAK, "requests", "/a", "unsafe", 90))
    return make(tmp_path / "series.db", counts, *range(start, start + 100))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(series, [*map(str, arguments)], env={"COLUMNS": "160"})


def test_each_route_is_shown_with_its_peak_and_second(path: Path) -> None:
    result = run(path)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].strip() == ("2023-11-14 22:13:20 to 2023-11-14 22:14:59: 100 s, 0 not observed")
    first, second, everything = lines[2:5]
    assert first.split()[:6] == ["/a", "10", "10.9", "100", "2023-11-14", "22:14:10"]
    assert second.split()[:5] == ["/b", "2", "2.0", "2", "2023-11-14"]
    assert everything.split()[:7] == [
        "all",
        "routes",
        "12",
        "12.9",
        "102",
        "2023-11-14",
        "22:14:10",
    ]


def test_the_window_ends_at_the_newest_second(path: Path) -> None:
    result = run(path, "--last", "10s", "--route", "/a")
    assert "22:14:50 to 2023-11-14 22:14:59: 10 s" in result.output
    assert "/b" not in result.output
    assert "all routes" not in result.output


def test_export_takes_the_whole_file_unless_told(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    result = run(path, "--export", target)
    assert result.exit_code == 0, result.output
    assert "200 rows" in result.output
    assert len(target.read_text().splitlines()) == 201
    assert "10 rows" in run(path, "--export", target, "--last", "10s", "--route", "/b").output


def test_a_copy_can_be_shown_like_its_source(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    assert run(path, "--export", target).output.startswith(f"{target}: ")
    assert run(target).output == run(path).output
    run(path, "--export", target, "--last", "10s")
    assert run(target).output == run(path, "--last", "10s").output != run(path).output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--route", "/c"], "--route /c: expected one of /a, /b"),
        (["--last", "soon"], "expected a time span"),
        (["--export", "x.txt"], "expected a name that ends in .csv, .parquet or .db"),
        (["--follow", "--export", "x.csv"], "exclude each other"),
        (["--export", "x.db", "--route", "/a"], "takes all routes: leave out --route"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], problem: str, path: Path) -> None:
    result = run(path, *arguments)
    assert result.exit_code == 2
    assert problem in result.output


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    result = run(tmp_path / "none.db")
    assert result.exit_code == 2
    assert "none.db: there is no such file" in result.output


def test_bars_are_peaks_of_their_part_and_dots_are_gaps() -> None:
    window = Window(0, 47, frozenset(range(24, 48)), {})
    shown = bars({25: 8, 30: 1, 31: 4}, window)
    assert shown == "·" * 12 + "█  ▄" + " " * 8


def test_what_was_asked_for_once_shows() -> None:
    assert bars({0: 1, 1: 1000}, Window(0, 1, frozenset({0, 1}), {})) == "▁█"


def test_follow_ends_with_ctrl_c(tmp_path: Path) -> None:
    path = make(tmp_path / "series.db", COUNTS, 100, 102, 103)
    program = "from mirror.commands.series import series; series()"
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", program, str(path), "--follow"]
    with subprocess.Popen(command, stdout=theirs) as process, open(ours, "rb", 0) as terminal:
        os.close(theirs)
        try:
            shown = b""
            while b"not observed" not in shown:
                shown += terminal.read(4096)
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
        finally:
            process.kill()
