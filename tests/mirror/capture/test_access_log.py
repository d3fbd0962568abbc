"""Checks how log lines become entries of a capture."""

import io
import json
from contextlib import closing

import pytest

from mirror.capture import access_log
from mirror.capture.access_log import LogImport
from mirror.capture.redaction import Redaction
from mirror.capture.sorter import Sorter
from mirror.core.record import Record, decode, encode_header
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


def read(
    lines: bytes, host: str | None = "b.example", redaction: Redaction | None = None
) -> tuple[list[Record], Tally]:
    log = LogImport("a.log", LineReader(), host, redaction)
    with closing(Sorter(None)) as sorter:
        log.read(io.BytesIO(lines), sorter)
        chunks = [chunk for _, _, chunk in sorter.lines()] if sorter.number else []
    written = b"".join(chunks).splitlines(keepends=True)
    return list(decode([encode_header(), *written], "capture")), log.tally


def test_line_becomes_an_entry() -> None:
    headers = (("user-agent", "Mozilla/5.0 (X11)"), ("referer", "https://example.com/a"))
    record = Record(1767193199.0, "GET", "b.example", "/watch/7?x=1", headers)
    assert read(COMBINED + b"\r\n") == ([record], Tally(lines=1))


def test_host_of_the_line_comes_first() -> None:
    ((entry,), _) = read(json_line())
    assert (entry.host, entry.time_s) == ("a.example", 5.5)


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


LINES = [
    COMBINED,
    COMBINED.replace(b"/watch/7", b"/watch/8"),
    COMBINED.replace(b"GET", b"POST").replace(b"x=1", b"token=1&a=2"),
    COMBINED.replace(b"example.com/a", b"example.com/a?token=1"),
    COMBINED.replace(b"https://example.com/a", b"-").replace(b"Mozilla/5.0 (X11)", b"-"),
    COMBINED + b' "www.example.com"',
    COMBINED + b' "192.0.2.7"',
    COMBINED.replace(b"X11", rb"\x22"),
    COMBINED.replace(b"X11", b"\xe3\x81\x82"),
    COMBINED.replace(b"/watch/7", rb"/\xE3"),
    COMBINED.replace(b"/watch/7", b"/<a>'&"),
    COMBINED.replace(b"/watch/7", b"//"),
    COMBINED.replace(b"GET", b"CONNECT"),
    COMBINED.replace(b"31/Dec", b"32/Dec"),
    COMBINED.replace(b"10.0.0.1", b"2001:db8::1"),
    b"www.example.com:443 " + COMBINED,
    b"bad",
    json_line().strip(),
]


@pytest.mark.parametrize("is_redacted", [False, True])
def test_blocks_and_lines_are_written_alike(
    monkeypatch: pytest.MonkeyPatch, is_redacted: bool
) -> None:
    content = b"\n".join(LINES * 2)
    redactions = [Redaction(keeps_bodies=False) if is_redacted else None for _ in range(2)]
    at_once = read(content, redaction=redactions[0])
    monkeypatch.setattr(access_log, "logged_lines", lambda block: [])
    assert read(content, redaction=redactions[1]) == at_once
    assert at_once[1].lost.total() == 6
    counts = [one.redactor.places for one in redactions if one is not None]
    assert counts == [{"query key token": 4}] * 2 * is_redacted


def test_remembered_ends_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_MOST_ENDS", 2)
    lines = b"\n".join(COMBINED.replace(b"X11", b"%d" % number) for number in range(9))
    records, _ = read(lines)
    assert [record.headers[0][1] for record in records] == [f"Mozilla/5.0 ({n})" for n in range(9)]
