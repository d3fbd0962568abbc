"""Checks how log lines become entries of a capture."""

import io
import json

import pytest

from mirror.capture.access_log import read_log
from mirror.capture.entries import Entry, Item
from mirror.core.record import Record
from mirror.formats.access_log import MAX_LINE_BYTES, KnownIds

COMBINED = (
    b'10.0.0.1 - - [31/Dec/2025:23:59:59 +0900] "GET /watch/7?x=1 HTTP/1.1" 200 512 '
    b'"https://example.com/a" "Mozilla/5.0 (X11)"'
)


def json_line(**keys: object) -> bytes:
    line = {"time": 5.5, "method": "GET", "uri": "/", "host": "a.example"} | keys
    return json.dumps(line).encode() + b"\n"


def read(lines: bytes, host: str | None = "b.example") -> list[Item]:
    return list(read_log(io.BytesIO(lines), host, KnownIds()))


def test_line_becomes_an_entry() -> None:
    headers = (("user-agent", "Mozilla/5.0 (X11)"), ("referer", "https://example.com/a"))
    record = Record(1767193199.0, "GET", "b.example", "/watch/7?x=1", headers)
    assert read(COMBINED + b"\r\n") == [Entry(record, is_whole_second=True)]


def test_host_of_the_line_comes_first() -> None:
    (entry,) = read(json_line())
    assert isinstance(entry, Entry)
    assert (entry.record.host, entry.is_whole_second) == ("a.example", False)


def test_line_without_a_host_asks_for_one() -> None:
    assert read(COMBINED + b"\n" + json_line(host="-"), host=None) == [
        "1: names no host: give --host",
        "2: names no host: give --host",
    ]


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
    (item,) = read(line)
    assert isinstance(item, str) and item.startswith("1: ") and why in item


def test_empty_lines_are_nothing() -> None:
    one, three = read(b"x\n\n" + json_line())
    assert one == "1: neither a JSON object nor the combined format"
    assert isinstance(three, Entry)


def test_request_that_is_logged_twice_is_imported_once() -> None:
    line = json_line(request_id="a" * 32)
    first, second = read(line * 2)
    assert isinstance(first, Entry)
    assert second == "2: has the id of an earlier line: nginx logged the request twice"
