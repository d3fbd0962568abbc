"""Reads access logs for `mirror import`: the lines of a stream become lines of a capture.

mirror.formats.access_log says what a line means. A log knows less than the request had: of the
headers at most User-Agent and Referer, no body, and in the combined format the time only to the
second.

A block of the combined format passes as a whole through one expression, a block of JSON lines
through one decoder, and what the lines have in common (method, host, headers) is written once and
remembered: that is several times as fast as line by line. Invariant: all ways write the same bytes.
"""

import gc
import re
from collections import Counter
from collections.abc import Iterable
from typing import BinaryIO

from mirror.capture.entries import Entry
from mirror.capture.redaction import Redaction
from mirror.capture.sorter import Sorter
from mirror.core.redaction.redactor import Redactor
from mirror.formats.access_log.blocks import LoggedLine, blocks, logged_lines
from mirror.formats.access_log.json_lines import (
    Common,
    LoggedKeys,
    Wrapped,
    common_of,
    counted,
    read_objects,
)
from mirror.formats.access_log.line_reader import LineReader
from mirror.formats.access_log.request import (
    MAX_LINE_BYTES,
    NO_HOST,
    NOT_REPLAYABLE,
    REPEATED,
    BadLine,
    KnownIds,
    NotARequest,
)
from mirror.formats.access_log.tally import Tally
from mirror.formats.access_log.text_lines import only_domain
from mirror.formats.access_log.times import local_second
from mirror.formats.access_log.wrappers import unwrapped_block
from mirror.formats.capture.record import FIRST_IMPLAUSIBLE_S, FieldError, Record, encode

_MOST_ENDS = 1 << 16
"""Different combinations of headers that are remembered; they take about 30 MB."""

# Only characters that stand in JSON as they are.
_PLAIN = re.compile(r"/[!#-\[\]-~]*")

_End = tuple[bytes, bytes]
"""What stands between time and target in a line of a capture, and what follows."""

_Row = tuple[str, str, float, float, bool, _End, str]
"""Target, id, time, duration or -1, whether only the second is known, end and method."""


