"""series.db: the production requests of every second and route, as docs/formats.md specifies them.

`mirror serve` writes the file, `mirror series` and `estimate` read it, also while it is written.
This module owns the schema, the identity of the format and the queries of readers.

Invariant: a gap is not a zero. A second without a row in `seconds` was not observed to its end,
whatever stands in `counts`; a second with a row and without counts had no request.
"""

import os
import sqlite3
from pathlib import Path

FORMAT = "kagami-series"
VERSION = "1"
"""A table may be added within a version; readers ignore tables that they do not know."""

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seconds (second INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS counts (
    second INTEGER NOT NULL,
    metric TEXT NOT NULL,
    route  TEXT NOT NULL,
    label  TEXT NOT NULL,
    value  INTEGER NOT NULL,
    PRIMARY KEY (second, metric, route, label)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS latencies (
    second INTEGER NOT NULL,
    metric TEXT NOT NULL,
    route  TEXT NOT NULL,
    legs   INTEGER NOT NULL,
    p50_us INTEGER NOT NULL,
    p90_us INTEGER NOT NULL,
    p99_us INTEGER NOT NULL,
    max_us INTEGER NOT NULL,
    PRIMARY KEY (second, metric, route)
) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('format', '{FORMAT}'), ('version', '{VERSION}');
"""
"""Creates what is missing, so a writer runs it on every file that it opens."""

MAX_SECOND = 253_402_300_799
"""The last second of the year 9999. A greater number is no Unix time in seconds."""

EXPORTED_COLUMNS = ("second", "route", "requests")
"""The columns of a series as CSV or Parquet, with one row for each observed second and route."""

# The bounds `first` and `last` are both included.
ROUTES = """
    SELECT DISTINCT route FROM counts
    WHERE metric = 'requests' AND second BETWEEN :first AND :last ORDER BY route
"""
OBSERVED_SECONDS = "SELECT second FROM seconds WHERE second BETWEEN :first AND :last"
REQUESTS = """
    SELECT second, route, sum(value) FROM counts
    WHERE metric = 'requests' AND second BETWEEN :first AND :last GROUP BY second, route
"""
"""Requests by second and route, also of seconds that were not observed to their end."""
# Two subqueries: SQLite reads the whole table for a minimum and a maximum in one query.
SPAN = """
    SELECT (SELECT min(second) FROM seconds),
           (SELECT max(second) FROM seconds WHERE second <= :last)
"""
"""The first observed second, and the last one that is not after `last`; null without any."""

_READ_TABLES = {"meta", "seconds", "counts"}


class NotASeries(sqlite3.DatabaseError):
    """The database is no series of this version; the text says what was expected."""


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a series and check what it is. Raises sqlite3.Error, of which NotASeries is one."""
    database = sqlite3.connect(_uri_of(path), uri=True, isolation_level=None)
    try:
        check_format(database)
    except sqlite3.Error:
        database.close()
        raise
    return database


def check_format(database: sqlite3.Connection) -> None:
    """Raise NotASeries for a database of another format or version."""
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    if missing := sorted(_READ_TABLES - tables):
        raise NotASeries(f"expected the tables {', '.join(missing)}")
    meta = dict(database.execute("SELECT key, value FROM meta"))
    for key, expected in (("format", FORMAT), ("version", VERSION)):
        if str(meta.get(key)) != expected:
            raise NotASeries(f"meta.{key}: expected {expected!r}, got {meta.get(key)!r}")


def _uri_of(path: Path) -> str:
    path = path.resolve()
    # as_uri quotes what SQLite would read as its own: ? # %
    uri = f"{path.as_uri()}?mode=ro"
    # Even a reader of a WAL database creates files beside it, unless those of a writer are there.
    # A reader that may not create them reads the file as it lies, if no log shows a writer.
    is_at_rest = not Path(f"{path}-wal").exists()
    return f"{uri}&immutable=1" if is_at_rest and not os.access(path.parent, os.W_OK) else uri
