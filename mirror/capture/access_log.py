"""Reads access logs for `mirror import`: the lines of a stream become entries of a capture.

mirror.formats.access_log says what a line means. A log knows less than the request had: of the
headers at most User-Agent and Referer, no body, and in the combined format the time only to the
second.
"""

from collections.abc import Iterator
from typing import BinaryIO

from mirror.capture.entries import Entry
from mirror.core.record import FieldError, Record
from mirror.formats.access_log.blocks import blocks
from mirror.formats.access_log.line_reader import LineReader
from mirror.formats.access_log.request import (
    NO_HOST,
    NOT_REPLAYABLE,
    REPEATED,
    BadLine,
    KnownIds,
    NotARequest,
)
from mirror.formats.access_log.tally import Tally


class LogImport:
    """Reads one log; `tally` counts what was left out."""

    def __init__(self, name: str, reader: LineReader, host: str | None) -> None:
        """`host` is the host of lines that name none."""
        self.tally = Tally()
        self._name = name
        self._reader = reader
        self._host = host
        self._known_ids = KnownIds()

    def entries(self, stream: BinaryIO) -> Iterator[Entry]:
        """Yield an entry for each line that is about a request. Raises NotALog."""
        number = 1
        for block in blocks(stream):
            if not block.isspace():
                yield from self._entries(block, number)
            number += block.count(b"\n")

    def _entries(self, block: bytes, first: int) -> Iterator[Entry]:
        for number, line in enumerate(block.split(b"\n"), start=first):
            if not line.strip():
                continue
            self.tally.lines += 1
            try:
                yield self._entry(line)
            except BadLine as error:
                self.tally.leave_out(f"{self._name}:{number}", error)

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
        return Entry(record, request.is_whole_second)
