"""series.db: the production requests of every second and route, as docs/formats.md specifies them.

`mirror serve` writes the file, `mirror series` and `estimate` read it, also while it is written.
This module owns the schema, the identity of the format and the queries of readers.

Invariant: a gap is not a zero. A second without a row in `seconds` was not observed to its end,
whatever stands in `counts`; a second with a row and without counts had no request.
"""

import os
import sqlite3
import time
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
CREATE TABLE IF NOT EXISTS histograms (
    minute  INTEGER NOT NULL,
    metric  TEXT NOT NULL,
    route   TEXT NOT NULL,
    buckets TEXT NOT NULL,
    PRIMARY KEY (minute, metric, route)
) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('format', '{FORMAT}'), ('version', '{VERSION}');
"""
"""Creates what is missing, so a writer runs it on every file that it opens."""

WRITER = "a running sidecar writes it at `series.path` of mirror.yaml"
"""What a message says of a series.db that does not exist."""

TIMES = {"seconds": "second", "counts": "second", "latencies": "second", "histograms": "minute"}
"""The tables with rows of a time, and the column that holds it."""

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
ENDED_LEGS = """
    SELECT route, metric, label, sum(value) FROM counts
    WHERE metric IN ('primary.requests', 'shadow.requests', 'compared', 'compared.classes')
    AND second BETWEEN :first AND :last GROUP BY route, metric, label
"""
"""How the legs of each route ended, by outcome, and the pairs by result and by classes
(docs/metrics.md)."""
COMPARED = """
    SELECT route, metric, label, sum(value) FROM counts
    WHERE metric IN ('compared', 'compared.classes', 'uncompared', 'primary.logged', 'log.lost')
    AND second BETWEEN :first AND :last GROUP BY route, metric, label
"""
"""What was compared, by route: results, classes, reasons for none, and the lines of the log."""
STEPS_WITH_PAIRS = """
    SELECT count(DISTINCT second / :step_s) FROM counts
    WHERE metric = 'compared' AND second BETWEEN :first AND :last
"""
"""In how many steps of time there were pairs."""
HISTOGRAMS = """
    SELECT route, metric, key, sum(value) FROM histograms, json_each(buckets)
    WHERE minute BETWEEN :first AND :last GROUP BY route, metric, key
"""
"""Latencies of compared pairs: index of a bucket, and the answers in it. A series from before has
no such table."""
NEWEST_HISTOGRAMS = """
    SELECT max(minute) FROM histograms WHERE minute <= :last AND typeof(minute) = 'integer'
"""
"""The newest minute whose latencies are written."""
NEWEST_PAIRS = """
    SELECT coalesce(sum(value), 0) FROM counts
    WHERE metric = 'compared' AND second BETWEEN :first AND :last
"""
SHADOW_HISTOGRAMS = """
    SELECT minute, route, buckets, (SELECT total(value) FROM json_each(buckets)) FROM histograms
    WHERE metric = 'compared.shadow.latency' AND minute BETWEEN :first AND :last
    AND typeof(minute) = 'integer' AND typeof(route) = 'text' ORDER BY minute, route
"""
"""Those of the shadow with their answers, in the order of time. Equal ones in two files are of one
sidecar."""
HAS_HISTOGRAMS = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'histograms'"
PACKED_FROM = 0x10000
"""Added to every packed number: characters from here on are neither controls nor surrogates. A
number without a character is packed as one below this."""
PACKED_SECONDS = f"""
    SELECT group_concat(char({PACKED_FROM} + second - :first), '') FROM seconds
    WHERE second BETWEEN :first AND :last
"""
"""The observed seconds as one text, one character each: seconds since `first`."""
PACKED_REQUESTS = f"""
    SELECT group_concat(
        char({PACKED_FROM} + second - :first, {PACKED_FROM} + value, {PACKED_FROM} + {{place}}), ''
    ), typeof(sum(value))
    FROM counts WHERE metric = 'requests' AND second BETWEEN :first AND :last
"""
"""The counts as one text, three characters a row: seconds since `first`, the value, and what the
expression `place` makes of the route; then `integer` if all values are."""
CHANGED_SECONDS = """
    SELECT count(*), max(requests) FROM (
        SELECT sum(value) AS requests FROM counts
        WHERE metric = 'requests' AND second BETWEEN :first AND :last GROUP BY second
    )
