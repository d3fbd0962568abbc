"""Reads access logs for `mirror import`: the lines of a stream become entries of a capture.

mirror.formats.access_log says what a line means. A log knows less than the request had: of the
headers at most User-Agent and Referer, no body, and in the combined format the time only to the
second.
"""

from collections.abc import Iterator
from typing import BinaryIO

from mirror.capture.entries import Entry, Item
from mirror.core.record import FieldError, Record
from mirror.formats.access_log import MAX_LINE_BYTES, BadLine, KnownIds, read_line


def read_log(stream: BinaryIO, host: str | None, known_ids: KnownIds) -> Iterator[Item]:
    """Yield an entry for each line, or its number and why it has none; empty lines yield nothing.

    `host` is the host of lines that name none. `known_ids` is shared by all logs of one import.
    """
    for number, line in enumerate(_lines(stream), start=1):
        line = line.strip()
        if not line:
            continue
        try:
            entry = _entry(line, host, known_ids)
        except (BadLine, FieldError) as error:
            yield f"{number}: {error}"
        else:
            yield entry


def _entry(line: bytes, host: str | None, known_ids: KnownIds) -> Entry:
    request = read_line(line)
    named = request.host or host
    if named is None:
        raise BadLine("names no host: give --host")
    record = Record(request.time_s, request.method, named, request.target, request.headers)
    if request.request_id and known_ids.is_repeat(request.request_id):
        raise BadLine("has the id of an earlier line: nginx logged the request twice")
    return Entry(record, request.is_whole_second)


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; of one that is too long only the first bytes, so memory stays bounded."""
    while line := stream.readline(MAX_LINE_BYTES):
        yield line
        while len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)
