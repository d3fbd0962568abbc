"""Counts the requests of access logs by second and route.

mirror.formats.access_log reads the lines; this module owns the files: plain, gzip or zstd by
content, or standard input, any number of them and in any order. It reads blocks and adds up each
block at once, so memory grows with the number of seconds and not with the number of lines. Lines
that cannot be used are counted, and the first are shown with their place.

A second without a line within a log is a zero: nobody came. A second between two logs that are more
than a minute apart is a gap: nobody knows.

Speed on one core: docs/estimate.md and benchmarks/README.md, beside goaccess.
"""

import gzip
import io
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import zstandard
from numpy.typing import NDArray

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.grid import FUTURE_S, MAX_CELLS
from estimator.series.rps import RpsSeries
from mirror.formats.access_log import (
    MAX_LINE_BYTES,
    BadLine,
    CountedRequest,
    KnownIds,
    local_second,
    read_combined,
    read_json,
    read_line,
    unescaped,
)
from mirror.formats.routes import RouteTable

STDIN = "-"
SHOWN_LINES = 5
BETWEEN_LOGS_S = 60
"""Logs that are further apart leave a gap; a rotation takes less than a second."""

_BLOCK_BYTES = 1 << 20
_SAME_BYTES = 1 << 16
_ENTRIES = 1 << 20


def read_access_logs(logs: Iterable[str], routes: RouteTable, now: float) -> RpsSeries:
    """Return the series of all these logs together; `now` is Unix time.

    Raises InputError for a file that cannot be read or is given twice, Refused if no line is about
    a request.
    """
    names = tuple(logs)
    counts = _Counts(routes)
    for name in names:
        with _opened(name) as stream:
            counts.read(name, stream)
    counts.join_cut_lines()
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return counts.series(f"access log {shown}", now)


@dataclass(frozen=True, slots=True)
class _Place:
    """Log and number of the first line of a block, for messages."""

    name: str
    number: int


