"""Counts the requests of one access log by second and route.

`count_log` is a function of a file alone: logs can be counted by several processes at once, and
their counts add up to what one process would have counted.

It reads blocks and adds up each block at once, so memory grows with the number of seconds and not
with the number of lines.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from estimator.errors import InputError, Problem
from estimator.series.access_log.numbered_blocks import read_blocks
from mirror.formats.access_log.blocks import counted_lines
from mirror.formats.access_log.json_lines import CountedRequest, read_json
from mirror.formats.access_log.line_reader import LineReader, Reading
from mirror.formats.access_log.request import (
    REPEATED,
    BadLine,
    KnownIds,
    LoggedRequest,
    NotARequest,
)
from mirror.formats.access_log.tally import Tally
from mirror.formats.access_log.text_lines import unescaped
from mirror.formats.access_log.times import local_second
from mirror.formats.access_log.wrappers import unwrapped_block
from mirror.formats.routes import RouteTable

_SAME_BYTES = 1 << 16
_ENTRIES = 1 << 20
NOTHING = (sys.maxsize, -1)
"""The span of a log without a request."""

Part = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Keys (second * number of routes + row of the route), and their counts."""


@dataclass(frozen=True, slots=True)
class Half:
    """A lost first line, or a lost last line without a line break: half of a line, perhaps."""

    line: bytes
    sentence: str
    reason: str
    is_last: bool


@dataclass(slots=True)
class LogCounts:
    """What one log holds."""

    name: str
    beginning: bytes = b""
    parts: list[Part] = field(default_factory=list)
    span: tuple[int, int] = NOTHING
    """First and last second."""
    tally: Tally = field(default_factory=Tally)
    counted: int = 0
    with_begin: int = 0
    """Requests that count in the second in which they began."""
    halves: list[Half] = field(default_factory=list)


LogTask = tuple[str, Sequence[str], Reading]
"""Name of a log, templates of the routes, and how its lines are read: what another process needs
for its part."""


def count_task(task: LogTask) -> LogCounts:
    """Return the counts of one log, in whichever process. Raises InputError."""
    name, templates, reading = task
    return count_log(name, RouteTable(templates), reading)


def count_log(name: str, routes: RouteTable, reading: Reading) -> LogCounts:
    """Return the counts of one log. Raises InputError for a file that is no access log."""
    reader = LineReader(reading)
    counting = _Counting(name, routes, reader)
    read_blocks(name, counting.block)
    counting.keep()
    found = counting.found
    if (problem := found.tally.wrong_unit()) and not reader.names_duration:
        raise InputError([Problem(name, problem)])
    return found


class _Counting:
    """Adds up the blocks of one log."""

    def __init__(self, name: str, routes: RouteTable, reader: LineReader) -> None:
        self.found = LogCounts(name)
        self._is_plain = reader.reading.is_plain
        self._reader = reader
        self._tags = routes.tags
        self._match = routes.match
        self._row_of = {tag: row for row, tag in enumerate(routes.tags)}
        self._known_ids = KnownIds()
        self._counts: Counter[int] = Counter()
        self._number = 1

    def block(self, number: int, block: bytes) -> None:
        """Add whole lines, of which the first has this number, at once if they have one format."""
        self._number = number
        if number == 1:
            self.found.beginning = block[:_SAME_BYTES]
        if not block.isspace():
            self._lines_of(block)
        if len(self._counts) > _ENTRIES:
            self.keep()

    def _lines_of(self, block: bytes) -> None:
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        if self._is_plain:
            inner = unwrapped_block(block)
            if inner.startswith(b"{"):
                try:
                    requests = read_json(inner)
                except BadLine:
                    pass
                else:
                    self.found.tally.lines += len(requests)
                    self._add(requests)
                    return
            entries = counted_lines(inner)
            # Empty lines and line breaks within a wrapper would shift the places.
            if len(entries) == lines:
                self._combined(entries, block)
                return
        self._one_by_one(enumerate(block.split(b"\n")), block)

    def _combined(self, entries: list[tuple[bytes, bytes, bytes]], block: bytes) -> None:
        match, row_of, width = self._match, self._row_of, len(self._tags)
        sums: Counter[int] = Counter()
        has_others = False
        for (time, target, other), count in Counter(entries).items():
            if other:
                has_others = True
                continue
            try:
                second = local_second(time)
            except BadLine:
                has_others = True
                entries = [
                    (time, target, other or b"?")
                    if entry_time == time
                    else (entry_time, path, other)
                    for entry_time, path, other in entries
                ]
                continue
            sums[second * width + row_of[match(unescaped(target))]] += count
        number = sums.total()
        self.found.tally.lines += number
        self.found.counted += number
        self._counts.update(sums)
        if has_others:
            lines = block.split(b"\n")
            others = ((at, lines[at]) for at, entry in enumerate(entries) if entry[2])
            self._one_by_one(others, block)

    def _one_by_one(self, lines: Iterable[tuple[int, bytes]], block: bytes) -> None:
        """Add lines with their places in the block."""
        tally, name = self.found.tally, self.found.name
        last = -1 if block.endswith(b"\n") else block.count(b"\n")
        requests: list[CountedRequest] = []
        for at, line in lines:
            if not line.strip():
                continue
            tally.lines += 1
            try:
                requests.append(as_counted(self._reader.read(line)))
            except BadLine as error:
                number = self._number + at
                tally.leave_out(f"{name}:{number}", error)
                if (at == last or number == 1) and not isinstance(error, NotARequest):
                    sentence = f"{name}:{number}: {error}"
                    self.found.halves.append(Half(line, sentence, error.reason, at == last))
        self._add(requests)

    def _add(self, requests: list[CountedRequest]) -> None:
        width, match, row_of = len(self._tags), self._match, self._row_of
        is_repeat, found = self._known_ids.is_repeat, self.found
        for target, request_id, time_s, duration_s in requests:
            if request_id and is_repeat(request_id):
                found.tally.others[REPEATED] += 1
                continue
            if duration_s >= 0:
                found.with_begin += 1
                found.tally.time(duration_s)
            found.counted += 1
            row = row_of[match(target.encode("latin-1"))]
            self._counts[int(time_s // 1) * width + row] += 1

    def keep(self) -> None:
        """Pack what was counted so far."""
        if not self._counts:
            return
        part = packed(self._counts)
        self._counts.clear()
        seconds = part[0] // len(self._tags)
        first, last = self.found.span
        self.found.span = (min(first, int(seconds.min())), max(last, int(seconds.max())))
        self.found.parts.append(part)


def packed(counts: Counter[int]) -> Part:
    """Return the keys and their counts as arrays."""
    keys = np.fromiter(counts.keys(), dtype=np.int64, count=len(counts))
    return keys, np.fromiter(counts.values(), dtype=np.int64, count=len(counts))


def as_counted(request: LoggedRequest) -> CountedRequest:
    """Return what counting needs of a request."""
    duration_s = (request.duration_s or 0.0) if request.is_begin else -1.0
    return request.target, request.request_id, request.time_s, duration_s