class LogImport:
    """Reads one log; `tally` counts what was left out, `methods` what was read."""

    def __init__(
        self, name: str, reader: LineReader, host: str | None, redaction: Redaction | None
    ) -> None:
        """`host` is the host of lines that name none."""
        self.tally = Tally()
        self.methods: Counter[str] = Counter()
        self._name = name
        self._reader = reader
        self._host = host
        self._redaction = redaction
        self._known_ids = KnownIds()
        self._ends: dict[tuple[bytes, ...] | Common, _End] = {}

    def read(self, stream: BinaryIO, sorter: Sorter) -> None:
        """Add an entry for each line that is about a request. Raises NotALog and OSError."""
        number = 1
        # Nothing here refers back to what holds it. A collection would walk over all lines that the
        # sorter holds, again and again, which takes a tenth of the time.
        gc.disable()
        try:
            for block in blocks(stream):
                if not block.isspace():
                    self._block(block, number, sorter)
                number += block.count(b"\n")
        finally:
            gc.enable()

    def _block(self, block: bytes, number: int, sorter: Sorter) -> None:
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        if self._reader.reading.is_plain:
            inner = unwrapped_block(block)
            if inner.startswith(b"{") and not _has_long_line(block):
                objects = read_objects(inner)
                if len(objects) == lines and objects.count(None) * 2 < lines:
                    self._objects(objects, _Split(block, number), sorter)
                    return
            entries = logged_lines(inner)
            # Empty lines and line breaks within a wrapper would shift the places.
            if len(entries) == lines:
                self._combined(entries, _Split(block, number), sorter)
                return
        self._one_by_one(enumerate(block.split(b"\n"), start=number), sorter)

    def _objects(self, objects: list[LoggedKeys | None], split: "_Split", sorter: Sorter) -> None:
        """Add the objects of JSON lines at once, and the others in their places."""
        rows = [None if entry is None else self._row(entry) for entry in objects]
        begin = 0
        for at in (place for place, row in enumerate(rows) if row is None):
            self._add_rows([row for row in rows[begin:at] if row], sorter)
            self._one_by_one([split.line(at)], sorter)
            begin = at + 1
        self._add_rows([row for row in rows[begin:] if row], sorter)

    def _row(self, entry: LoggedKeys) -> _Row | None:
        """Return what the line of a capture is made of; None if it has to be read by itself."""
        if type(entry.request) is dict:
            return None
        try:
            (target, request_id, time_s, duration_s), is_whole = counted(entry, None)
        except (BadLine, Wrapped):
            return None
        common = common_of(entry)
        end = self._ends.get(common) or self._end(common, common)
        if end is None or not _PLAIN.fullmatch(target) or time_s >= FIRST_IMPLAUSIBLE_S:
            return None
        return target, request_id, time_s, duration_s, is_whole, end, common[0]

    def _add_rows(self, rows: list[_Row], sorter: Sorter) -> None:
        self.tally.lines += len(rows)
        if repeats := self._known_ids.repeats([row[1] for row in rows]):
            self.tally.others[REPEATED] += len(repeats)
            rows = [row for at, row in enumerate(rows) if at not in repeats]
        if not rows:
            return
        self.methods.update([row[6] for row in rows])
        targets = [row[0] for row in rows]
        if self._redaction is not None:
            targets = self._redaction.redactor.targets(targets)
        times_us: list[int] = []
        tails: list[bytes] = []
        encoded = "\n".join(targets).encode("ascii").split(b"\n")
        for target, (_, _, time_s, duration_s, is_whole, end, _) in zip(encoded, rows, strict=True):
            if duration_s >= 0:
                self.tally.time(duration_s)
            tail = end[0] + target + end[1]
            time_us = round(time_s * 1e6)
            if is_whole:
                sorter.add_lines(time_us // 1_000_000, [tail])
            else:
                times_us.append(time_us)
                tails.append(tail)
        sorter.add_exact_lines(times_us, tails)

    def _combined(self, entries: list[LoggedLine], split: "_Split", sorter: Sorter) -> None:
        """Add the lines of the combined format at once, and the others in their places."""
        methods: Counter[bytes] = Counter()
        seconds: dict[bytes, list[bytes]] = {}
        ends = self._ends
        redactor = self._redaction.redactor if self._redaction else None
        for at, (time, method, target, texts, extra, other) in enumerate(entries):
            end = None
            if not other and (time in seconds or _exists(time)):
                end = ends.get((method, texts, extra)) or self._combined_end(method, texts, extra)
            if end is None:
                # Those of one second stay in their order.
                self._add(seconds, sorter)
                self._one_by_one([split.line(at)], sorter)
                continue
            if redactor is not None:
                text = target.decode("ascii")
                kept = redactor.target(text)
                if kept is not text:
                    target = kept.encode("ascii")
            tail = b"%b%b%b" % (end[0], target, end[1])
            if time in seconds:
                seconds[time].append(tail)
            else:
                seconds[time] = [tail]
            methods[method] += 1
        self._add(seconds, sorter)
        for method, number in methods.items():
            self.methods[method.decode("ascii")] += number
        self.tally.lines += methods.total()

    def _add(self, seconds: dict[bytes, list[bytes]], sorter: Sorter) -> None:
        for time, tails in seconds.items():
            sorter.add_lines(local_second(time), tails)
        seconds.clear()

    def _combined_end(self, method: bytes, texts: bytes, extra: bytes) -> _End | None:
        host = only_domain(extra).decode("ascii")
        referer, agent = (
            "" if text == "-" else text for text in texts.decode("latin-1")[1:-1].split('" "')
        )
        return self._end((method, texts, extra), (method.decode("ascii"), host, agent, referer))

    def _end(self, key: tuple[bytes, ...] | Common, common: Common) -> _End | None:
        """Return the line around a target, and remember it; None if it has to be read by itself."""
        method, named, agent, referer = common
        host = named or self._host
        fields = (("user-agent", agent), ("referer", referer))
        headers = tuple((name, value) for name, value in fields if value)
        probe = Redactor()
        is_clean = self._redaction is None or (
            probe.fields(headers) == headers and not probe.doubtful and not probe.redacted
        )
        if host is None or not is_clean:
            return None
        try:
            line = encode(Record(0, method, host, "/", headers))
        except FieldError:
            return None
        before, mark, after = line[line.index(b",") :].partition(b'"target":"/"')
        end = (before + mark[:-2], mark[-1:] + after)
        if len(self._ends) >= _MOST_ENDS:
            self._ends.clear()
        self._ends[key] = end
        return end

    def _one_by_one(self, lines: Iterable[tuple[int, bytes]], sorter: Sorter) -> None:
        for number, line in lines:
            if not line.strip():
                continue
            self.tally.lines += 1
            try:
                entry = self._entry(line)
            except BadLine as error:
                self.tally.leave_out(f"{self._name}:{number}", error)
            else:
                self.methods[entry.record.method] += 1
                sorter.add(entry)

    def _entry(self, line: bytes) -> Entry:
        request = self._reader.read(line)
        named = request.host or self._host
        if named is None:
            raise BadLine(NO_HOST, "names no host: give --host")
        try:
            record = Record(request.time_s, request.method, named, request.target, request.headers)
        except FieldError as error:
            raise BadLine(NOT_REPLAYABLE, str(error)) from error
        if request.request_id and self._known_ids.is_repeat(request.request_id):
            raise NotARequest(REPEATED, "has the id of an earlier line: it was logged twice")
        if request.is_begin:
            self.tally.time(request.duration_s or 0.0)
        if self._redaction is not None:
            record = self._redaction.redacted(record)
        return Entry(record, request.is_whole_second)


class _Split:
    """The lines of a block with their numbers, split only if one of them is asked for."""

    def __init__(self, block: bytes, number: int) -> None:
        self._block = block
        self._number = number
        self._lines: list[bytes] = []

    def line(self, at: int) -> tuple[int, bytes]:
        self._lines = self._lines or self._block.split(b"\n")
        return self._number + at, self._lines[at]


def _has_long_line(block: bytes) -> bool:
    begin = 0
    while len(block) - begin >= MAX_LINE_BYTES:
        end = block.rfind(b"\n", begin, begin + MAX_LINE_BYTES)
        if end < 0:
            return True
        begin = end + 1
    return False


def _exists(time: bytes) -> bool:
    try:
        local_second(time)
    except BadLine:
        return False
    return True
