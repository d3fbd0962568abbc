"""Checks which heads are read here where the parser refuses them, and what the parser is told."""

import httptools
import pytest

from mirror.core.opaque_head import (
    PlainChunks,
    begins_opaque_request,
    read_opaque_request,
    read_opaque_response,
    response_head_end,
)


@pytest.mark.parametrize(
    ("lines", "method", "target", "flat", "plain"),
    [
        (
            b"BAN /caf\xc3\xa9#\x01 HTTP/1.1\r\nHost: h\r\nA:\t\x01 \x7f\t \r\nContent-Length: 3",
            b"BAN",
            b"/caf\xc3\xa9#\x01",
            [b"Host", b"h", b"A", b"\x01 \x7f", b"Content-Length", b"3"],
            b"GET / HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
        ),
        (b"get * HTTP/1.0", b"get", b"*", [], b"GET / HTTP/1.0\r\n\r\n"),
        (
            b"A / HTTP/1.1\r\nProxy-Connection: \x01",
            b"A",
            b"/",
            [b"Proxy-Connection", b"\x01"],
            b"GET / HTTP/1.1\r\n\r\n",
        ),
        (
            b"A / HTTP/1.7\r\nConnection: close\r\nContent-Length: 00\r\nUpgrade: \x01",
            b"A",
            b"/",
            [b"Connection", b"close", b"Content-Length", b"00", b"Upgrade", b"\x01"],
            b"GET / HTTP/1.1\r\nConnection: close\r\nContent-Length: 00\r\nUpgrade: x\r\n\r\n",
        ),
    ],
)
def test_a_request_is_read(
    lines: bytes, method: bytes, target: bytes, flat: list[bytes], plain: bytes
) -> None:
    head = read_opaque_request(lines)
    assert head is not None
    assert (head.method, head.target, head.flat, head.plain) == (method, target, flat, plain)


@pytest.mark.parametrize("framing", [b"content-length: 1", b"TRANSFER-ENCODING: chunked"])
def test_an_upgrade_with_a_body_is_ignored(framing: bytes) -> None:
    head = read_opaque_request(b"POST / HTTP/1.1\r\nUPGRADE: h2c\r\n" + framing)
    assert head is not None
    assert head.plain == b"GET / HTTP/1.1\r\n%b\r\n\r\n" % framing


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"GET /a",
        b"GET /a b HTTP/1.1",
        b"GET  /a HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GET / HTTP/1.10",
        b"GET / http/1.1",
        b"GET / HTTP/1.1 ",
        *(b"GET /a%cb HTTP/1.1" % byte for byte in b"\0\t\n\v\f\r "),
        *(b"GET / HTTP/1.1\r\nA: 1%c2" % byte for byte in b"\0\r\n"),
        b"GET / HTTP/1.1\r\nA : 1",
        b"GET / HTTP/1.1\r\n A: 1",
        b"GET / HTTP/1.1\r\nA: 1\r\n 2",
        b"GET / HTTP/1.1\r\nA",
        b"GET / HTTP/1.1\r\n: 1",
        b"GET / HTTP/1.1\r\n\xc3\xa9: 1",
        b"GET / HTTP/1.1\r\n\r\nA: 1",
        *(
            b"GET / HTTP/1.1\r\n%b: 1\x0c" % name
            for name in (b"content-length", b"Transfer-Encoding", b"Connection")
        ),
    ],
)
def test_what_could_be_framed_differently_is_not_read(lines: bytes) -> None:
    assert read_opaque_request(lines) is None
    assert read_opaque_response(lines) is None


@pytest.mark.parametrize(
    "data", [b"", b"B", b"BAN", b"BAN /\xff", b"BAN / HTTP/1.1", b"BAN / HTTP/1.1\r\nA\x01: "]
)
def test_the_start_of_a_head_is_awaited(data: bytes) -> None:
    assert begins_opaque_request(data)


@pytest.mark.parametrize(
    "data", [b"\x16\x03", b"B(", b"BAN /\t", b"BAN / SPDY", b"BAN /\n", b"BAN /\r\r", b"x\r\n"]
)
def test_what_becomes_no_head_is_not_awaited(data: bytes) -> None:
    assert not begins_opaque_request(data)


