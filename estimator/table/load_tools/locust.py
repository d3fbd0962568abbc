"""Locust's `_stats.csv` (totals) and `_stats_history.csv` (a line for each second): milliseconds.

Locust is a closed loop of users. The row named Aggregated covers all requests. `N/A` stands where
nothing was measured. The totals state neither start nor duration, and have lagged behind the
console by 5 %. The history states its times; its percentiles cover about 10 s, and the worst is
used.
"""

import csv
import io
from collections.abc import Callable
from typing import Any

from estimator.errors import InputError, Problem
from estimator.table.load_tools.run import LoadRun, require
from estimator.table.rows import Loop

NAME = "locust (_stats.csv, _stats_history.csv)"

_Row = dict[str, str]


def matches(document: object, text: str) -> bool:
    return text.startswith(("Type,Name,Request Count,", "Timestamp,User Count,"))


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError that lists every cell which is not a number."""
    lines = list(enumerate(csv.DictReader(io.StringIO(text, newline="")), start=2))
    rows = [(number, row) for number, row in lines if row.get("Name") == "Aggregated"]
    require(bool(rows), source, "holds no row whose Name is Aggregated")
    return (_history if text.startswith("Timestamp") else _totals)(rows, _Cells(source))


class _Cells:
    """Reads numbers from cells, and collects the cells that hold none."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[Problem] = []

    def number(self, line: int, row: _Row, column: str) -> float:
        """Return the number in a cell: 0 for N/A, and for other text, which is noted."""
        text = row.get(column) or ""
        try:
            return 0.0 if text == "N/A" else float(text)
        except ValueError:
            rule = f"expected a number or N/A, got {text!r}"
            self.problems.append(Problem(f"{self.source}:{line}", rule, key=column))
            return 0.0

    def check(self) -> None:
        if self.problems:
            raise InputError(self.problems)


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
    # Start at the second at which all users are active: before it the rate rises.
    first = users.index(max(users))
    window_s, answered = times[-1] - times[first], counts[-1] - counts[first]
    require(window_s > 0 and answered > 0, cells.source, "holds no request at full user count")
    return LoadRun(
        tool="locust",
        loop=Loop.CLOSED,
        rps=answered / window_s,
        duration_s=window_s,
        start=times[first],
        connections=max(users),
        p50_ms=sorted(p50s[first:])[len(p50s[first:]) // 2],
        p99_ms=max(p99s[first:]),
        error_ratio=(failures[-1] - failures[first]) / answered,
        notes=(
            f"from the first second with all {max(users)} users; p99 is the worst of windows of"
            " about 10 s",
        ),
    )
