"""Checks how request heads become the heads of legs, parsed uncut and one byte at a time."""

import tracemalloc

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core import request_head
from mirror.core.acceptance import probe_request
from mirror.core.hop import Hop
from mirror.core.http1 import CHUNKED, NONE
from mirror.core.request_head import (
    SAFE_METHODS,
    SHADOW_MARK,
    RequestHead,
    foreign_protocol,
    read_request_head,
)
from mirror.errors import RemoteProtocolError


class Reader:
    """Feeds the strict parser and keeps the result of core/request_head.py."""

    def __init__(self, hop: Hop | None = None) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.hop = hop
        self.flat: list[bytes] = []
        self.target = b""
        self.heads: list[RequestHead] = []
        self.body = b""

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self.flat += (name, value)

    def on_headers_complete(self) -> None:
        flat, self.flat = self.flat, []
        target, self.target = self.target, b""
        self.heads.append(read_request_head(self.parser, target, flat, self.hop))

    def on_body(self, data: bytes) -> None:
        self.body += data

    def feed(self, data: bytes) -> None:
        """Feed data; raise RemoteProtocolError, with status 400 for refusals by the parser."""
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
            except httptools.HttpParserError as error:
                cause = error.__context__
                if isinstance(cause, RemoteProtocolError):
                    raise cause from None
                raise RemoteProtocolError(400, "syntax") from error


class Line:
    """The parser's view of a request line, for fields that the real parser would refuse."""

    def __init__(self, method: bytes = b"GET", version: str = "1.1", upgrade: bool = False) -> None:
        self.method = method
        self.version = version
        self.upgrade = upgrade

    def get_method(self) -> bytes:
        return self.method

    def get_http_version(self) -> str:
        return self.version

    def should_keep_alive(self) -> bool:
        return True

    def should_upgrade(self) -> bool:
        return self.upgrade


def read_request(data: bytes, hop: Hop | None = None) -> RequestHead:
    """Read the head of `data` uncut and split at every byte; the results must be equal."""
    whole, split = Reader(hop), Reader(hop)
    whole.feed(data)
    for index in range(len(data)):
        split.feed(data[index : index + 1])
    assert [values_of(head) for head in split.heads] == [values_of(head) for head in whole.heads]
    assert split.body == whole.body
    return whole.heads[0]


def values_of(head: RequestHead) -> dict[str, object]:
    return {name: getattr(head, name) for name in head.__slots__}


GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKS = POST + b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"Connection: upgrade\r\nUpgrade: h2c\r\n"
VIA = b"Via: 1.1 kagami\r\n"
VIA_OLD = b"Via: 1.0 kagami\r\n"
HOP = Hop(b"kagami")

# --- requests that must be refused ---

