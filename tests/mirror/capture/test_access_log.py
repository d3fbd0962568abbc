"""Checks how log lines become entries of a capture."""

import io
import json
from contextlib import closing

import pytest

from mirror.capture import access_log
from mirror.capture.access_log import LogImport
from mirror.capture.redaction import Redaction
from mirror.capture.sorter import Sorter
from mirror.formats.access_log.line_reader import LineReader
from mirror.formats.access_log.request import MAX_LINE_BYTES, LoggedRequest
from mirror.formats.access_log.tally import Tally
from mirror.formats.capture.record import Record, decode, encode_header

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
    assert tally.shown == ["a.log:1: names no host: give --host"]


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


OBJECTS = [
    json_line(time="1767193199.250", uri="/a?b=1", request_time="0.125"),
    json_line(request_id="a" * 32),
    json_line(request_id="a" * 32, uri="/again"),
    json_line(uri="/a?token=1&b=2", http_user_agent="curl", http_referer="https://a.example/"),
    json_line(http_referer="https://a.example/?token=1"),
    json_line(http_user_agent="-", user_agent="curl", http_referer="-"),
    json_line(http_user_agent=["curl"], user_agent=5, host=7, server_name="b.example"),
    json_line(http_user_agent="\u3042", host=None),
    json_line(http_user_agent='a \\ "b"', uri="/say"),
    json_line(http_user_agent="a\nb"),
    json_line(uri='/"'),
    json_line(uri="/\u3042"),
    json_line(uri="/a b"),
    json_line(uri="https://c.example/a"),
    json_line(uri="*", method="OPTIONS"),
    json_line(method="CONNECT"),
    json_line(method="-", request="POST /x HTTP/1.1"),
    json_line(method=None, uri=None, request="POST /x HTTP/1.1"),
    json_line(method=None, uri=None, request="-"),
    json_line(request={"uri": "/caddy", "method": "GET", "host": "c.example"}, ts=6.5),
    json_line(host="a b"),
    json_line(time="never"),
    json_line(time=5),
    json_line(time="1970-01-01T00:00:05Z", request_time=0.001),
    json_line(time="9999-01-01T00:00:00Z"),
    json_line(request_time=6),
    json_line(request_time="12ms"),
    json_line(time=None, start_time="1970-01-01T00:00:05.123Z", duration=12),
    json_line(uri=None, log="a line"),
    json_line(uri=None, log=json_line().decode()),
    json_line().replace(b"/", rb"/\xE3"),
    json_line(user_agent="x").replace(b"x", b"\xff"),
    json_line()[:-2] + b"\n",
    json_line().strip() + json_line(),
    json_line().strip() + b"\r\n",
    b" " + json_line(),
    b"\n",
    COMBINED + b"\n",
    json_line(uri="/" + "a" * (MAX_LINE_BYTES - 100)),
    json_line(uri="/" + "b" * MAX_LINE_BYTES),
]


@pytest.mark.parametrize("wrapper", [b"", b"web.1.abc@host    | "])
@pytest.mark.parametrize("is_redacted", [False, True])
def test_objects_and_lines_are_written_alike(
    monkeypatch: pytest.MonkeyPatch, is_redacted: bool, wrapper: bytes
) -> None:
    lines = [line for odd in OBJECTS for line in (json_line(uri="/even"), odd)]
    contents = [
        wrapper + wrapper.join(lines),
        *(wrapper + json_line() + wrapper + odd for odd in OBJECTS),
    ]
    for content in contents:
        redactions = [Redaction(keeps_bodies=False) if is_redacted else None for _ in range(2)]
        at_once = read(content, redaction=redactions[0])
        with monkeypatch.context() as patched:
            patched.setattr(access_log, "read_objects", lambda block: [])
            assert read(content, redaction=redactions[1]) == at_once
        places = [one.redactor.places for one in redactions if one is not None]
        assert places[1:] == places[:1] * is_redacted


def test_objects_that_share_lines_are_no_lines() -> None:
    line = json_line().strip()
    entries, tally = read(line + b" " + line + b"\n" + line.replace(b", ", b",\n", 1) + b"\n")
    assert (len(entries), tally.lines, tally.lost.total()) == (0, 3, 3)


def test_an_odd_object_leaves_the_fast_path_to_the_others() -> None:
    read_by_itself: list[bytes] = []

    class Watched(LineReader):
        def read(self, line: bytes) -> LoggedRequest:
            read_by_itself.append(line)
            return super().read(line)

    log = LogImport("a.log", Watched(), None, Redaction(keeps_bodies=False))
    with closing(Sorter(None)) as sorter:
        log.read(io.BytesIO(json_line() * 9 + b"bad\n" + json_line() * 9), sorter)
    assert (read_by_itself, sorter.number, log.tally.lines) == ([b"bad"], 18, 19)


def test_remembered_ends_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_MOST_ENDS", 2)
    lines = b"\n".join(COMBINED.replace(b"X11", b"%d" % number) for number in range(9))
    records, _ = read(lines)
    assert [record.headers[0][1] for record in records] == [f"Mozilla/5.0 ({n})" for n in range(9)]
