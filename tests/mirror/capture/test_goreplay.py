"""Checks reading GoReplay's files: requests, responses, and damaged files."""

import io

import pytest

from mirror.capture import goreplay
from mirror.capture.entries import Entry, Item
from mirror.capture.goreplay import START, read_goreplay
from mirror.formats.capture.record import Record

END = "\n\U0001f435\U0001f648\U0001f649\n".encode()
META = b"1 8f3a 1767193199125000000 0\n"
GET = b"GET /a?b HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\nConnection: close\r\n\r\n"


def read(data: bytes) -> list[Item]:
    return list(read_goreplay(io.BytesIO(data), None))


def test_a_request_is_read() -> None:
    expected = Record(1767193199.125, "GET", "a.example", "/a?b", (("Accept", "*/*"),))
    assert START.match(META)
    for data in (META + GET + END, META + GET):
        assert read(data) == [Entry(expected)]


def test_responses_are_left_alone() -> None:
    response = b"2 8f3a 1767193199125000000 10\nHTTP/1.1 200 OK\r\n\r\n" + END
    assert len(read(META + GET + END + response + META + GET + END)) == 2


def test_bodies_are_read_by_their_framing() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na\n\nb"
    chunked = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\nab\r\n2\r\ncd\r\n0\r\nx-trailer: 1\r\n\r\n"
    )
    one, two = read(META + post + END + META + chunked + END)
    assert isinstance(one, Entry) and isinstance(two, Entry)
    assert (one.record.body, one.record.is_chunked) == (b"a\n\nb", False)
    assert (two.record.body, two.record.is_chunked, two.record.headers) == (b"abcd", True, ())


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"hello\n" + GET, "no meta line"),
        (META + b"GET / HTTP/1.1\r\nHost: a\r\n", "ends before"),
        (META + b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na", "ends before"),
        (META + b"GET / HTTP/1.1\r\n\r\n", "names 0 hosts"),
        (META + b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "names 2 hosts"),
        (META + b"\x16\x03\x01", "not one HTTP request"),
        (META + GET.replace(b": close", b": keep-alive") * 2, "not one HTTP request"),
        (META + b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "upgrade"),
    ],
)
def test_damage_says_why(payload: bytes, why: str) -> None:
    bad, good = read(payload + END + META + GET + END)
    assert isinstance(bad, str) and bad.startswith("payload 1: ") and why in bad
    assert isinstance(good, Entry)


def test_split_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (META + GET + END) * 2
    whole = read(data)
    for size in range(1, 60):
        monkeypatch.setattr(goreplay, "_READ_BYTES", size)
        assert read(data) == whole


def test_overlong_payload_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(goreplay, "MOST_PAYLOAD_BYTES", 300)
    monkeypatch.setattr(goreplay, "_READ_BYTES", 64)
    data = META + GET + b"x" * 5000 + END + META + GET + END
    bad, good = read(data)
    assert isinstance(bad, str) and "longer than 300" in bad
    assert isinstance(good, Entry)


def test_a_given_host_is_that_of_requests_without_one() -> None:
    bare = META + b"GET / HTTP/1.0\r\n\r\n" + END
    entries = list(read_goreplay(io.BytesIO(bare + META + GET + END), "b.example"))
    assert [e.record.host for e in entries if isinstance(e, Entry)] == ["b.example", "a.example"]
