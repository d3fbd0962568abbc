"""A series in a file: series.db, CSV or Parquet, by its content and not its name (docs/formats.md).

This module reads series.db; columns.py reads the other two. `mirror serve` may be writing the file:
one read transaction sees one state of it.

The seconds at both ends are kept. The recorder writes the row in `seconds` after a second has
ended, but it may have started in the middle of its first second. Such a second counts too few
requests and never too many, so it cannot invent a peak, and leaving it out could lose one.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.grid import FUTURE_S, MAX_CELLS
from estimator.series.rps import RpsSeries
from mirror.formats.series_db import (
    MAX_SECOND,
    OBSERVED_SECONDS,
    REQUESTS,
    ROUTES,
    SPAN,
    connect_to_read,
)

_SQLITE_MAGIC = b"SQLite format 3\0"
_PARQUET_MAGIC = b"PAR1"


def read_series(path: Path, now: float) -> RpsSeries:
    """Return production rps by route and second; `now` is Unix time.

    Raises InputError for a file that is not a series of this version or holds impossible values,
    Refused for a series without an observed second or without a request.
    """
    if not path.is_file():
        problem = "is a directory, not a series" if path.is_dir() else "no such file"
        raise InputError([Problem(str(path), problem)])
    try:
        with path.open("rb") as file:
            beginning = file.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise InputError([Problem(str(path), f"cannot be read: {error.strerror}")]) from error
    if beginning and beginning != _SQLITE_MAGIC:
        # pandas takes half a second to import, which a reader of series.db must not pay.
        from estimator.series.columns import read_columns

        return read_columns(path, now, beginning.startswith(_PARQUET_MAGIC))
    # An empty file is a database without tables.
    return _read_database(path, now)


def _read_database(path: Path, now: float) -> RpsSeries:
    try:
        with closing(connect_to_read(path)) as database:
            database.execute("BEGIN")
            _check_values(database, path)
            return _read(database, path, now)
    except sqlite3.Error as error:
        raise InputError([Problem(str(path), f"cannot be read as a series.db: {error}")]) from error


def _check_values(database: sqlite3.Connection, path: Path) -> None:
    wrong = database.execute(
        "SELECT second, route, value FROM counts WHERE metric = 'requests'"
        " AND (typeof(value) <> 'integer' OR value < 0 OR typeof(second) <> 'integer') LIMIT 20"
    ).fetchall()
    if wrong:
        raise InputError(
            [
                Problem(str(path), f"expected a count of at least 0, got {value!r}", key=place)
                for second, route, value in wrong
                for place in (f"counts, second {second}, route {route}",)
            ]
        )


def _read(database: sqlite3.Connection, path: Path, now: float) -> RpsSeries:
    bounds = {"first": 0, "last": int(min(now + FUTURE_S, MAX_SECOND))}
    first, last = database.execute(SPAN, bounds).fetchone()
    (future,) = database.execute(
        "SELECT count(*) FROM seconds WHERE second > :last", bounds
    ).fetchone()
    routes = [route for (route,) in database.execute(ROUTES, bounds)]
    if last is None or not routes:
        problem = "holds no observed second" if last is None else "holds no request"
        problem += f"; {future} lie in the future" if future else ""
        advice = "Let `mirror serve` record production requests into it first"
        raise Refused([Refusal(str(path), problem, advice)])
    width = last - first + 1
    if first < 0 or width * len(routes) > MAX_CELLS:
        rule = f"spans the seconds {first} to {last} over {len(routes)} routes: was a clock wrong?"
        raise InputError([Problem(str(path), rule, key="seconds")])

    rps = np.full((len(routes), width), np.nan)
    is_covered = np.zeros(width, dtype=np.bool_)
    for rows in _batches(database.execute(OBSERVED_SECONDS, bounds)):
        is_covered[np.array(rows)[:, 0] - first] = True
    rps[:, is_covered] = 0.0

    row_of = {route: row for row, route in enumerate(routes)}
    unfinished: Counter[int] = Counter()
    for rows in _batches(database.execute(REQUESTS, bounds)):
        columns = np.array([second for second, _, _ in rows]) - first
        values = np.array([value for _, _, value in rows], dtype=np.float64)
        lines = np.array([row_of[route] for _, route, _ in rows])
        inside = (columns >= 0) & (columns < width)
        inside[inside] = is_covered[columns[inside]]
        rps[lines[inside], columns[inside]] = values[inside]
        for column, value in zip(columns[~inside], values[~inside], strict=True):
            unfinished[int(column)] += int(value)
    return RpsSeries(
        source=f"series file {path}",
        start=first,
        resolution_s=1,
        routes=tuple(routes),
        rps=rps,
        caveats=_caveats(unfinished),
        repairs=(f"{future} seconds of the future left out (whose clock is off?)",)
        if future
        else (),
    )


def _batches(cursor: sqlite3.Cursor) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows in lists of bounded length, so that a year of seconds is not in memory twice."""
    while rows := cursor.fetchmany(100_000):
        yield rows


def _caveats(unfinished: Counter[int]) -> tuple[str, ...]:
    if not unfinished:
        return ()
    return (
        f"{len(unfinished)} second(s) have counts but were not observed to their end: left out as"
        f" gaps; the largest of them holds {max(unfinished.values())} requests",
    )