"""
"""How many seconds have counts, and the requests of the largest."""
# Two subqueries: SQLite reads the whole table for a minimum and a maximum in one query.
SPAN = """
    SELECT (SELECT min(second) FROM seconds),
           (SELECT max(second) FROM seconds WHERE second <= :last)
"""
"""The first observed second, and the last one that is not after `last`; null without any."""

_READ_TABLES = {"meta", "seconds", "counts"}

MAX_TEXT_BYTES = 32 << 20
"""Most bytes of one value or packed text."""
READ_BASE_S = 20
READ_BYTES_PER_S = 10_000_000
"""A file may be read for the base, and a second more for each of these bytes."""
_STEPS = 100_000
"""Instructions of SQLite between two looks at the clock."""


class NotASeries(sqlite3.DatabaseError):
    """The database is no series of this version; the text says what was expected."""


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a series and check what it is. Raises sqlite3.Error, of which NotASeries is one."""
    database = sqlite3.connect(_uri_of(path), uri=True, isolation_level=None)
    try:
        _distrust(database, READ_BASE_S + path.stat().st_size / READ_BYTES_PER_S)
        check_format(database)
    except sqlite3.Error:
        database.close()
        raise
    except UnicodeDecodeError as error:
        # Python decodes the message of SQLite, which quotes a schema that is damaged.
        database.close()
        raise NotASeries("expected a schema in UTF-8, got other bytes") from error
    return database


def _distrust(database: sqlite3.Connection, most_s: float) -> None:
    """Bound what a file from outside can do: no function in its schema, no giant value, an end."""
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA cell_size_check = ON")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_TEXT_BYTES)
    database.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    deadline = time.monotonic() + most_s
    database.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)


def reason_of(error: sqlite3.Error) -> str:
    """Return what went wrong; a deadline is named, which SQLite calls an interruption."""
    if str(error) == "interrupted":
        return (
            f"reading takes longer than {READ_BASE_S:g} s and 1 s for each"
            f" {READ_BYTES_PER_S:,} bytes, which is the limit"
        )
    return str(error)


def check_format(database: sqlite3.Connection) -> None:
    """Raise NotASeries for a database of another format or version."""
    kinds = dict(database.execute("SELECT name, type FROM sqlite_master LIMIT 1000"))
    tables = {name for name, kind in kinds.items() if kind == "table"}
    if missing := sorted(_READ_TABLES - tables):
        raise NotASeries(f"expected the tables {', '.join(missing)}")
    if foreign := sorted(name for name, kind in kinds.items() if kind in ("view", "trigger")):
        raise NotASeries(f"expected tables only, got {foreign[0]!r}, a {kinds[foreign[0]]}")
    for name in sorted(_READ_TABLES | (tables & {"histograms"})):
        _check_columns(database, name)
    meta = dict(database.execute("SELECT key, value FROM meta LIMIT 100"))
    for key, expected in (("format", FORMAT), ("version", VERSION)):
        if str(meta.get(key)) != expected:
            raise NotASeries(f"meta.{key}: expected {expected!r}, got {meta.get(key)!r}")


def _check_columns(database: sqlite3.Connection, table: str) -> None:
    """Raise NotASeries for a table whose content a program makes: a virtual or a generated one."""
    sql = "SELECT count(*) FROM sqlite_master WHERE name = ? AND sql LIKE 'CREATE VIRTUAL%'"
    hidden = "SELECT count(*) FROM pragma_table_xinfo(?) WHERE hidden <> 0"
    for query in (sql, hidden):
        if database.execute(query, (table,)).fetchone() != (0,):
            raise NotASeries(f"expected a plain table {table}, got one that is computed")


def _uri_of(path: Path) -> str:
    path = path.resolve()
    # as_uri quotes what SQLite would read as its own: ? # %
    uri = f"{path.as_uri()}?mode=ro"
    # Even a reader of a WAL database creates files beside it, unless those of a writer are there.
    # A reader that may not create them reads the file as it lies, if no log shows a writer.
    is_at_rest = not Path(f"{path}-wal").exists()
    return f"{uri}&immutable=1" if is_at_rest and not os.access(path.parent, os.W_OK) else uri