class _Counts:
    """The requests of all logs that were read so far."""

    def __init__(self, routes: RouteTable) -> None:
        self._tags = routes.tags
        self._match = routes.match
        self._row_of = {tag: row for row, tag in enumerate(routes.tags)}
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        """Arrays of keys (second * number of routes + row of the route) and of their counts."""
        self._spans: list[tuple[int, int]] = []
        """First and last second of each log."""
        self._beginnings: dict[bytes, str] = {}
        self._known_ids = KnownIds()
        self._lines = self._with_begin = self._repeated = self._joined = self._bad = 0
        self._shown: list[str] = []
        self._heads: list[tuple[bytes, str]] = []
        self._tails: list[tuple[bytes, str]] = []
        """Bad first lines, and bad last lines without a line break: the halves of one line, if a
        rotation cut it in two."""

    def read(self, name: str, stream: BinaryIO) -> None:
        """Add the lines of one log."""
        counts: Counter[int] = Counter()
        number = 1
        for block in _blocks(stream):
            if number == 1:
                self._remember_beginning(name, block)
            lines = block.count(b"\n") + (not block.endswith(b"\n"))
            self._block(block, lines, _Place(name, number), counts)
            number += lines
            if len(counts) > _ENTRIES:
                self._keep(counts)
        self._keep(counts)

    def _remember_beginning(self, name: str, block: bytes) -> None:
        before = self._beginnings.setdefault(block[:_SAME_BYTES], name)
        self._spans.append((sys.maxsize, -1))
        if before is not name:
            rule = f"begins exactly as {before} does: the same log twice would count twice"
            raise InputError([Problem(name, rule)])

    def _block(self, block: bytes, lines: int, place: _Place, counts: Counter[int]) -> None:
        """Add whole lines, at once if all have one format and none is bad, else line by line."""
        try:
            if block.startswith(b"{"):
                requests = read_json(block)
                self._lines += len(requests)
                self._add(requests, counts)
                return
            entries = read_combined(block)
            if len(entries) == lines:
                self._add_combined(entries, counts)
                self._lines += lines
                return
        except BadLine:
            pass
        requests = []
        for number, line in enumerate(block.split(b"\n"), start=place.number):
            if not line.strip():
                continue
            self._lines += 1
            try:
                requests.append(_counted(line))
            except BadLine as error:
                is_cut = number == place.number + lines - 1 and not block.endswith(b"\n")
                self._report(f"{place.name}:{number}: {error}", line, is_cut, number == 1)
        self._add(requests, counts)

    def _report(self, sentence: str, line: bytes, is_cut: bool, is_first: bool) -> None:
        self._bad += 1
        if is_cut:
            self._tails.append((line, sentence))
        elif is_first:
            self._heads.append((line, sentence))
        if len(self._shown) < SHOWN_LINES:
            self._shown.append(sentence)

    def _add_combined(self, entries: list[tuple[bytes, bytes]], counts: Counter[int]) -> None:
        width, match, row_of = len(self._tags), self._match, self._row_of
        sums: Counter[int] = Counter()
        for (time, target), count in Counter(entries).items():
            if b"\\" in target:
                target = unescaped(target)
            sums[local_second(time) * width + row_of[match(target)]] += count
        counts.update(sums)

    def _add(self, requests: list[CountedRequest], counts: Counter[int]) -> None:
        width, match, row_of = len(self._tags), self._match, self._row_of
        is_repeat = self._known_ids.is_repeat
        for target, request_id, time_s, has_duration in requests:
            if request_id and is_repeat(request_id):
                self._repeated += 1
                continue
            self._with_begin += has_duration
            row = row_of[match(target.encode("latin-1"))]
            counts[int(time_s // 1) * width + row] += 1

    def _keep(self, counts: Counter[int]) -> None:
        if counts:
            keys = np.fromiter(counts.keys(), dtype=np.int64, count=len(counts))
            numbers = np.fromiter(counts.values(), dtype=np.int64, count=len(counts))
            counts.clear()
            seconds = keys // len(self._tags)
            first, last = self._spans[-1]
            self._spans[-1] = (min(first, int(seconds.min())), max(last, int(seconds.max())))
            self._parts.append((keys, numbers))

    def join_cut_lines(self) -> None:
        """Join the halves of lines that a rotation cut in two."""
        counts: Counter[int] = Counter()
        for tail, tail_sentence in self._tails:
            for head in self._heads:
                try:
                    request = _counted(tail + head[0])
                except BadLine:
                    continue
                self._heads.remove(head)
                self._lines -= 1
                self._bad -= 2
                self._joined += 1
                self._shown = [
                    sentence for sentence in self._shown if sentence not in (tail_sentence, head[1])
                ]
                self._add([request], counts)
                break
        if counts:
            self._spans.append((sys.maxsize, -1))
            self._keep(counts)

    def series(self, source: str, now: float) -> RpsSeries:
        """Return the series of everything that was read. Raises Refused."""
        if not self._parts:
            problem = "; ".join(["holds no request", *self._shown])
            advice = "Expected nginx's combined format or JSON lines (docs/formats.md)"
            raise Refused([Refusal(source, problem, advice)])
        tags = self._tags
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
            source, first, 1, tags, rps, caveats=self._caveats(), repairs=self._repairs(future)
        )

    def _gaps(self, last: int) -> Iterator[tuple[int, int]]:
        covered = -1
        for first, final in sorted(span for span in self._spans if span[1] >= 0):
            if 0 <= covered < first - BETWEEN_LOGS_S and first <= last:
                yield covered + 1, first
            covered = max(covered, final)

    def _caveats(self) -> tuple[str, ...]:
        counted = self._lines - self._bad - self._repeated
        if self._with_begin >= counted:
            return ()
        return (
            f"{counted - self._with_begin} of {counted} lines have no request_time and count in the"
            " second in which nginx wrote them, when the answer had ended, not when the request"
            " came",
        )

    def _repairs(self, future: int) -> tuple[str, ...]:
        repairs = []
        if self._bad:
            shown = "; ".join(self._shown)
            repairs.append(f"{self._bad} of {self._lines} lines left out, the first: {shown}")
        if self._joined:
            repairs.append(f"{self._joined} lines that a rotation cut in two were joined")
        if self._repeated:
            repairs.append(
                f"{self._repeated} lines have the id of an earlier line and were left out"
            )
        if future:
            repairs.append(f"{future} lines of the future left out (whose clock is off?)")
        return tuple(repairs)


def _counted(line: bytes) -> CountedRequest:
    request = read_line(line.strip())
    return request.target, request.request_id, request.time_s, request.duration_s is not None


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield blocks of whole lines; a line that is too long is cut."""
    rest = b""
    is_skipping = False
    while read := stream.read(_BLOCK_BYTES):
        if is_skipping:
            _, end, read = read.partition(b"\n")
            is_skipping = not end
        data = rest + read
        cut = data.rfind(b"\n") + 1
        if cut:
            yield data[:cut]
        rest = data[cut:]
        if len(rest) > MAX_LINE_BYTES:
            yield rest[:MAX_LINE_BYTES] + b"\n"
            rest, is_skipping = b"", True
    if rest:
        yield rest


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """Yield the unpacked bytes of a log. Raises InputError for whatever is wrong with the file."""
    try:
        with (
            cast(io.BufferedReader, sys.stdin.buffer)
            if name == STDIN
            else open(name, "rb") as stream
        ):
            beginning = stream.peek(4)[:4]
            if beginning.startswith(b"\x1f\x8b"):
                yield cast(BinaryIO, gzip.GzipFile(fileobj=stream))
            elif beginning == b"\x28\xb5\x2f\xfd":
                unpacker = zstandard.ZstdDecompressor()
                reader = unpacker.stream_reader(stream, read_across_frames=True)
                yield cast(BinaryIO, reader)
            else:
                yield stream
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise InputError(
            [Problem(name, f"cannot be read: {getattr(error, 'strerror', None) or error}")]
        ) from error
