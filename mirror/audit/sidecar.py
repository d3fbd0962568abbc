"""What the sidecars counted, from their series.db, and which requests they captured.

Invariant: a second that any of the sidecars did not observe to its end is judged for none of them.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

from mirror.audit.ids import CAPTURE, IN_WINDOW, Entry, IdStore
from mirror.audit.lines import id_bytes
from mirror.audit.window import Seconds, Window
from mirror.core.ledger import LOOPED, REPEATED
from mirror.core.wrong_mode import WRONG_MODE
from mirror.errors import InputError
from mirror.formats.capture.reader import read_records
from mirror.formats.series_db import (
    MAX_SECOND,
    OBSERVED_SECONDS,
    REQUESTS,
    SPAN,
    WRITER,
    connect_to_read,
    reason_of,
)

_STEP_S = 3600
"""So many seconds are read at a time."""
_COUNTS = """
    SELECT second, metric, label, sum(value) FROM counts
    WHERE second BETWEEN :first AND :last GROUP BY second, metric, label
"""
_PROOFS = (REPEATED, LOOPED, WRONG_MODE)
"""Metrics that show a mistake even in a second that was not observed to its end."""
_ID_FIELD = "x-request-id"
"""deploy/nginx sets it to nginx's own id, the one in its log. A capture keeps no other id."""


@dataclass(slots=True)
class Sidecars:
    """What all sidecars counted in the seconds that are judged."""

    files: list[str] = field(default_factory=list)
    unobserved_s: int = 0
    """Seconds of the window that one of them did not observe to its end."""
    minutes: dict[int, Counter[str]] = field(default_factory=dict)
    """Begin of the minute -> metric -> number; metric and label are joined by a space."""

    routes: Counter[str] = field(default_factory=Counter)
    """Requests by route tag."""

    def total(self, metric: str) -> int:
        """Return the sum of a metric over all its labels."""
        prefix = f"{metric} "
        return sum(
            number
            for counts in self.minutes.values()
            for name, number in counts.items()
            if name == metric or name.startswith(prefix)
        )

    def labels(self, metric: str) -> Counter[str]:
        """Return the sums of a metric by label."""
        prefix = f"{metric} "
        found: Counter[str] = Counter()
        for counts in self.minutes.values():
            for name, number in counts.items():
                if name.startswith(prefix):
                    found[name.removeprefix(prefix)] += number
        return found


def common_span(paths: Sequence[Path]) -> tuple[int, int]:
    """Return the first and the last second between which all series lie. Raises InputError."""
    spans = []
    for path in paths:
        with closing(_open(path)) as database:
            ((first, last),) = _rows(database, path, SPAN, 0, MAX_SECOND)
        if last is None:
            raise InputError(f"{path}: holds no second that was observed to its end")
        spans.append((int(first), int(last)))
    return max(first for first, _ in spans), min(last for _, last in spans)


def read_seen(paths: Sequence[Path], seconds: Seconds) -> Sidecars:
    """Add what was seen in each second, and leave out seconds that were not observed."""
    sidecars = Sidecars([str(path) for path in paths])
    window = seconds.window
    unobserved = bytearray(len(window))
    for path in paths:
        with closing(_open(path)) as database:
            for first, last in _steps(window):
                observed = {row[0] for row in _rows(database, path, OBSERVED_SECONDS, first, last)}
                for second in range(first, last + 1):
                    if second not in observed:
                        unobserved[second - window.first] = 1
                for second, _, number in _rows(database, path, REQUESTS, first, last):
                    seconds.seen[second - window.first] += _whole(path, number)
    sidecars.unobserved_s = sum(unobserved)
    begin = None
    for place, missing in enumerate([*unobserved, 0]):
        if missing and begin is None:
            begin = place
        elif not missing and begin is not None:
            seconds.leave_out(begin, place)
            begin = None
    return sidecars


def read_counts(paths: Sequence[Path], seconds: Seconds, sidecars: Sidecars) -> None:
    """Add the other counters of the seconds that are judged, once it is known which these are.

    What shows a mistake is added from every second of the window.
    """
    window = seconds.window
    for path in paths:
        with closing(_open(path)) as database:
            for first, last in _steps(window):
                for second, route, number in _rows(database, path, REQUESTS, first, last):
                    if seconds.judged[second - window.first]:
                        sidecars.routes[str(route)] += _whole(path, number)
                for second, metric, label, number in _rows(database, path, _COUNTS, first, last):
                    if seconds.judged[second - window.first] or metric in _PROOFS:
                        minute = sidecars.minutes.setdefault(second // 60 * 60, Counter())
                        name = f"{metric} {label}" if label else str(metric)
                        minute[name] += _whole(path, number)


def read_captured(paths: Sequence[Path], window: Window, ids: IdStore) -> int:
    """Add the ids of captured requests; return how many requests of the window were captured."""
    captured = 0
    for path in paths:
        for record in read_records(path):
            if not window.is_near(record.time_s):
                continue
            is_in = window.has(record.time_s)
            captured += is_in
            named = {name.lower(): value for name, value in record.headers}
            if key := id_bytes(named.get(_ID_FIELD, "")):
                flags = IN_WINDOW if is_in else 0
                ids.add(Entry(key, record.time_s, CAPTURE, flags, 0, 0, 0))
    return captured


def _steps(window: Window) -> Iterator[tuple[int, int]]:
    """Yield the window in parts, each with its first and its last second."""
    for first in range(window.first, window.end, _STEP_S):
        yield first, min(first + _STEP_S, window.end) - 1


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise InputError(f"--series {path}: there is no such file; {WRITER}")
    try:
        return connect_to_read(path)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error


def _rows(database: sqlite3.Connection, path: Path, query: str, first: int, last: int) -> list[Any]:
    try:
        rows = database.execute(query, {"first": first, "last": last}).fetchall()
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    # A column of SQLite may hold any type, whatever it was declared as.
    if any(type(row[0]) not in (int, NoneType) for row in rows):
        raise InputError(f"--series {path}: expected seconds that are whole numbers")
    return rows


def _whole(path: Path, number: object) -> int:
    if not isinstance(number, int) or not 0 <= number < 1 << 40:
        raise InputError(f"--series {path}: counts: expected whole numbers, got {number!r}")
    return number


def _unreadable(path: Path, error: sqlite3.Error) -> InputError:
    return InputError(f"--series {path}: cannot be read as a series.db: {reason_of(error)}")
