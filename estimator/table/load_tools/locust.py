"""Locust's `_stats.csv` (totals) and `_stats_history.csv` (a line for each second): milliseconds.

Locust is a closed loop of users. The row named Aggregated covers all requests. `N/A` stands where
nothing was measured. The totals state neither start nor duration, and have lagged behind the
console by 5 %. The history states its times; its percentiles cover about 10 s, and the worst is
used.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from estimator.table.load_tools.run import Keys, LoadRun, Problems, require
from estimator.table.rows import Loop

NAME = "locust (_stats.csv, _stats_history.csv)"

MOST_ROWS = 100_000
"""Most rows named Aggregated: a history has one for each second, so this is more than a day."""

_Row = dict[str, str]


def matches(keys: Keys, text: str) -> bool:
    return text.startswith(("Type,Name,Request Count,", "Timestamp,User Count,"))


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError that lists every cell which is not a number."""
    lines = enumerate(csv.DictReader(io.StringIO(text, newline="")), start=2)
    aggregated = ((number, row) for number, row in lines if row.get("Name") == "Aggregated")
    rows = list(islice(aggregated, MOST_ROWS + 1))
    require(bool(rows), source, "holds no row whose Name is Aggregated")
    require(len(rows) <= MOST_ROWS, source, f"has more than {MOST_ROWS:,} rows of totals")
    return (_history if text.startswith("Timestamp") else _totals)(rows, _Cells(source))


class _Cells:
    """Reads numbers from cells, and collects the cells that hold none."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._problems = Problems(source)

    def number(self, line: int, row: _Row, column: str) -> float:
        """Return the number in a cell: 0 for N/A, and for other text, which is noted."""
        text = row.get(column) or ""
        try:
            number = 0.0 if text == "N/A" else float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self._problems.add(line, f"expected a number or N/A, got {text[:60]!r}", column)
            return 0.0
        return number

    def check(self) -> None:
        self._problems.check()


def _totals(rows: list[tuple[int, _Row]], cells: _Cells) -> LoadRun:
    line, row = rows[-1]
    count, failed, rate, p50, p99 = (
        cells.number(line, row, column)
        for column in ("Request Count", "Failure Count", "Requests/s", "50%", "99%")
    )
    cells.check()
    require(count > 0 and rate > 0, cells.source, "holds no request")
    return LoadRun(
        tool="locust",
        loop=Loop.CLOSED,
        rps=rate,
        duration_s=count / rate,
        p50_ms=p50,
        p99_ms=p99,
        error_ratio=failed / count,
        notes=("locust writes its totals late: they may miss the last seconds",),
    )


def _history(rows: list[tuple[int, _Row]], cells: _Cells) -> LoadRun:
    def column(name: str, of: Callable[[Any], Any] = float) -> list[Any]:
        return [of(cells.number(line, row, name)) for line, row in rows]

    times, users = column("Timestamp"), column("User Count", int)
    counts, failures = column("Total Request Count"), column("Total Failure Count")
    p50s, p99s = column("50%"), column("99%")
    cells.check()
    # Before all users are active the rate rises, and after some have stopped it is another load.
    first, last = _longest_at_most_users(users, counts)
    window_s, answered = times[last] - times[first], counts[last] - counts[first]
    require(window_s > 0 and answered > 0, cells.source, "holds no request at full user count")
    chosen = slice(first, last + 1)
    return LoadRun(
        tool="locust",
        loop=Loop.CLOSED,
        rps=answered / window_s,
        duration_s=window_s,
        start=times[first],
        connections=max(users),
        p50_ms=sorted(p50s[chosen])[(last + 1 - first) // 2],
        p99_ms=max(p99s[chosen]),
        error_ratio=(failures[last] - failures[first]) / answered,
        notes=(
            f"the {window_s:.0f} s with all {max(users)} users, of {times[-1] - times[0]:.0f} s;"
            " p99 is the worst of windows of about 10 s",
        ),
    )


def _longest_at_most_users(users: Sequence[int], counts: Sequence[float]) -> tuple[int, int]:
    """Return the first and last place of the longest stretch with the most users.

    A stretch ends where the totals fall, because locust then began to count anew (--reset-stats).
    """
    most = max(users)
    stretches: list[tuple[int, int]] = []
    for place, number in enumerate(users):
        if number != most:
            continue
        goes_on = stretches and stretches[-1][1] == place - 1 and counts[place] >= counts[place - 1]
        first = stretches.pop()[0] if goes_on else place
        stretches.append((first, place))
    return max(stretches, key=lambda stretch: stretch[1] - stretch[0])