@pytest.mark.parametrize(
    ("lines", "reason", "flat", "plain"),
    [
        (b"HTTP/1.1 200", b"", [], b"HTTP/1.1 200 OK\r\n\r\n"),
        (b"HTTP/1.0 999 \x01\nA: 1\r\nb:2\n", None, [], b""),
        (
            b"HTTP/1.3 600 O\x01\nA: \xff\r\nContent-Length: 2",
            b"O\x01",
            [b"A", b"\xff", b"Content-Length", b"2"],
            b"HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\n",
        ),
    ],
)
def test_a_response_is_read(
    lines: bytes, reason: bytes | None, flat: list[bytes], plain: bytes
) -> None:
    head = read_opaque_response(lines)
    if reason is None:
        assert head is None
        return
    assert head is not None
    assert (head.reason, head.flat, head.plain) == (reason, flat, plain)


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", (0, 0)),
        (b"HTT", (0, 0)),
        (b"HTTP/1.1 200 O", (0, 0)),
        (b"HTTP/1.1 200 OK\n", (0, 0)),
        (b"HTTP/1.1 200 OK\nA: 1\r\n", (0, 0)),
        (b"HTTP/1.1 200 OK\nA: 1\n\nbody", (20, 22)),
        (b"HTTP/1.1 200 OK\r\n\r\nbody", (15, 19)),
        (b"HTTP/1.1 200 OK\n\r\nbody", (15, 18)),
        (b"SSH", (-1, -1)),
        (b"HTTP/1.1 20\r\n", (-1, -1)),
        (b"HTTP/2.0", (-1, -1)),
    ],
)
def test_end_of_a_response_head(data: bytes, end: tuple[int, int]) -> None:
    assert response_head_end(data) == end


def test_the_parser_takes_the_plain_head() -> None:
    head = read_opaque_request(b"BAN /\xff HTTP/1.1\r\nContent-Length: 0")
    assert head is not None
    parser = httptools.HttpRequestParser(object())
    parser.feed_data(head.plain)
    assert parser.should_keep_alive()


@pytest.mark.parametrize(
    ("body", "plain"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", None),
        (b"5; some; a=b \r\nhello\r\n0;x\r\nT: 1;2\r\n\r\n", b"5\r\nhello\r\n0\r\nT: 1;2\r\n\r\n"),
        (b"A \t;\xff\r\n5; no\r\nab\r\n\r\n0\r\n\r\n", b"A\r\n5; no\r\nab\r\n\r\n0\r\n\r\n"),
        (b"5 \r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n", None),
        *((b"5;a%cb\r\nhello\r\n0\r\n\r\n" % byte, None) for byte in b"\0\r\n"),
        (b"x;a\r\nhello", None),
        (b"5\n;a\r\n", None),
        (b"5;" + b"x" * 5000 + b"\r\nhello", b"5\r\nhello"),
    ],
)
def test_extensions_are_removed_and_nothing_else(body: bytes, plain: bytes | None) -> None:
    assert PlainChunks().plain(body) == (body if plain is None else plain)


def test_chunks_are_plain_at_every_cut() -> None:
    body = b"5; some; a=b \r\nhello\r\n10;x\r\n0123456789;abcde\r\n0;x\r\nT: 1;2\r\n\r\n"
    whole = PlainChunks().plain(body)
    for cut in range(len(body)):
        chunks = PlainChunks()
        assert chunks.plain(body[:cut]) + chunks.plain(body[cut:]) == whole
    chunks = PlainChunks()
    assert b"".join(chunks.plain(body[at : at + 1]) for at in range(len(body))) == whole


def test_a_held_line_is_known() -> None:
    chunks = PlainChunks()
    assert (chunks.plain(b"2\r\nab\r\n"), chunks.is_within_line) == (b"2\r\nab\r\n", False)
    assert (chunks.plain(b"5;"), chunks.is_within_line) == (b"", True)
    assert (chunks.plain(b"\r\n"), chunks.is_within_line) == (b"5\r\n", False)


def test_a_line_without_end_is_not_held_for_ever() -> None:
    chunks = PlainChunks()
    assert chunks.plain(b"5;" + b"x" * 4000) == b""
    assert chunks.plain(b"x" * 1000) != b""
