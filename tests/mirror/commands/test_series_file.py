"""Checks reading a series.db: gaps are not zeros, bad files are named, exports are complete."""

import csv
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow.parquet
import pytest

from mirror.commands import series_file
from mirror.commands.series_file import SeriesFile, export
from mirror.errors import InputError
from mirror.formats.series_db import SCHEMA

COUNTS = [
    (100, "requests", "/a", "safe", 5),
    (100, "requests", "/a", "unsafe", 2),
    (100, "requests", "other", "safe", 1),
    (100, "shed", "/a", "buffer_full", 9),
    (101, "requests", "/a", "safe", 4),  # not observed completely
    (103, "requests", "/a", "safe", 3),
]
ROWS = [
    (100, "/a", 7),
    (100, "other", 1),
    (102, "/a", 0),
    (102, "other", 0),
    (103, "/a", 3),
    (103, "other", 0),
]


def make(path: Path, counts: list[tuple[object, ...]], *seconds: int) -> Path:
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)
        database.executemany("INSERT INTO counts VALUES (?, ?, ?, ?, ?)", counts)
        database.executemany("INSERT INTO seconds VALUES (?)", [(second,) for second in seconds])
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "series.db", COUNTS, 100, 102, 103)


def test_rows_are_of_observed_seconds_zeros_too(path: Path) -> None:
    with SeriesFile(path) as source:
        assert source.span() == (100, 103)
        assert source.routes(100, 103) == ["/a", "other"]
        assert source.routes(103, 103) == ["/a"]
        assert list(source.rows(["/a", "other"], 100, 103)) == ROWS
        assert list(source.rows(["/a"], 103, 103)) == [(103, "/a", 3)]


def test_window_knows_what_was_observed(path: Path) -> None:
    with SeriesFile(path) as source:
        window = source.window(100, 102)
    assert window.observed == {100, 102}
    assert window.rps == {"/a": {100: 7}, "other": {100: 1}}


def test_an_idle_series_has_rows_of_other(tmp_path: Path) -> None:
    with SeriesFile(make(tmp_path / "idle.db", [], 100, 101)) as source:
        routes = source.routes(100, 101)
        assert list(source.rows(routes, 100, 101)) == [(100, "other", 0), (101, "other", 0)]


def test_csv_has_every_row(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    assert export(iter(ROWS), target) == len(ROWS)
    with target.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["second", "route", "requests"]
    assert [(int(second), route, int(number)) for second, route, number in rows] == ROWS


@pytest.mark.parametrize("number", [0, 6, 100_000, 100_001])
def test_parquet_has_every_row(number: int, tmp_path: Path) -> None:
    rows = (ROWS * (number // len(ROWS) + 1))[:number]
    target = tmp_path / "out.parquet"
    assert export(iter(rows), target) == number
    table = pyarrow.parquet.read_table(target)
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("second", "int64"),
        ("route", "string"),
        ("requests", "int64"),
    ]
    columns = table.to_pydict()
    assert list(zip(*columns.values(), strict=True)) == rows


def test_parquet_without_its_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(series_file, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs pyarrow; .* pip install '\.\[estimate\]'"):
        export(iter(ROWS), tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []
    assert export(iter(ROWS), tmp_path / "out.csv") == len(ROWS)


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")

    def broken():
        yield ROWS[0]
        raise InputError("the source broke")

    with pytest.raises(InputError, match="the source broke"):
        export(broken(), target)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("out.txt", "expected a name that ends in .csv, .parquet or .db"),
        ("none/out.csv", "cannot be written"),
    ],
)
def test_a_bad_target_is_named(name: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        export(iter(ROWS), tmp_path / name)


def test_a_copy_is_one_moment_of_a_file_that_is_being_written(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("older")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer, SeriesFile(path) as source:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("INSERT INTO seconds VALUES (104)")  # in the log beside the file
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO seconds VALUES (105)")
        source.copy_to(target, 0, 200)
        writer.execute("COMMIT")
        assert source.span() == (100, 105)
    assert {entry.name for entry in tmp_path.iterdir()} == {"series.db", "copy.db"}
    with SeriesFile(target) as copy:
        assert copy.span() == (100, 104)
        assert list(copy.rows(["/a", "other"], 100, 103)) == ROWS


def test_a_copy_has_every_table_and_no_other_second(path: Path, tmp_path: Path) -> None:
    tables = {"counts": 5, "latencies": 8, "histograms": 4, "seconds": 1}
    with closing(sqlite3.connect(path)) as database, database:
        for second in (60, 120, 180):
            for table, width in tables.items():
                row = (second, *"x" * (width - 1))
                database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", row)
        database.execute("CREATE TABLE later (a)")
    with SeriesFile(path) as source:
        source.copy_to(tmp_path / "copy.db", 110, 130)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        for table, width in tables.items():
            rows = copy.execute(f"SELECT * FROM {table}").fetchall()
            assert rows == [(120, *"x" * (width - 1))]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("series.db", r"series\.db: is the series itself, expected another name"),
        ("link.db", r"link\.db: is the series itself, expected another name"),
        ("none/copy.db", r"copy\.db: cannot be written: No such file or directory"),
    ],
)
def test_a_copy_never_replaces_its_source(
    name: str, problem: str, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "link.db").symlink_to(path)
    with SeriesFile(path) as source, pytest.raises(InputError, match=problem):
        source.copy_to(tmp_path / name, 0, 200)
    assert {entry.name for entry in tmp_path.iterdir()} == {"series.db", "link.db"}


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.db: there is no such file"):
        SeriesFile(tmp_path / "none.db")


def test_what_is_no_series_is_said(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("second,route,requests\n" * 100)
    with pytest.raises(InputError, match=r"text\.db: cannot be read as a series\.db: file is not"):
        SeriesFile(path)


def test_a_file_that_breaks_inside_is_named(tmp_path: Path) -> None:
    counts = [(second, "requests", "/a", "safe", 1) for second in range(5000)]
    path = make(tmp_path / "series.db", counts, *range(5000))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size - size // 2))
    with (
        SeriesFile(path) as source,
        pytest.raises(InputError, match=r"series\.db: cannot be read"),
    ):
        list(source.rows(["/a"], 0, 4999))


def test_a_series_without_seconds_is_said(tmp_path: Path) -> None:
    with (
        SeriesFile(make(tmp_path / "new.db", [])) as source,
        pytest.raises(InputError, match="holds no second"),
    ):
        source.span()


def test_a_route_of_bytes_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "series.db", [(5, "requests", b"/a", "", 1)], 5)
    with (
        SeriesFile(path) as source,
        pytest.raises(InputError, match="expected routes that are texts"),
    ):
        source.routes(0, 10)
