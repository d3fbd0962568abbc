"""Reads series.db into arrays, without a Python object for each row.

SQLite packs the rows of many seconds into one text: three characters a row, for the second, the
count and the route. Characters from U+10000 on are never surrogates, and numpy reads them back as
numbers. On 12 million rows this takes a quarter of the time of fetching tuples. ADBC's driver is
a third faster still, but knows no deadline and no limit for a hostile file.

`mirror serve` may be writing the file: one read transaction sees one state of it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.grid import FUTURE_S, MAX_RPS
from estimator.series.limits import MAX_ROUTES, check_cells
from estimator.series.rps import RpsSeries
from mirror.formats.series_db import (
    CHANGED_SECONDS,
    MAX_SECOND,
    PACKED_FROM,
    PACKED_REQUESTS,
    PACKED_SECONDS,
    ROUTES,
    SPAN,
    connect_to_read,
    reason_of,
)

_CHUNK_S = 16_384
_MOST_PACKED = 0x10_0000
"""Numbers below this have a character."""


def read_database(path: Path, now: float) -> RpsSeries:
    """Return the series of a series.db; `now` is Unix time. Raises InputError and Refused."""
    try:
        with closing(connect_to_read(path)) as database:
            database.execute("BEGIN")
            return _Reading(database, path, now).series()
    except sqlite3.Error as error:
        rule = f"cannot be read as a series.db: {reason_of(error)}"
        raise InputError([Problem(str(path), rule)]) from error


@dataclass(slots=True)
class _Unfinished:
    """Seconds with counts that were not observed to their end."""

    seconds: int = 0
    most_requests: int = 0

    def add(self, seconds: int, most_requests: int | None) -> None:
        self.seconds += seconds
        self.most_requests = max(self.most_requests, most_requests or 0)

    @property
    def caveats(self) -> tuple[str, ...]:
        if not self.seconds:
            return ()
        return (
            f"{self.seconds} second(s) have counts but were not observed to their end: left out as"
            f" gaps; the largest of them holds {self.most_requests} requests",
        )


class _Reading:
    """One read of one file."""

    def __init__(self, database: sqlite3.Connection, path: Path, now: float) -> None:
        self._database = database
        self._path = path
        self._last_allowed = int(min(now + FUTURE_S, MAX_SECOND))
        self._routes: list[str] = []
        self._rps = np.zeros((0, 0))
        self._unfinished = _Unfinished()

    def series(self) -> RpsSeries:
        """Read everything."""
        bounds = {"first": 0, "last": self._last_allowed}
        first, last = self._database.execute(SPAN, bounds).fetchone()
        (future,) = self._database.execute(
            "SELECT count(*) FROM seconds WHERE second > :last", bounds
        ).fetchone()
        if last is None:
            raise self._nothing("holds no observed second", future)
        # In a damaged file, the least second may be beyond the greatest.
        if not isinstance(first, int) or not isinstance(last, int) or not 0 <= first <= last:
            rule = f"spans the seconds {first} to {last}: was a clock wrong?"
            raise InputError([Problem(str(self._path), rule, key="seconds")])
        self._first, self._width = first, last - first + 1
        check_cells(self._path, self._width, 1)
        self._covered = self._covered_seconds()
        self._learn(first, min(last, first + _CHUNK_S))
        self._count_outside(first, last)
        start, step = first, _CHUNK_S
        while start <= last:
            end = min(start + step, last + 1)
            try:
                self._add(start, end)
            except sqlite3.DataError:
                # More rows than one text may hold.
                if step == 1:
                    raise
                step = max(1, step // 8)
                continue
            start = end
        if not self._routes:
            raise self._nothing("holds no request", future)
        repair = f"{future} seconds of the future left out (whose clock is off?)"
        return RpsSeries(
            source=f"series file {self._path}",
            start=first,
            resolution_s=1,
            routes=tuple(self._routes),
            rps=self._rps,
            caveats=self._unfinished.caveats,
            repairs=(repair,) if future else (),
        )

    def _nothing(self, problem: str, future: int) -> Refused:
        problem += f"; {future} lie in the future" if future else ""
        advice = "Let `mirror serve` record production requests into it first"
        return Refused([Refusal(str(self._path), problem, advice)])

    def _covered_seconds(self) -> NDArray[np.bool_]:
        covered = np.zeros(self._width, dtype=np.bool_)
        for at in range(0, self._width, _MOST_PACKED):
            bounds = {
                "first": self._first + at,
                "last": self._first + min(at + _MOST_PACKED, self._width) - 1,
            }
            (text,) = self._database.execute(PACKED_SECONDS, bounds).fetchone()
            offsets = _numbers(text or "", 1)[:, 0]
            self._check_order(offsets, self._width - at, "seconds")
            covered[at + offsets] = True
        return covered

    def _check_order(self, offsets: NDArray[np.int64], width: int, table: str) -> None:
        """Raise InputError for seconds outside of what was asked for.

        SQLite finds rows by their order in the file, which damage can break.
        """
        if (offsets < 0).any() or (offsets >= width).any():
            rule = "expected rows in the order of their seconds: the file is damaged"
            raise InputError([Problem(str(self._path), rule, key=table)])

    def _learn(self, first: int, last: int) -> None:
        """Find the routes of these seconds, and make room for the new ones in order."""
        known = self._routes
        found = self._database.execute(ROUTES, {"first": first, "last": last})
        self._routes = sorted({*known, *(str(route) for (route,) in _few(found))})
        if len(self._routes) > MAX_ROUTES:
            rule = f"has more than {MAX_ROUTES:,} routes, which is the limit"
            raise InputError([Problem(str(self._path), rule, key="counts")])
        check_cells(self._path, self._width, len(self._routes))
        rps = np.full((len(self._routes), self._width), np.nan)
        for row in rps:
            row[self._covered] = 0.0
        if known:
            rps[[self._routes.index(route) for route in known]] = self._rps
        self._rps = rps

    def _add(self, start: int, end: int, is_again: bool = False) -> None:
        """Add the counts of the seconds [start, end)."""
        bounds = {"first": start, "last": end - 1}
        query = PACKED_REQUESTS.format(place=_place(0, len(self._routes)))
        tags = {f"r{n}": route for n, route in enumerate(self._routes)}
        text, kind = self._database.execute(query, bounds | tags).fetchone()
        if text is None:
            return
        numbers = _numbers(text, 3)
        offsets, counts, places = numbers.T
        if kind != "integer" or (counts < 0).any():
            counts = self._large_counts(bounds, len(counts))
        if not places.all():
            if is_again:
                rule = "expected routes that are texts"
                raise InputError([Problem(str(self._path), rule, key="counts")])
            self._learn(0, self._last_allowed)
            self._add(start, end, is_again=True)
            return
        width, at = end - start, start - self._first
        self._check_order(offsets, width, "counts")
        cells = (places - 1) * width + offsets
        block = np.bincount(cells, counts, minlength=len(self._routes) * width)
        block = block.reshape(-1, width)
        covered = self._covered[at : at + width]
        self._rps[:, at : at + width][:, covered] += block[:, covered]
        if outside := np.unique(offsets[~covered[offsets]]).tolist():
            self._unfinished.add(len(outside), int(block[:, outside].sum(axis=0).max()))

    def _large_counts(self, bounds: dict[str, int], rows: int) -> NDArray[np.float64]:
        """Return counts that have no character. Raises InputError for what is no count."""
        wrong = self._database.execute(
            "SELECT second, route, value FROM counts WHERE metric = 'requests' AND second BETWEEN"
            " :first AND :last AND (typeof(value) <> 'integer' OR value < 0 OR value >= :most"
            " OR typeof(second) <> 'integer') LIMIT 20",
            bounds | {"most": int(MAX_RPS)},
        ).fetchall()
        if wrong:
            raise InputError(
                [
                    Problem(
                        str(self._path),
                        f"expected a count of at least 0 and below {MAX_RPS:g}, got {value!r}",
                        key=f"counts, second {second}, route {route}",
                    )
                    for second, route, value in wrong
                ]
            )
        # In the same order: the same range of the same key, in the same transaction.
        cursor = self._database.execute(
            "SELECT value FROM counts WHERE metric = 'requests' AND second BETWEEN :first AND"
            " :last",
            bounds,
        )
        return np.fromiter((value for (value,) in cursor), np.float64, rows)

    def _count_outside(self, first: int, last: int) -> None:
        """Count the seconds before the first and after the last that was observed."""
        for bounds in (
            {"first": 0, "last": first - 1},
            {"first": last + 1, "last": self._last_allowed},
        ):
            self._unfinished.add(*self._database.execute(CHANGED_SECONDS, bounds).fetchone())


def _place(first: int, end: int) -> str:
    """Return SQL for the place of a row's route from 1 among these sorted routes, 0 for others.

    It halves the routes, because comparing with each of 50 takes longer than all the rest.
    """
    if end - first > 1:
        middle = (first + end) // 2
        left, right = _place(first, middle), _place(middle, end)
        return f"CASE WHEN route < :r{middle} THEN {left} ELSE {right} END"
    return f"CASE WHEN route = :r{first} THEN {first + 1} ELSE 0 END" if first < end else "0"


def _few(cursor: sqlite3.Cursor) -> Iterator[tuple[object]]:
    """Yield rows up to one more than the most routes."""
    yield from cursor.fetchmany(MAX_ROUTES + 1)


def _numbers(text: str, columns: int) -> NDArray[np.int64]:
    """Return what a packed text holds, shape (rows, columns); negative for what has no place."""
    packed = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    return packed.astype(np.int64).reshape(-1, columns) - PACKED_FROM
