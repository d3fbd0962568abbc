"""Checks the packed reading of series.db, and what a hostile file can do."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from estimator.errors import InputError
from estimator.series import database, limits
from estimator.series.database import read_database
from mirror.formats import series_db
from mirror.formats.series_db import SCHEMA

NOW = 2_000_000_000.0


def write(path: Path, sql: str, schema: str = SCHEMA) -> Path:
    with closing(sqlite3.connect(path)) as made:
        made.executescript(schema + sql)
    return path


def seconds(count: int) -> str:
    numbers = f"SELECT 1000 UNION ALL SELECT n + 1 FROM s WHERE n < {count + 999}"
    return f"WITH RECURSIVE s(n) AS ({numbers}) INSERT INTO seconds SELECT n FROM s;"


def problem(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_database(path, NOW)
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "series.db"


def test_a_route_that_appears_late_gets_its_row_in_order(path: Path) -> None:
    rows = "(1000, 'requests', '/b', '', 7), (40000, 'requests', '/a', '', 9)"
    write(path, seconds(50_000) + f"INSERT INTO counts VALUES {rows};")
    series = read_database(path, NOW)
    assert (series.routes, series.rps.shape) == (("/a", "/b"), (2, 50_000))
    assert np.flatnonzero(series.rps[0]).tolist() == [39_000]
    assert np.flatnonzero(series.rps[1]).tolist() == [0]


def test_counts_without_a_character_are_exact(path: Path) -> None:
    rows = "(1000, 'requests', '/a', 'x', 2000000000), (1000, 'requests', '/a', 'y', 5)"
    rows += ", (1001, 'requests', '/a', '', 1048575), (1002, 'requests', '/a', '', 1048576)"
    write(path, seconds(3) + f"INSERT INTO counts VALUES {rows};")
    assert read_database(path, NOW).rps.tolist() == [[2_000_000_005, 1_048_575, 1_048_576]]


def test_many_rows_are_read_in_smaller_texts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ",".join(f"({1000 + n}, 'requests', '/a', '', {n})" for n in range(500))
    write(path, seconds(500) + f"INSERT INTO counts VALUES {rows};")
    monkeypatch.setattr(series_db, "MAX_TEXT_BYTES", 4096)
    assert read_database(path, NOW).rps.tolist() == [[*range(500)]]


COUNTS = (
    "INSERT INTO seconds VALUES (1000); INSERT INTO counts VALUES (1000, 'requests', '/a', '', 1);"
)


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        (
            "DROP TABLE counts; CREATE VIEW counts AS WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL"
            " SELECT n + 1 FROM s) SELECT n second, 'requests' metric, 'a' route, 1 value FROM s;",
            "expected the tables counts",
        ),
        ("CREATE VIEW v AS SELECT 1;", "expected tables only, got 'v', a view"),
        (
            "CREATE TRIGGER t AFTER INSERT ON meta BEGIN SELECT 1; END;",
            "expected tables only, got 't', a trigger",
        ),
        (
            "ALTER TABLE counts ADD COLUMN more AS (zeroblob(100000000));",
            "expected a plain table counts",
        ),
        (
            "DROP TABLE seconds; CREATE VIRTUAL TABLE seconds USING fts5(second);",
            "expected a plain table seconds",
        ),
        ("UPDATE counts SET route = x'ff';", "expected routes that are texts"),
        ("UPDATE counts SET value = zeroblob(40000000);", "too big"),
        ("UPDATE counts SET value = 1000000000000;", "a count of at least 0 and below 1e+12"),
        ("UPDATE counts SET value = -1;", "got -1"),
        ("INSERT INTO seconds VALUES (4000000);", "the limit for a file of its size"),
    ],
)
def test_a_hostile_file_is_bad_input(path: Path, sql: str, rule: str) -> None:
    assert rule in problem(write(path, COUNTS + sql))


def test_seconds_that_are_no_whole_numbers_are_bad_input(path: Path) -> None:
    schema = SCHEMA.replace("second INTEGER PRIMARY KEY", "second")
    write(path, COUNTS + "INSERT INTO seconds VALUES (5.5);", schema)
    assert "spans the seconds 5.5 to 1000" in problem(path)


def test_more_routes_than_the_limit_are_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MAX_ROUTES", 1)
    sql = "INSERT INTO counts VALUES (1000, 'requests', '/b', '', 1);"
    assert "more than 1 routes, which is the limit" in problem(write(path, COUNTS + sql))


def test_a_deadline_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series_db, "READ_BASE_S", -1.0)
    monkeypatch.setattr(series_db, "_STEPS", 1)
    assert "reading takes longer than" in problem(write(path, COUNTS))


def test_memory_follows_the_size_of_the_file(path: Path) -> None:
    write(path, COUNTS)
    limits.check_cells(path, limits.SMALL_BUCKETS, 8)
    with pytest.raises(InputError, match="is 3,000,000 s, and 24,000,000 for all routes"):
        limits.check_cells(path, limits.SMALL_BUCKETS, 9)
    with pytest.raises(InputError, match="spans 3,000,001 s over 1 route"):
        limits.check_cells(path, limits.SMALL_BUCKETS + 1, 1)


def test_rows_out_of_order_are_refused(path: Path) -> None:
    rows = "(1000, 'requests', '/a', '', 7), (1001, 'requests', '/a', '', 7)"
    write(path, seconds(2) + f"INSERT INTO counts VALUES {rows};")
    row = (1001).to_bytes(2, "big") + b"requests"
    content = path.read_bytes()
    assert content.count(row) == 1
    path.write_bytes(content.replace(row, (1).to_bytes(2, "big") + b"requests"))
    assert "expected rows in the order of their seconds" in problem(path)
