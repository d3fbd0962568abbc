import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from estimator.errors import InputError, Refused
from estimator.series import files
from estimator.series.rps import Peak, RpsSeries
from mirror.formats.series_db import SCHEMA

NOW = 2_000_000_000.0


def read_series(path: Path, now: float = NOW) -> RpsSeries:
    return files.read_series(path, now)


def write(path: Path, sql: str = "") -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(SCHEMA + sql)
    return path


def problem(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_series(path)
    return str(caught.value)


RECORDED = """
INSERT INTO seconds VALUES (100), (101), (103);
INSERT INTO counts VALUES
    (100, 'requests', '/api/_', 'safe', 7), (100, 'requests', '/api/_', 'unsafe', 2),
    (100, 'requests', 'other', 'safe', 1), (103, 'requests', '/api/_', 'safe', 4),
    (103, 'shadow.requests', '/api/_', '2xx', 400), (101, 'shed', 'other', 'budget', 50);
"""


def test_labels_are_summed_and_other_metrics_left(tmp_path: Path) -> None:
    series = read_series(write(tmp_path / "series.db", RECORDED))
    assert series.routes == ("/api/_", "other")
    assert (series.start, series.resolution_s) == (100, 1)
    assert series.peak(["*"]) == Peak(10, 100)


def test_gap_and_zero_are_told_apart(tmp_path: Path) -> None:
    series = read_series(write(tmp_path / "series.db", RECORDED))
    api = series.rps[0]
    assert api[[0, 1, 3]].tolist() == [9, 0, 4]
    assert np.isnan(api[2])
    assert series.completeness_ratio == 0.75


def test_counts_of_an_unfinished_second_stay_out(tmp_path: Path) -> None:
    unfinished = "INSERT INTO counts VALUES (102, 'requests', 'other', 'safe', 999),"
    unfinished += " (104, 'requests', 'other', 'safe', 999);"
    series = read_series(write(tmp_path / "series.db", RECORDED + unfinished))
    assert series.peak(["*"]) == Peak(10, 100)
    assert series.caveats == (
        "2 second(s) have counts but were not observed to their end: left out as gaps;"
        " the largest of them holds 999 requests",
    )


def test_file_is_read_while_it_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "series.db", RECORDED)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO seconds VALUES (104)")
        writer.execute("INSERT INTO counts VALUES (104, 'requests', 'other', 'safe', 77)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO seconds VALUES (105)")
        writer.execute("INSERT INTO counts VALUES (105, 'requests', 'other', 'safe', 900)")
        assert read_series(path).peak(["*"]) == Peak(77, 104)
        writer.execute("COMMIT")
        assert read_series(path).peak(["*"]) == Peak(900, 105)


def test_reading_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "series.db", RECORDED)
    crashed = tmp_path / "crashed.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO seconds VALUES (104)")
        # A crash leaves a write-ahead log that was never merged into the file.
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{crashed}{suffix}")
    before = crashed.read_bytes()
    # A writable connection would merge it when it closes.
    assert read_series(crashed).duration_s == 5
    assert crashed.read_bytes() == before


AS_ANOTHER_USER = """
import os, sys
# These are wanted later, when this Python may be out of the user's reach.
import encodings.utf_32_le, urllib.parse
from pathlib import Path
from estimator.series.files import read_series
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
print(read_series(Path(sys.argv[1]), 2e9).peak(["*"]).rps)
"""


@pytest.fixture
def foreign_folder() -> Iterator[Path]:
    """Yield a folder that other users can read but not write, unlike pytest's own folders."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        os.chmod(name, 0o755)


@pytest.mark.parametrize("is_written", [False, True], ids=["at rest", "being written"])
def test_other_users_may_only_read(foreign_folder: Path, is_written: bool) -> None:
    path = write(foreign_folder / "series.db", RECORDED)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO seconds VALUES (104)")
        if not is_written:
            writer.close()
        path.chmod(0o644)
        foreign_folder.chmod(0o555)
        result = subprocess.run(
            [sys.executable, "-c", AS_ANOTHER_USER, str(path)],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (result.stdout, result.stderr) == ("10.0\n", "")


@pytest.mark.parametrize("name", ["a?b.db", "a#b.db", "50%.db", "日本.db"])
def test_odd_file_names_are_only_names(tmp_path: Path, name: str) -> None:
    assert read_series(write(tmp_path / name, RECORDED)).start == 100


def test_missing_file_is_named(tmp_path: Path) -> None:
    assert "none.db: no such file; a running sidecar writes it" in problem(tmp_path / "none.db")
    assert problem(tmp_path / "none.csv").endswith("none.csv: no such file")
    assert not (tmp_path / "none.db").exists()


def test_directory_is_no_series(tmp_path: Path) -> None:
    assert "is a directory, not a series" in problem(tmp_path)


def test_other_file_is_no_series(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text("components: []\n" * 200)
    assert "expected one of the columns second and time, got components: []" in problem(path)


def test_damaged_database_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "series.db", RECORDED)
    path.write_bytes(path.read_bytes()[:100] + b"?" * 9000)
    assert "cannot be read as a series.db: " in problem(path)


def test_seconds_of_the_future_are_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "series.db", RECORDED)
    series = read_series(path, now=101 - 60)
    assert (series.start, series.duration_s) == (100, 2)
    assert series.repairs == ("1 seconds of the future left out (whose clock is off?)",)
    with pytest.raises(Refused, match="no observed second; 3 lie in the future"):
        read_series(path, now=0)


def test_empty_file_is_no_series(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    assert "cannot be read as a series.db: expected the tables counts, meta" in problem(path)


@pytest.mark.parametrize("value", ["-1", "'many'", "1.5"])
def test_impossible_count_is_named(tmp_path: Path, value: str) -> None:
    row = f"INSERT INTO counts VALUES (101, 'requests', '/w', '', {value});"
    path = write(tmp_path / "series.db", RECORDED + row)
    assert "counts, second 101, route /w: expected a count of at least 0" in problem(path)


def test_no_observed_second_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds no observed second"):
        read_series(write(tmp_path / "series.db"))


def test_no_request_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds no request"):
        read_series(write(tmp_path / "series.db", "INSERT INTO seconds VALUES (100), (101);"))


@pytest.mark.parametrize("second", [-5, 1_700_000_000])
def test_clock_gone_wrong_is_no_giant_array(tmp_path: Path, second: int) -> None:
    path = write(tmp_path / "series.db", RECORDED + f"INSERT INTO seconds VALUES ({second});")
    assert "was a clock wrong?" in problem(path)


def test_a_fifo_is_no_series(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "series.db")
    assert problem(tmp_path / "series.db").endswith("series.db: is no regular file")
