"""Checks how log lines become entries of a capture."""

import io
import json

import pytest

from mirror.capture.access_log import LogImport
from mirror.capture.entries import Entry
from mirror.core.record import Record
from mirror.formats.access_log.line_reader import LineReader
from mirror.formats.access_log.request import MAX_LINE_BYTES
from mirror.formats.access_log.tally import Tally

COMBINED = (
    b'10.0.0.1 - - [31/Dec/2025:23:59:59 +0900] "GET /watch/7?x=1 HTTP/1.1" 200 512 '
    b'"https://example.com/a" "Mozilla/5.0 (X11)"'
)


def json_line(**keys: object) -> bytes:
    line = {"time": 5.5, "method": "GET", "uri": "/", "host": "a.example"} | keys
    return json.dumps(line).encode() + b"\n"


def read(lines: bytes, host: str | None = "b.example") -> tuple[list[Entry], Tally]:
    log = LogImport("a.log", LineReader(), host)
    return list(log.entries(io.BytesIO(lines))), log.tally


def test_line_becomes_an_entry() -> None:
    headers = (("user-agent", "Mozilla/5.0 (X11)"), ("referer", "https://example.com/a"))
    record = Record(1767193199.0, "GET", "b.example", "/watch/7?x=1", headers)
    assert read(COMBINED + b"\r\n") == ([Entry(record, is_whole_second=True)], Tally(lines=1))


def test_host_of_the_line_comes_first() -> None:
    ((entry,), _) = read(json_line())
    assert (entry.record.host, entry.is_whole_second) == ("a.example", False)


def test_line_without_a_host_asks_for_one() -> None:
    entries, tally = read(COMBINED + b"\n" + json_line(host="-"), host=None)
    assert (entries, tally.lost.total()) == ([], 2)
    assert tally.shown == [f"a.log:{line}: names no host: give --host" for line in (1, 2)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (COMBINED.replace(b"X11", rb"\x0D\x0Ax: 1"), "control characters"),
        (COMBINED.replace(b"/watch", rb"/\x0A"), "target: expected"),
        (COMBINED.replace(b"GET", b"CONNECT"), "method: expected"),
        (json_line(method=""), "method: expected"),
        (json_line(host="a\r\nb"), "host: expected"),
        (b"hello", "neither a JSON object"),
        (b"x" * (3 * MAX_LINE_BYTES), "longer than"),
    ],
)
def test_request_that_cannot_be_replayed_says_why(line: bytes, why: str) -> None:
    entries, tally = read(line)
    assert (entries, tally.lost.total()) == ([], 1)
    assert tally.shown[0].startswith("a.log:1: ") and why in tally.shown[0]


def test_empty_lines_are_nothing() -> None:
    entries, tally = read(b"x\n\n" + json_line())
    assert (len(entries), tally.lines) == (1, 2)
    assert tally.shown == ['a.log:1: neither a JSON object nor a line with [time] "request"']


def test_request_that_is_logged_twice_is_imported_once() -> None:
    entries, tally = read(json_line(request_id="a" * 32) * 2)
    assert (len(entries), tally.lost.total(), tally.others.total()) == (1, 0, 1)
