"""What a series.db says of the comparison in a span of time: its pairs, and their latency.

Counts are kept by second and histograms by minute, so a span is widened to whole minutes.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from mirror.comparison.report.parts import Pairs, Part, instant
from mirror.errors import InputError
from mirror.formats.comparison import PAIRS_STEP_S
from mirror.formats.series_db import (
    COMPARED,
    HAS_HISTOGRAMS,
    HISTOGRAMS,
    MAX_SECOND,
    NEWEST_HISTOGRAMS,
    NEWEST_PAIRS,
    SHADOW_HISTOGRAMS,
    SPAN,
    STEPS_WITH_PAIRS,
    connect_to_read,
    reason_of,
)

LEAST_ALIKE = 20
_MINUTE_S = 60
_MOST_PENDING_S = 2 * _MINUTE_S
"""A sidecar writes a minute within the second after it; this is more than it keeps."""
_INDEX = re.compile(r"[0-9]{1,4}")
"""An index of a bucket; `MOST_BUCKETS` of formats/comparison.py has as many digits."""


@dataclass(frozen=True, slots=True)
class Span:
    """What to read, in Unix seconds; None is open. `last_s` counts back from the newest second."""

    from_s: float | None = None
    until_s: float | None = None
    last_s: float | None = None

    @property
    def is_chosen(self) -> bool:
        return any(value is not None for value in (self.from_s, self.until_s, self.last_s))

    @property
    def end(self) -> int:
        """The last second whose counts belong to the span.

        It may lie behind the last second that was observed to its end: a sidecar counts what it
        gives up when it stops in the second in which it stops.
        """
        if self.until_s is None:
            return MAX_SECOND
        return min(MAX_SECOND, int(self.until_s) // _MINUTE_S * _MINUTE_S + _MINUTE_S - 1)

    def within(self, first: int, last: int) -> tuple[int, int]:
        """Return the first and the last second to read of a series between these two."""
        last = min(last, self.end)
        if self.from_s is not None:
            first = max(first, int(self.from_s))
        if self.last_s is not None:
            first = max(first, last - round(self.last_s) + 1)
        return first // _MINUTE_S * _MINUTE_S, last


def part_of_series(path: Path, span: Span) -> Part:
    """Return what a series.db says; without pairs, it has no routes. Raises InputError."""
    try:
        with closing(connect_to_read(path)) as database:
            database.execute("BEGIN")
            return _part(database, path, span)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error


def _part(database: sqlite3.Connection, path: Path, span: Span) -> Part:
    first, last = database.execute(SPAN, {"first": 0, "last": MAX_SECOND}).fetchone()
    if first is None:
        raise InputError(f"{path}: holds no second that was observed to its end")
    first, last = span.within(first, last)
    routes: dict[str, Pairs] = {}
    lines, lost = 0, Counter[str]()
    bounds = {"first": first, "last": span.end}
    for route, metric, label, number in database.execute(COMPARED, bounds):
        _check(path, route, label, number)
        if metric == "primary.logged":
            lines += number
        elif metric == "log.lost":
            lost[label] += number
        else:
            pairs = routes.setdefault(route, Pairs())
            of_metric = {
                "compared": pairs.results,
                "compared.classes": pairs.classes,
                "uncompared": pairs.uncompared,
            }
            of_metric[metric][label] += number
    _add_latencies(database, path, bounds, routes)
    pending = _pairs_without_latency(database, first, last)
    (steps,) = database.execute(STEPS_WITH_PAIRS, {**bounds, "step_s": PAIRS_STEP_S}).fetchone()
    return Part(
        *(str(path), first, last, routes, steps * PAIRS_STEP_S),
        pairs_without_latency=pending,
        lines=lines,
        lost=lost,
    )


def _pairs_without_latency(database: sqlite3.Connection, first: int, last: int) -> int:
    """Return the pairs of the minutes that the sidecar has not written yet, the newest ones."""
    if database.execute(HAS_HISTOGRAMS).fetchone() == (0,):
        return 0
    (newest,) = database.execute(NEWEST_HISTOGRAMS, {"last": last}).fetchone()
    since = first if newest is None else max(first, newest + _MINUTE_S)
    if last - since >= _MOST_PENDING_S:
        return 0  # no answer in it, or none whose latency the log says
    (number,) = database.execute(NEWEST_PAIRS, {"first": since, "last": last}).fetchone()
    return int(number)


def _add_latencies(
    database: sqlite3.Connection, path: Path, bounds: dict[str, int], routes: dict[str, Pairs]
) -> None:
    if database.execute(HAS_HISTOGRAMS).fetchone() == (0,):
        return
    for route, metric, bucket, number in database.execute(HISTOGRAMS, bounds):
        is_index = isinstance(bucket, str) and _INDEX.fullmatch(bucket) is not None
        if not (isinstance(route, str) and is_index and isinstance(number, int) and number >= 0):
            raise InputError(
                f"{path}: histograms: expected a route, an index and a number of answers,"
                f" got {route!r}, {bucket!r} and {number!r}"
            )
        pairs = routes.setdefault(route, Pairs())
        side = {"compared.primary.latency": pairs.primary, "compared.shadow.latency": pairs.shadow}
        if metric in side:
            side[metric][int(bucket)] = number


def refuse_same_sidecar(parts: Sequence[tuple[Path, Part]]) -> None:
    """Raise InputError where two files are of one sidecar: requests would count twice.

    A copy of a file has the same histograms in the same minutes, and two sidecars do not: the
    latencies of LEAST_ALIKE answers do not agree to the microsecond by chance.
    """
    for (path, part), (other, earlier) in combinations(parts, 2):
        first, last = max(part.first_s, earlier.first_s), min(part.last_s, earlier.last_s)
        minute = _shared_minute(path, other, {"first": first, "last": last})
        if minute is not None:
            raise InputError(
                f"{path} and {other}: both have the same latencies in the minute from"
                f" {instant(minute)}, so they are of one sidecar, and requests would count twice."
                " Name one of them, or choose times that do not overlap"
            )


def _shared_minute(one: Path, other: Path, bounds: Mapping[str, int]) -> int | None:
    with closing(_histograms(one, bounds)) as rows, closing(_histograms(other, bounds)) as others:
        ours, theirs = next(rows, None), next(others, None)
        while ours is not None and theirs is not None:
            if ours[:2] == theirs[:2]:
                if ours[2] == theirs[2] and ours[3] >= LEAST_ALIKE:
                    return ours[0]
                ours, theirs = next(rows, None), next(others, None)
            elif ours[:2] < theirs[:2]:
                ours = next(rows, None)
            else:
                theirs = next(others, None)
    return None


def _histograms(
    path: Path, bounds: Mapping[str, int]
) -> Generator[tuple[int, str, str, float], None, None]:
    """Yield minute, route, histogram and number of the shadow's answers, in this order."""
    try:
        with closing(connect_to_read(path)) as database:
            if database.execute(HAS_HISTOGRAMS).fetchone() == (1,):
                yield from database.execute(SHADOW_HISTOGRAMS, bounds)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: sqlite3.Error) -> InputError:
    return InputError(f"{path}: cannot be read as a series.db: {reason_of(error)}")


def _check(path: Path, route: object, label: object, number: object) -> None:
    """Raise InputError for what no sidecar writes."""
    if not (isinstance(route, str) and isinstance(label, str)):
        raise InputError(
            f"{path}: counts: expected a route and a label as texts, got {route!r} and {label!r}"
        )
    if not (isinstance(number, int) and number >= 0):
        raise InputError(f"{path}: counts: expected a number of pairs of {route}, got {number!r}")
