"""Adds up access logs to one series: any number of them, in any order, on several cores.

mirror.formats.access_log reads the lines, and counts.py counts one log; this module owns what holds
between logs. The same log given twice is refused, and a line that a rotation cut in two is
joined.

A second without a line within a log is a zero: nobody came. A second between two logs that are more
than a minute apart is a gap: nobody knows.

Speed on one core: docs/estimate.md and benchmarks/README.md, beside goaccess.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np

from estimator.errors import Refusal, Refused
from estimator.series.access_log.counts import (
    NOTHING,
    Half,
    LogCounts,
    Part,
    count_task,
    packed,
)
from estimator.series.access_log.workers import Beginnings, Workers, source_name
from estimator.series.grid import FUTURE_S
from estimator.series.limits import MAX_CELLS
from estimator.series.rps import RpsSeries
from mirror.formats.access_log.line_reader import LineReader, Reading
from mirror.formats.access_log.request import BadLine
from mirror.formats.access_log.tally import (
    LOW_CONFIDENCE_RATIO,
    SAID_FIRST_RATIO,
    WHAT_IS_READ,
    Tally,
)
from mirror.formats.routes import RouteTable

BETWEEN_LOGS_S = 60
"""Logs that are further apart leave a gap; a rotation takes less than a second."""


def read_access_logs(
    logs: Iterable[str],
    routes: RouteTable,
    now: float,
    reading: Reading | None = None,
    workers: Workers | None = None,
) -> RpsSeries:
    """Return the series of all these logs together; `now` is Unix time.

    Raises InputError for a file that cannot be read or is given twice, Refused if no line is about
    a request, ValueError for a `reading` that is not understood.
    """
    names = tuple(logs)
    reading = reading or Reading()
    total = _Total(routes, LineReader(reading))
    tasks = [(name, routes.templates, reading) for name in names]
    for counts in (workers or Workers()).each(count_task, names, tasks):
        total.add(counts)
    total.join_cut_lines()
    return total.series(source_name(names), now)


class _Total:
    """The counts of all logs so far."""

    def __init__(self, routes: RouteTable, reader: LineReader) -> None:
        self._routes = routes
        self._reader = reader
        self._parts: list[Part] = []
        self._spans: list[tuple[int, int]] = []
        self._beginnings = Beginnings()
        self._halves: list[Half] = []
        self._tally = Tally()
        self._counted = self._with_begin = self._joined = 0

    def add(self, found: LogCounts) -> None:
        """Add one log. Raises InputError if it is one of the earlier ones."""
        self._beginnings.add(found.name, found.beginning)
        self._parts += found.parts
        self._spans.append(found.span)
        self._halves += found.halves
        self._tally.add(found.tally)
        self._counted += found.counted
        self._with_begin += found.with_begin

    def join_cut_lines(self) -> None:
        """Join the halves of lines that a rotation cut in two."""
        tag_of, tags = self._routes.match, self._routes.tags
        counts: Counter[int] = Counter()
        tails = [half for half in self._halves if half.is_last]
        heads = [half for half in self._halves if not half.is_last]
        for tail in tails:
            for head in heads:
                try:
                    request = self._reader.read(tail.line + head.line)
                except BadLine:
                    continue
                heads.remove(head)
                self._tally.rejoin((tail.reason, head.reason), (tail.sentence, head.sentence))
                self._joined += 1
                self._counted += 1
                self._with_begin += request.is_begin
                row = tags.index(tag_of(request.target.encode("latin-1")))
                counts[int(request.time_s // 1) * len(tags) + row] += 1
                break
        if counts:
            part = packed(counts)
            seconds = part[0] // len(tags)
            self._spans.append((int(seconds.min()), int(seconds.max())))
            self._parts.append(part)

    def series(self, source: str, now: float) -> RpsSeries:
        """Return the series of everything that was read. Raises Refused."""
        if not self._parts:
            problem = "; ".join(["holds no request", *self._tally.shown])
            raise Refused([Refusal(source, problem, WHAT_IS_READ)])
        tags = self._routes.tags
        keys = np.concatenate([keys for keys, _ in self._parts])
        counts = np.concatenate([counts for _, counts in self._parts])
        seconds, routes = np.divmod(keys, len(tags))
        is_past = seconds <= now + FUTURE_S
        future = int(counts[~is_past].sum())
        seconds, routes, counts = seconds[is_past], routes[is_past], counts[is_past]
        if not len(seconds):
            raise Refused([Refusal(source, "lies wholly in the future", "Check its clock")])
        first, last = int(seconds.min()), int(seconds.max())
        width = last - first + 1
        if width * len(tags) > MAX_CELLS:
            problem = f"spans the seconds {first} to {last} over {len(tags)} routes"
            raise Refused([Refusal(source, problem, "Was a clock wrong?")])
        rps = np.zeros((len(tags), width))
        np.add.at(rps, (routes, seconds - first), counts)
        for start, end in self._gaps(last):
            rps[:, start - first : end - first] = np.nan
        return RpsSeries(
            source,
            first,
            1,
            tags,
            rps,
            caveats=self._caveats(),
            repairs=self._repairs(future),
            warnings=self._said_of_losses(SAID_FIRST_RATIO, LOW_CONFIDENCE_RATIO),
            doubts=self._said_of_losses(LOW_CONFIDENCE_RATIO, 1),
        )

    def _gaps(self, last: int) -> Iterator[tuple[int, int]]:
        covered = -1
        for first, final in sorted(span for span in self._spans if span != NOTHING):
            if 0 <= covered < first - BETWEEN_LOGS_S and first <= last:
                yield covered + 1, first
            covered = max(covered, final)

    def _said_of_losses(self, above: float, most: float) -> tuple[str, ...]:
        if not above < self._tally.lost_ratio <= most:
            return ()
        return (f"{self._tally.loss()}. The traffic of these lines is missing",)

    def _caveats(self) -> tuple[str, ...]:
        if self._with_begin >= self._counted:
            return ()
        return (
            f"{self._counted - self._with_begin} of {self._counted} lines have no request_time and"
            " count in the second in which they were written, when the answer had ended, not when"
            " the request came",
        )

    def _repairs(self, future: int) -> tuple[str, ...]:
        repairs = []
        if 0 < self._tally.lost_ratio <= SAID_FIRST_RATIO:
            repairs.append(self._tally.loss())
        if self._joined:
            repairs.append(f"{self._joined} lines that a rotation cut in two were joined")
        if others := self._tally.other_lines():
            repairs.append(others)
        if future:
            repairs.append(f"{future} lines of the future left out (whose clock is off?)")
        return tuple(repairs)