REFUSED: dict[str, tuple[bytes, int]] = {
    # framing: the end of the body must be unambiguous
    "length and chunked": (
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunked and length": (
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        400,
    ),
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "one length twice": (POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400),
    "list of lengths": (POST + b"Content-Length: 3, 3\r\n\r\nabc", 400),
    "length with plus": (POST + b"Content-Length: +3\r\n\r\nabc", 400),
    "length with minus": (POST + b"Content-Length: -3\r\n\r\nabc", 400),
    "length with a space": (POST + b"Content-Length: 3 3\r\n\r\nabc", 400),
    "hexadecimal length": (POST + b"Content-Length: 0x3\r\n\r\nabc", 400),
    "empty length": (POST + b"Content-Length:\r\n\r\n", 400),
    "length beyond 64 bits": (POST + b"Content-Length: 18446744073709551616\r\n\r\n", 400),
    "length beyond signed 64 bits": (POST + b"Content-Length: 9223372036854775808\r\n\r\n", 400),
    "length of 5,000 digits": (POST + b"Content-Length: %b3\r\n\r\nabc" % (b"0" * 5000), 400),
    "coding and chunked": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked and coding": (POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
    "chunked twice": (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "two codings": (
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "identity": (POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    "identity and chunked": (
        POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    "almost chunked": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    "quoted chunked": (POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', 501),
    "vertical tab chunked": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    "trailing comma": (POST + b"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 400),
    "empty coding": (POST + b"Transfer-Encoding:\r\n\r\n", 400),
    "chunks in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "upgrade with length": (
        POST + UPGRADE + b"Content-Length: 3\r\n\r\nabc",
        501,
    ),
    "upgrade with chunks": (
        POST
        + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    "proxy-connection upgrade with length": (
        POST + b"Proxy-Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
        501,
    ),
    # chunk sizes
    "chunk size with space": (CHUNKS + b"3 \r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with sign": (CHUNKS + b"+3\r\nabc\r\n0\r\n\r\n", 400),
    "chunk size with 0x": (CHUNKS + b"0x3\r\nabc\r\n0\r\n\r\n", 400),
    "empty chunk size": (CHUNKS + b"\r\n\r\n", 400),
    "chunk size beyond 64 bits": (CHUNKS + b"1" * 17 + b"\r\n", 400),
    "chunk longer than its size": (CHUNKS + b"3\r\nabcd\r\n0\r\n\r\n", 400),
    "chunk size with bare LF": (CHUNKS + b"3\nabc\r\n0\r\n\r\n", 400),
    "chunk with bare LF": (CHUNKS + b"3\r\nabc\n0\r\n\r\n", 400),
    "chunk extension with LF": (CHUNKS + b"3;x\ny\r\nabc\r\n0\r\n\r\n", 400),
    "chunk extension with NUL": (CHUNKS + b"3;x=\x00\r\nabc\r\n0\r\n\r\n", 400),
    "last chunk with bare LF": (CHUNKS + b"0\n\n", 400),
    "length in trailers": (CHUNKS + b"0\r\nContent-Length: 5\r\n\r\n", 400),
    "coding in trailers": (CHUNKS + b"0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    # fields
    "space before the colon": (GET + b"A : 1\r\n\r\n", 400),
    "space before the name": (GET + b" A: 1\r\n\r\n", 400),
    "folded field": (GET + b"A: 1\r\n b\r\n\r\n", 400),
    "field folded with a tab": (GET + b"A: 1\r\n\tb\r\n\r\n", 400),
    "bare LF after a field": (GET + b"A: 1\nB: 2\r\n\r\n", 400),
    "bare CR in a field": (GET + b"A: 1\rB: 2\r\n\r\n", 400),
    "bare LF at the end": (GET + b"A: 1\r\n\n", 400),
    "NUL in a value": (GET + b"A: \x00\r\n\r\n", 400),
    "NUL in a name": (GET + b"A\x00: 1\r\n\r\n", 400),
    "control character in a value": (GET + b"A: \x01\r\n\r\n", 400),
    "DEL in a value": (GET + b"A: \x7f\r\n\r\n", 400),
    "empty name": (GET + b": 1\r\n\r\n", 400),
    "bracket in a name": (GET + b"A(: 1\r\n\r\n", 400),
    "no colon": (GET + b"A\r\n\r\n", 400),
    "two hosts": (GET + b"Host: a\r\n\r\n", 400),
    "empty host, then another": (b"GET / HTTP/1.1\r\nHost:\r\nHost: a\r\n\r\n", 400),
    "two hosts in HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "absolute target with two hosts": (
        b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        400,
    ),
    "host with a space": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "host with a slash": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "other expectation": (POST + b"Expect: tea\r\nContent-Length: 3\r\n\r\n", 417),
    "second expectation": (GET + b"Expect: 100-continue\r\nExpect: tea\r\n\r\n", 417),
    # request line
    "bare LF after the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "space in the target": (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "tab in the target": (b"GET /\ta HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "NUL in the target": (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "control character in the target": (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space after the version": (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    "target without slash": (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "asterisk for GET": (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "empty target": (b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute target with a bad host": (b'GET http://b"/ HTTP/1.1\r\nHost: a\r\n\r\n', 400),
    "absolute target of another scheme": (b"GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute target without host": (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute target with user": (b"GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute target with a backslash": (b"GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute target without a path": (b"GET http://a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    "unknown method": (b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "method in lower case": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "space before the method": (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "tab after the method": (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    # versions
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/0.9 by name": (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
    "HTTP/1.10": (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    "HTTP/2.0 by name": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "protocol in lower case": (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    "PROXY protocol": (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n" + GET + b"\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
}


@pytest.mark.parametrize(
    "hop", [None, HOP, Hop(b"kagami", b"::1")], ids=["sink", "inline", "appending"]
)
@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_ambiguous_request_is_refused(data: bytes, status: int, hop: Hop | None) -> None:
    with pytest.raises(RemoteProtocolError) as whole:
        Reader(hop).feed(data)
    assert whole.value.status == status
    split = Reader(hop)
    with pytest.raises(RemoteProtocolError) as refusal:
        for index in range(len(data)):
            split.feed(data[index : index + 1])
    assert refusal.value.status == status


def test_other_major_version_is_refused_by_name() -> None:
    with pytest.raises(RemoteProtocolError, match="505 version"):
        read_request_head(Line(version="3.0"), b"/", [b"Host", b"a"])


def test_error_shows_status_and_reason() -> None:
    with pytest.raises(RemoteProtocolError, match="^400 host$") as refusal:
        read_request(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
    assert refusal.value.reason == "host"


@pytest.mark.parametrize(
    "fields",
    [
        [b"Content-Length", b"+1"],
        [b"Content-Length", b""],
        [b"Content-Length", b"1", b"Content-Length", b"1"],
        [b"Content-Length", b"+1", b"TE", b"trailers"],
        [b"Content-Length", b"1", b"Transfer-Encoding", b"chunked"],
    ],
)
def test_framing_is_checked_again(fields: list[bytes]) -> None:
    """Checks that we refuse these as well, although the parser already does."""
    with pytest.raises(RemoteProtocolError, match="400 framing"):
        read_request_head(Line(b"POST"), b"/", [b"Host", b"a", *fields])


# --- requests that are forwarded ---

FORWARDED: dict[str, tuple[bytes, bytes, bytes]] = {
    # name: (request, head of the primary leg, head of the shadow leg without its mark)
    "plain": (
        GET + b"A: 1\r\nB:2\r\nC:\r\n\r\n",
        GET + b"A: 1\r\nB: 2\r\nC: \r\n" + VIA,
        GET + b"A: 1\r\nB: 2\r\nC: \r\n",
    ),
    "query": (
        b"GET /x?a=%20&b[]=1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /x?a=%20&b[]=1 HTTP/1.1\r\nHost: a\r\n" + VIA,
        b"GET /x?a=%20&b[]=1 HTTP/1.1\r\nHost: a\r\n",
    ),
    "repeated fields keep their order": (
        GET + b"Cookie: a\r\nX: 1\r\nCookie: b\r\n\r\n",
        GET + b"Cookie: a\r\nX: 1\r\nCookie: b\r\n" + VIA,
        GET + b"Cookie: a\r\nX: 1\r\nCookie: b\r\n",
    ),
    "bytes above ASCII in a value": (
        GET + b"A: \xc3\xa9\r\n\r\n",
        GET + b"A: \xc3\xa9\r\n" + VIA,
        GET + b"A: \xc3\xa9\r\n",
    ),
    "percent signs in names and values": (
        GET + b"A%b: %d%\r\n%s: %\r\n\r\n",
        GET + b"A%b: %d%\r\n%s: %\r\n" + VIA,
        GET + b"A%b: %d%\r\n%s: %\r\n",
    ),
    "host comes first": (
        b"GET / HTTP/1.1\r\nA: 1\r\nhOST:  a:8080 \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:8080\r\nA: 1\r\n" + VIA,
        b"GET / HTTP/1.1\r\nHost: a:8080\r\nA: 1\r\n",
    ),
    "the hops before are named first": (
        GET + b"Via: 1.1 nginx\r\n\r\n",
        GET + b"Via: 1.1 nginx\r\n" + VIA,
        GET + b"Via: 1.1 nginx\r\n",
    ),
    "hop-by-hop fields stay here": (
        GET
        + b"Connection: keep-alive\r\nKeep-Alive: 1\r\nTE: gzip\r\n"
        + b"Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nB: 2\r\n\r\n",
        GET + b"B: 2\r\n" + VIA,
        GET + b"B: 2\r\n",
    ),
    "trailers are asked for on the next hop": (
        GET + b"Connection: TE\r\nTE: deflate;q=0.5, Trailers\r\n\r\n",
        GET + VIA + b"TE: trailers\r\nConnection: te\r\n",
        GET,
    ),
    "announced trailers are passed on": (
        CHUNKS[:-2] + b"Trailer: T\r\n\r\n0\r\nT: 1\r\n\r\n",
        POST + b"Trailer: T\r\n" + VIA + b"Transfer-Encoding: chunked\r\n",
        POST + b"Trailer: T\r\nTransfer-Encoding: chunked\r\n",
    ),
    "nominated fields stay here": (
        GET + b"X-A: 1\r\nConnection: x-a, close\r\nX-B: 2\r\nconnection: ,X-C\r\nx-c: 3\r\n\r\n",
        GET + b"X-B: 2\r\n" + VIA,
        GET + b"X-B: 2\r\n",
    ),
    "a nominated host is kept": (GET + b"Connection: host\r\n\r\n", GET + VIA, GET),
    "the mode is taken off": (
        GET + b"X-Mirror-Mode: x\r\nA: 1\r\n\r\n",
        GET + b"A: 1\r\n" + VIA,
        GET + b"A: 1\r\n",
    ),
    "the mark is taken off": (GET + b"X-Mirror-Leg: shadow\r\n\r\n", GET + VIA, GET),
    "length": (
        POST + b"Content-Length: 3\r\n\r\nabc",
        POST + VIA + b"Content-Length: 3\r\n",
        POST + b"Content-Length: 3\r\n",
    ),
    "length with zeros and spaces": (
        POST + b"Content-Length: \t003 \r\n\r\nabc",
        POST + VIA + b"Content-Length: 3\r\n",
        POST + b"Content-Length: 3\r\n",
    ),
    "chunks": (
        CHUNKS + b"3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n",
        POST + VIA + b"Transfer-Encoding: chunked\r\n",
        POST + b"Transfer-Encoding: chunked\r\n",
    ),
    "chunked in capitals": (
        POST + b"Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        POST + VIA + b"Transfer-Encoding: chunked\r\n",
        POST + b"Transfer-Encoding: chunked\r\n",
    ),
    "no body": (POST + b"\r\n", POST + VIA, POST),
    "expectation": (
        POST + b"Expect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc",
        POST + VIA + b"Expect: 100-continue\r\nContent-Length: 3\r\n",
        POST + b"Content-Length: 3\r\n",
    ),
    "expectation without body": (GET + b"Expect: 100-continue\r\n\r\n", GET + VIA, GET),
    "expectation in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nHost: a\r\nExpect: tea\r\nContent-Length: 3\r\n\r\nabc",
        POST + VIA_OLD + b"Content-Length: 3\r\n",
        POST + b"Content-Length: 3\r\n",
    ),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", GET + VIA_OLD, GET),
    "HTTP/1.0 without host": (
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \r\n" + VIA_OLD,
        b"GET / HTTP/1.1\r\nHost: \r\n",
    ),
    "absolute form": (
        b"GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /x?y HTTP/1.1\r\nHost: b:81\r\n" + VIA,
        b"GET /x?y HTTP/1.1\r\nHost: b:81\r\n",
    ),
    "absolute form without path": (
        b"GET HTTP://b?y HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /?y HTTP/1.1\r\nHost: b\r\n" + VIA,
        b"GET /?y HTTP/1.1\r\nHost: b\r\n",
    ),
    "absolute form of HTTP/1.0": (
        b"GET https://b HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: b\r\n" + VIA_OLD,
        b"GET / HTTP/1.1\r\nHost: b\r\n",
    ),
    "asterisk": (
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n" + VIA,
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n",
    ),
    "a whole server in absolute form": (
        b"OPTIONS http://b:81 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: b:81\r\n" + VIA,
        b"OPTIONS * HTTP/1.1\r\nHost: b:81\r\n",
    ),
    "host that nginx accepts": (
        b"GET / HTTP/1.1\r\nHost: a#b?c\\d\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a#b?c\\d\r\n" + VIA,
        b"GET / HTTP/1.1\r\nHost: a#b?c\\d\r\n",
    ),
    "IPv6 host": (
        b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n" + VIA,
        b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n",
    ),
    "empty lines before": (b"\r\n\r\n" + GET + b"\r\n", GET + VIA, GET),
    "upgrade": (
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n",
        GET + b"Sec-WebSocket-Key: k\r\n" + VIA + b"Upgrade: websocket\r\nConnection: upgrade\r\n",
        GET + b"Sec-WebSocket-Key: k\r\n",
    ),
    "upgrade to one of several": (
        GET + b"Connection: te, upgrade\r\nUpgrade: a\r\nTE: trailers\r\nUpgrade: b/2\r\n\r\n",
        GET + VIA + b"Upgrade: a, b/2\r\nConnection: upgrade\r\n",
        GET,
    ),
    "upgrade with an empty body": (
        POST + b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n",
        POST + VIA + b"Upgrade: x\r\nConnection: upgrade\r\nContent-Length: 0\r\n",
        POST + b"Content-Length: 0\r\n",
    ),
    "upgrade to HTTP/2": (
        GET + UPGRADE + b"HTTP2-Settings: x\r\n\r\n",
        GET + b"HTTP2-Settings: x\r\n" + VIA,
        GET + b"HTTP2-Settings: x\r\n",
    ),
    "upgrade that Connection does not ask for": (
        GET + b"Proxy-Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        GET + VIA,
        GET,
    ),
    "upgrade in HTTP/1.0": (
        b"GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        GET + VIA_OLD,
        GET,
    ),
}


@pytest.mark.parametrize(("data", "primary", "shadow"), FORWARDED.values(), ids=FORWARDED)
@pytest.mark.parametrize("hop", [None, HOP], ids=["sink", "inline"])
def test_each_leg_is_written_anew(
    hop: Hop | None, data: bytes, primary: bytes, shadow: bytes
) -> None:
    head = read_request(data, hop)
    expected = (
        primary if hop else primary.replace(VIA, b"").replace(VIA_OLD, b"")
    )  # without a hop there is no Via
    assert head.to_primary() == expected + b"\r\n"
    body = b"abc" if head.framing is not NONE and b"abc" in data else b""
    written = body
    if head.framing is CHUNKED:
        written = (b"3\r\nabc\r\n" if body else b"") + b"0\r\nT: 1\r\n\r\n"
    assert head.to_shadow(body, [b"T", b"1"]) == shadow + SHADOW_MARK + b"\r\n" + written


@pytest.mark.parametrize(
    ("data", "keep_alive"),
    [
        (GET + b"\r\n", True),
        (GET + b"Connection: close\r\n\r\n", False),
        (GET + b"Connection: a, Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", False),
    ],
)
def test_connection_is_kept_where_both_may(data: bytes, keep_alive: bool) -> None:
    assert read_request(data).keep_alive is keep_alive


def test_mark_shows_a_mirrored_request() -> None:
    copy = read_request(GET + SHADOW_MARK + b"\r\n")
    assert (copy.is_shadow, copy.is_probe) == (True, False)
    probe = read_request(probe_request("a", keep_alive=False))
    assert (probe.is_shadow, probe.is_probe) == (True, True)
    assert not read_request(GET + b"\r\n").is_shadow


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        (b"", b""),
        (b"X-Request-Id: 4a\r\n", b"4a"),
        (b"Accept: */*\r\nx-REQUEST-id:\t4a \r\nX-Request-Id: 4b\r\n", b"4a"),
        (b"X-Request-Id:\r\n", b""),
        (b"X-Request-Idle: 4a\r\nAccept: x-request-id: 4b\r\n", b""),
    ],
)
def test_a_field_is_found_by_its_name(fields: bytes, value: bytes) -> None:
    head = read_request(b"GET /x-request-id: HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
    assert head.field(b"x-request-id") == value


def test_upgrade_is_seen_and_the_next_request_too() -> None:
    reader = Reader()
    reader.feed(GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + GET + b"\r\n")
    assert [head.upgrade for head in reader.heads] == [b"websocket", b""]


def test_own_legs_are_read_back_the_same() -> None:
    head = read_request(POST + b"A: 1\r\nContent-Length: 3\r\n\r\nabc", HOP)
    hop = values_of(read_request(head.to_primary() + b"abc"))
    assert hop == values_of(head) | {"start": head.start + VIA, "via": b""}
    copy = read_request(head.to_shadow(b"abc", []))
    assert copy.is_shadow
    assert (copy.start, copy.content_length) == (head.start, 3)


def test_safe_methods_are_those_of_the_rfc() -> None:
    assert {b"GET", b"HEAD", b"OPTIONS", b"TRACE"} == SAFE_METHODS


def test_hosts_are_checked_once_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_head, "_hosts", set())
    monkeypatch.setattr(request_head, "_MOST_HOSTS", 3)
    for number in range(10):
        start = b"GET / HTTP/1.1\r\nHost: h%d\r\n" % number
        assert read_request(start + b"\r\n").start == start
        assert b"h%d" % number in request_head._hosts
        assert len(request_head._hosts) <= 3


def test_long_host_is_checked_every_time() -> None:
    longest = request_head._MOST_HOST_BYTES
    for size in (longest, longest + 1):
        host = b"l" * size
        for _ in range(2):
            assert read_request(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host).host == host
        assert (host in request_head._hosts) is (size == longest)


# --- Via ---


@pytest.mark.parametrize(
    "via",
    [
        b"Via: 1.1 kagami",
        b"VIA: 1.0 other, 1.1 kagami (comment)",
        b"Via: 1.1 other\r\nvia: HTTP/1.1 kagami",
    ],
)
def test_a_request_that_passed_here_is_a_loop(via: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="^508 loop$"):
        read_request(GET + via + b"\r\n\r\n", HOP)
    read_request(GET + via + b"\r\n\r\n", hop=None)  # in mode sink we are no hop


@pytest.mark.parametrize(
    "fields",
    [
        b"Via: 1.1 kagami-2, 1.1 xkagami",
        b"X-Via: 1.1 kagami",
        b"Referer: https://example.com/kagami",
        b"Via: kagami.example",
    ],
)
def test_another_name_in_via_is_no_loop(fields: bytes) -> None:
    read_request(GET + fields + b"\r\n\r\n", HOP)


# --- Max-Forwards ---

TRACE = b"TRACE / HTTP/1.1\r\nHost: a\r\n"
OPTIONS = b"OPTIONS / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("start", [TRACE, OPTIONS])
@pytest.mark.parametrize(
    ("value", "written", "is_last"),
    [(b"5", b"4", False), (b" 010 ", b"9", False), (b"1", b"0", False), (b"0", b"0", True)],
)
def test_hops_are_counted_down(start: bytes, value: bytes, written: bytes, is_last: bool) -> None:
    head = read_request(start + b"A: 1\r\nmax-forwards:" + value + b"\r\nB: 2\r\n\r\n", HOP)
    assert head.start == start + b"A: 1\r\nmax-forwards: " + written + b"\r\nB: 2\r\n"
    assert head.is_last_hop is is_last


@pytest.mark.parametrize("start", [TRACE, OPTIONS])
def test_hops_without_a_count_are_unlimited(start: bytes) -> None:
    head = read_request(start + b"\r\n", HOP)
    assert (head.start, head.is_last_hop) == (start, False)


def test_other_methods_are_not_counted_down() -> None:
    head = read_request(GET + b"Max-Forwards: 0\r\n\r\n", HOP)
    assert (head.start, head.is_last_hop) == (GET + b"Max-Forwards: 0\r\n", False)


def test_a_copy_is_no_hop() -> None:
    head = read_request(TRACE + b"Max-Forwards: 0\r\n\r\n", hop=None)
    assert (head.start, head.is_last_hop) == (TRACE + b"Max-Forwards: 0\r\n", False)


@pytest.mark.parametrize("value", [b"", b"-1", b"x", b"1, 1", b"1" * 19])
def test_count_that_is_no_number_is_passed_on(value: bytes) -> None:
    head = read_request(TRACE + b"Max-Forwards: " + value + b"\r\n\r\n", HOP)
    assert (head.start, head.is_last_hop) == (TRACE + b"Max-Forwards: " + value + b"\r\n", False)


def test_two_counts_are_passed_on() -> None:
    head = read_request(TRACE + b"Max-Forwards: 1\r\nMAX-FORWARDS: 0\r\n\r\n", HOP)
    assert head.start == TRACE + b"Max-Forwards: 1\r\nMAX-FORWARDS: 0\r\n"
    assert not head.is_last_hop


def test_trace_shows_the_request_without_secrets() -> None:
    secrets = b"Cookie: c\r\nAUTHORIZATION: a\r\nproxy-authorization: p\r\n"
    head = read_request(TRACE + b"A: 1\r\n" + secrets + b"B: 2\r\nMax-Forwards: 0\r\n\r\n", HOP)
    answer, _, body = head.to_last_answer(close=False).partition(b"\r\n\r\n")
    assert body == TRACE + b"A: 1\r\nB: 2\r\nMax-Forwards: 0\r\n\r\n"
    assert answer == (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nContent-Type: message/http" % len(body)
    )


def test_last_answer_to_options_is_empty() -> None:
    head = read_request(OPTIONS + b"Max-Forwards: 0\r\n\r\n", HOP)
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
    assert head.to_last_answer(close=False) == start + b"\r\n"
    assert head.to_last_answer(close=True) == start + b"Connection: close\r\n\r\n"


# --- X-Forwarded-For ---


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        (b"", b"X-Forwarded-For: ::1\r\n"),
        (b"A: 1\r\n", b"A: 1\r\nX-Forwarded-For: ::1\r\n"),
        (
            b"x-forwarded-for: b, c\r\nA: 1\r\nX-FORWARDED-FOR: d\r\n",
            b"A: 1\r\nX-Forwarded-For: b, c, d, ::1\r\n",
        ),
    ],
)
def test_nearest_address_is_appended_last(fields: bytes, written: bytes) -> None:
    assert read_request(GET + fields + b"\r\n", Hop(b"kagami", b"::1")).start == GET + written
    assert read_request(GET + fields + b"\r\n", HOP).start == GET + fields, "unless asked to"


# --- properties ---

TOKEN = st.from_regex(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
VALUE = st.from_regex(rb"([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,10}[!-~\x80-\xff])?)?", fullmatch=True)
BETWEEN_HOPS = frozenset(
    {
        *(b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"),
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"x-mirror-leg"),
        b"x-mirror-mode",
    }
)


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=8), st.lists(TOKEN, max_size=3))
def test_legs_carry_what_is_end_to_end(
    fields: list[tuple[bytes, bytes]], nominated: list[bytes]
) -> None:
    fields = [(name, value) for name, value in fields if name.lower() not in BETWEEN_HOPS]
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    head = read_request(GET + lines + b"Connection: " + b", ".join(nominated) + b"\r\n\r\n", HOP)
    lower = {name.lower() for name in nominated} - {b"close", b"keep-alive", b"upgrade", b"te"}
    kept = b"".join(b"%b: %b\r\n" % field for field in fields if field[0].lower() not in lower)
    assert head.to_primary() == GET + kept + VIA + b"\r\n"


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=6), st.sampled_from([b"GET", b"POST"]))
def test_rare_fields_change_no_other(fields: list[tuple[bytes, bytes]], method: bytes) -> None:
    """Checks that the fast path and the complete path write the same head."""
    fields = [(name, value) for name, value in fields if name.lower() not in BETWEEN_HOPS]
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    start = method + b" /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
    quick = read_request(start + lines + b"\r\nabc")
    thorough = read_request(start + lines + b"TE: gzip\r\n\r\nabc")
    assert values_of(quick) == values_of(thorough)


@given(st.binary(max_size=80))
def test_garbage_never_raises_anything_else(data: bytes) -> None:
    for prefix in (b"", b"GET ", GET, CHUNKS, POST + b"Content-Length: ", TRACE, GET + UPGRADE):
        try:
            Reader(Hop(b"kagami", b"a")).feed(prefix + data)
        except RemoteProtocolError as error:
            assert 400 <= error.status < 600


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "proxy_protocol"),
        (b"\r\n\r\n\0\r\nQUIT\n!", "proxy_protocol"),
        (b"\x16\x03\x01\x02", "tls"),
        (b"GET / HTTP/1.1\r\n", ""),
    ],
)
def test_foreign_protocols_are_named(data: bytes, name: str) -> None:
    assert foreign_protocol(data) == name


def test_all_hosts_stay_within_their_bytes() -> None:
    request_head._hosts.clear()
    tracemalloc.start()
    try:
        for number in range(request_head._MOST_HOSTS):
            request_head._check_host(b"%0255d" % number)
        assert len(request_head._hosts) == request_head._MOST_HOSTS
        held_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert request_head.HOSTS_BYTES / 2 < held_bytes <= request_head.HOSTS_BYTES
