"""Checks series.db: its schema, its identity, and opening it for reading."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mirror.formats.series_db import (
    EXPORTED_COLUMNS,
    OBSERVED_SECONDS,
    REQUESTS,
    ROUTES,
    SCHEMA,
    SPAN,
    NotASeries,
    connect_to_read,
)

DOCUMENT = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()


def write(path: Path, sql: str = "") -> Path:
    with closing(sqlite3.connect(path)) as database:
        database.executescript(SCHEMA + sql)
    return path


def columns_of(schema: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(schema)
        return database.execute(
            "SELECT m.name, c.name, c.type, c.pk, c.[notnull], m.sql LIKE '%WITHOUT ROWID'"
            " FROM sqlite_master m, pragma_table_info(m.name) c ORDER BY m.name, c.cid"
        ).fetchall()


def test_document_shows_the_schema() -> None:
    (shown,) = re.findall(r"```sql\n(CREATE TABLE meta.*?)```", DOCUMENT, re.DOTALL)
    assert columns_of(shown) == columns_of(SCHEMA)


def test_document_shows_the_exported_columns() -> None:
    section = DOCUMENT.partition("### As CSV and Parquet")[2].partition("\n###")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == EXPORTED_COLUMNS


def test_readers_see_observed_seconds_and_requests(tmp_path: Path) -> None:
    path = write(
        tmp_path / "series.db",
        """
        INSERT INTO seconds VALUES (100), (102);
        INSERT INTO counts VALUES
            (100, 'requests', '/b', 'safe', 5), (100, 'requests', '/b', 'unsafe', 2),
            (101, 'requests', '/a', 'safe', 4), (103, 'requests', '/c', 'safe', 1),
            (100, 'shed', '/d', 'waiting_full', 9);
        """,
    )
    bounds = {"first": 100, "last": 102}
    with closing(connect_to_read(path)) as database:
        assert database.execute(SPAN, bounds).fetchall() == [(100, 102)]
        assert database.execute(SPAN, {"last": 101}).fetchall() == [(100, 100)]
        assert database.execute(OBSERVED_SECONDS, bounds).fetchall() == [(100,), (102,)]
        assert database.execute(ROUTES, bounds).fetchall() == [("/a",), ("/b",)]
        assert database.execute(REQUESTS, bounds).fetchall() == [(100, "/b", 7), (101, "/a", 4)]


def test_reader_cannot_write(tmp_path: Path) -> None:
    with (
        closing(connect_to_read(write(tmp_path / "series.db"))) as database,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        database.execute("INSERT INTO seconds VALUES (1)")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            "UPDATE meta SET value = '2' WHERE key = 'version'",
            "meta.version: expected '1', got '2'",
        ),
        (
            "UPDATE meta SET value = 'x' WHERE key = 'format'",
            "meta.format: expected 'kagami-series'",
        ),
        ("DELETE FROM meta", "got None"),
        ("DROP TABLE counts", "expected the tables counts"),
    ],
)
def test_another_format_or_version_is_refused(tmp_path: Path, change: str, problem: str) -> None:
    with pytest.raises(NotASeries, match=problem):
        connect_to_read(write(tmp_path / "series.db", change))


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        connect_to_read(tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_schema_of_other_bytes_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "series.db")
    damaged = path.read_bytes().replace(b"CREATE TABLE counts", b"CREATE TABL\xd5 counts")
    path.write_bytes(damaged)
    with pytest.raises(NotASeries, match="expected a schema in UTF-8"):
        connect_to_read(path)
