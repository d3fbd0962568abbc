"""Heads as bytes in, heads as bytes out, through the real parser: whole, and byte by byte."""

from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.http1 import (
    CHUNKED,
    LENGTH,
    NONE,
    SAFE_METHODS,
    SHADOW_MARK,
    UNTIL_CLOSE,
    Framing,
    HeadFields,
    RequestHead,
    ResponseHead,
    chunk,
    downstream_framing,
    error_response,
    read_request_head,
    read_response_head,
)
from mirror.errors import RemoteProtocolError


class Reader:
    """Feeds the strict parser and keeps what it reports; heads are checked by core/http1."""

    def __init__(self, answers_head: bool = False, is_response: bool = False) -> None:
        self.fields = HeadFields()
        self.on_header = self.fields.add
        self.on_headers_complete = self.on_response_head if is_response else self.on_request_head
        parser = httptools.HttpResponseParser if is_response else httptools.HttpRequestParser
        self.parser: Any = parser(self)
        self.answers_head = answers_head
        self.heads: list[Any] = []
        self.body = b""
        self.text = b""

    def on_message_begin(self) -> None:
        self.fields.clear()
        self.text = b""

    def on_url(self, target: bytes) -> None:
        self.text += target

    def on_status(self, reason: bytes) -> None:
        self.text += reason

    def on_request_head(self) -> None:
        parser = self.parser
        self.heads.append(
            read_request_head(
                parser.get_method(),
                self.text,
                parser.get_http_version(),
                parser.should_keep_alive(),
                parser.should_upgrade(),
                self.fields,
            )
        )

    def on_response_head(self) -> None:
        parser = self.parser
        self.heads.append(
            read_response_head(
                parser.get_status_code(),
                self.text,
                parser.should_keep_alive(),
                self.fields,
                self.answers_head,
            )
        )

    def on_body(self, data: bytes) -> None:
        self.body += data

    def feed(self, data: bytes) -> None:
        """Raises RemoteProtocolError: the status that the parser's refusals get is 400."""
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


def read_request(data: bytes) -> RequestHead:
    """The head of `data`, the same whole and split at every byte."""
    whole, split = Reader(), Reader()
    whole.feed(data)
    for index in range(len(data)):
        split.feed(data[index : index + 1])
    assert [values_of(head) for head in split.heads] == [values_of(head) for head in whole.heads]
    assert split.body == whole.body
    head: RequestHead = whole.heads[0]
    return head


def read_response(data: bytes, answers_head: bool = False) -> ResponseHead:
    whole = Reader(answers_head, is_response=True)
    whole.feed(data)
    split = Reader(answers_head, is_response=True)
    for index in range(len(data)):
        split.feed(data[index : index + 1])
    assert values_of(split.heads[0]) == values_of(whole.heads[0])
    head: ResponseHead = whole.heads[0]
    return head


def values_of(head: RequestHead | ResponseHead) -> dict[str, object]:
    return {name: getattr(head, name) for name in head.__slots__}


GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKS = POST + b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"Connection: upgrade\r\nUpgrade: h2c\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
OK_CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"

# --- requests that must be refused ---

REFUSED: dict[str, tuple[bytes, int]] = {
    # framing: what ends the body must be beyond doubt
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
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (GET + b"Host: a\r\n\r\n", 400),
    "host with a space": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "host with a slash": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    "host with a user": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
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
    "absolute target of another scheme": (b"GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute target without host": (b"GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "absolute target with user": (b"GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
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


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED)
def test_ambiguous_request_is_refused(data: bytes, status: int) -> None:
    with pytest.raises(RemoteProtocolError) as whole:
        Reader().feed(data)
    assert whole.value.status == status
    split = Reader()
    with pytest.raises(RemoteProtocolError) as refusal:
        for index in range(len(data)):
            split.feed(data[index : index + 1])
    assert refusal.value.status == status


def test_other_major_version_is_refused_by_name() -> None:
    with pytest.raises(RemoteProtocolError, match="505 version"):
        read_request_head(b"GET", b"/", "3.0", True, False, HeadFields())


def test_error_shows_status_and_reason() -> None:
    with pytest.raises(RemoteProtocolError, match="^400 host$") as refusal:
        read_request(b"GET / HTTP/1.1\r\n\r\n")
    assert refusal.value.reason == "host"


# --- requests that are forwarded ---

FORWARDED: dict[str, tuple[bytes, bytes, bytes]] = {
    # name: (request, head of the primary leg, head and body of the shadow leg without its mark)
    "plain": (
        GET + b"A: 1\r\nB:2\r\nC:\r\n\r\n",
        GET + b"A: 1\r\nB: 2\r\nC: \r\n\r\n",
        GET + b"A: 1\r\nB: 2\r\nC: \r\n",
    ),
    "query": (
        b"GET /x?a=%20&b[]=1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /x?a=%20&b[]=1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /x?a=%20&b[]=1 HTTP/1.1\r\nHost: a\r\n",
    ),
    "repeated fields keep their order": (
        GET + b"Cookie: a\r\nX: 1\r\nCookie: b\r\n\r\n",
        GET + b"Cookie: a\r\nX: 1\r\nCookie: b\r\n\r\n",
        GET + b"Cookie: a\r\nX: 1\r\nCookie: b\r\n",
    ),
    "bytes above ASCII in a value": (
        GET + b"A: \xc3\xa9\r\n\r\n",
        GET + b"A: \xc3\xa9\r\n\r\n",
        GET + b"A: \xc3\xa9\r\n",
    ),
    "host comes first": (
        b"GET / HTTP/1.1\r\nA: 1\r\nhOST:  a:8080 \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:8080\r\nA: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:8080\r\nA: 1\r\n",
    ),
    "hop-by-hop fields stay here": (
        GET
        + b"Connection: keep-alive\r\nKeep-Alive: 1\r\nTE: trailers\r\nTrailer: X\r\n"
        + b"Proxy-Connection: keep-alive\r\nUpgrade: h2c\r\nB: 2\r\n\r\n",
        GET + b"B: 2\r\n\r\n",
        GET + b"B: 2\r\n",
    ),
    "nominated fields stay here": (
        GET + b"X-A: 1\r\nConnection: x-a, close\r\nX-B: 2\r\nconnection: ,X-C\r\nx-c: 3\r\n\r\n",
        GET + b"X-B: 2\r\n\r\n",
        GET + b"X-B: 2\r\n",
    ),
    "a nominated host is kept": (
        GET + b"Connection: host\r\n\r\n",
        GET + b"\r\n",
        GET,
    ),
    "the mark is taken off": (
        GET + b"X-Mirror-Leg: shadow\r\n\r\n",
        GET + b"\r\n",
        GET,
    ),
    "length": (
        POST + b"Content-Length: 3\r\n\r\nabc",
        POST + b"Content-Length: 3\r\n\r\n",
        POST + b"Content-Length: 3\r\n",
    ),
    "length with zeros and spaces": (
        POST + b"Content-Length: \t003 \r\n\r\nabc",
        POST + b"Content-Length: 3\r\n\r\n",
        POST + b"Content-Length: 3\r\n",
    ),
    "chunks": (
        CHUNKS + b"3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n",
        CHUNKS,
        POST + b"Content-Length: 3\r\n",
    ),
    "chunked in capitals": (
        POST + b"Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        CHUNKS,
        POST + b"Content-Length: 3\r\n",
    ),
    "no body": (POST + b"\r\n", POST + b"\r\n", POST),
    "expectation": (
        POST + b"Expect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc",
        POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        POST + b"Content-Length: 3\r\n",
    ),
    "expectation without body": (GET + b"Expect: 100-continue\r\n\r\n", GET + b"\r\n", GET),
    "expectation in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nHost: a\r\nExpect: tea\r\nContent-Length: 3\r\n\r\nabc",
        POST + b"Content-Length: 3\r\n\r\n",
        POST + b"Content-Length: 3\r\n",
    ),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", GET + b"\r\n", GET),
    "HTTP/1.0 without host": (
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \r\n",
    ),
    "absolute form": (
        b"GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /x?y HTTP/1.1\r\nHost: b:81\r\n\r\n",
        b"GET /x?y HTTP/1.1\r\nHost: b:81\r\n",
    ),
    "absolute form without path": (
        b"GET HTTP://b?y#z HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /?y HTTP/1.1\r\nHost: b\r\n\r\n",
        b"GET /?y HTTP/1.1\r\nHost: b\r\n",
    ),
    "asterisk": (
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n",
    ),
    "IPv6 host": (
        b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n",
    ),
    "empty lines before": (b"\r\n\r\n" + GET + b"\r\n", GET + b"\r\n", GET),
}


@pytest.mark.parametrize(("data", "primary", "shadow"), FORWARDED.values(), ids=FORWARDED)
def test_each_leg_is_written_anew(data: bytes, primary: bytes, shadow: bytes) -> None:
    head = read_request(data)
    assert head.to_primary() == primary
    body = b"abc" if head.framing is not NONE else b""
    assert head.to_shadow(body) == shadow + SHADOW_MARK + b"\r\n" + body


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
    assert read_request(GET + SHADOW_MARK + b"\r\n").is_shadow
    assert not read_request(GET + b"\r\n").is_shadow


def test_upgrade_is_seen_and_the_next_request_too() -> None:
    reader = Reader()
    reader.feed(GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + GET + b"\r\n")
    assert [head.wants_upgrade for head in reader.heads] == [True, False]


def test_own_legs_are_read_back_the_same() -> None:
    head = read_request(POST + b"A: 1\r\nContent-Length: 3\r\n\r\nabc")
    assert values_of(read_request(head.to_primary() + b"abc")) == values_of(head)
    copy = read_request(head.to_shadow(b"abc"))
    assert copy.is_shadow
    assert (copy.end_to_end, copy.content_length) == (head.end_to_end, 3)


TOKEN = st.from_regex(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
VALUE = st.from_regex(rb"([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,10}[!-~\x80-\xff])?)?", fullmatch=True)


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=8), st.lists(TOKEN, max_size=3))
def test_legs_carry_what_is_end_to_end(
    fields: list[tuple[bytes, bytes]], nominated: list[bytes]
) -> None:
    apart = {b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"}
    apart |= {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"x-mirror-leg"}
    fields = [(name, value) for name, value in fields if name.lower() not in apart]
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    head = read_request(GET + lines + b"Connection: " + b", ".join(nominated) + b"\r\n\r\n")
    lower = {name.lower() for name in nominated} - {b"close", b"keep-alive", b"upgrade"}
    kept = b"".join(b"%b: %b\r\n" % field for field in fields if field[0].lower() not in lower)
    assert head.to_primary() == GET + kept + b"\r\n"


@given(st.binary(max_size=80))
def test_garbage_never_raises_anything_else(data: bytes) -> None:
    for prefix in (b"", b"GET ", GET, CHUNKS, POST + b"Content-Length: "):
        try:
            Reader().feed(prefix + data)
        except RemoteProtocolError as error:
            assert 400 <= error.status < 600


def test_size_of_a_head_is_counted() -> None:
    reader = Reader()
    reader.feed(GET + b"Long: " + b"x" * 1000 + b"\r\n\r\n")
    assert reader.fields.size_bytes == len(b"Host: a\r\n") + len(b"Long: \r\n") + 1000


def test_safe_methods_are_those_of_the_rfc() -> None:
    assert {b"GET", b"HEAD", b"OPTIONS", b"TRACE"} == SAFE_METHODS


# --- responses ---

RESPONSES: dict[str, tuple[bytes, bool, Framing, bytes]] = {
    # name: (response, answers HEAD, its framing, head for an HTTP/1.1 downstream)
    "length": (
        OK + b"Content-Length: 3\r\nA: 1\r\n\r\nabc",
        False,
        LENGTH,
        OK + b"A: 1\r\nContent-Length: 3\r\n\r\n",
    ),
    "chunks": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        False,
        CHUNKED,
        OK_CHUNKS,
    ),
    "until close": (
        OK + b"\r\nabc",
        False,
        UNTIL_CLOSE,
        OK_CHUNKS,
    ),
    "HEAD with length": (
        OK + b"Content-Length: 3\r\n\r\n",
        True,
        NONE,
        OK + b"Content-Length: 3\r\n\r\n",
    ),
    "HEAD with chunks": (OK_CHUNKS, True, NONE, OK + b"\r\n"),
    "HEAD with neither": (OK + b"\r\n", True, NONE, OK + b"\r\n"),
    "204": (
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        False,
        NONE,
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ),
    "304 keeps its length": (
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
        False,
        NONE,
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
    ),
    "103": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 3\r\n\r\n",
        False,
        NONE,
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    ),
    "no reason": (
        b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n",
        False,
        LENGTH,
        b"HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n",
    ),
    "hop-by-hop fields stay here": (
        OK + b"Connection: X-A\r\nX-A: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n",
        False,
        LENGTH,
        OK + b"Content-Length: 0\r\n\r\n",
    ),
}


@pytest.mark.parametrize(
    ("data", "answers_head", "framing", "written"), RESPONSES.values(), ids=RESPONSES
)
def test_response_is_written_anew(
    data: bytes, answers_head: bool, framing: Framing, written: bytes
) -> None:
    head = read_response(data, answers_head)
    assert head.framing is framing
    request = read_request(GET + b"\r\n")
    assert head.to_downstream(downstream_framing(head, request), close=False) == written


BAD_RESPONSES = {
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "list of lengths": OK + b"Content-Length: 1, 1\r\n\r\na",
    "signed length": OK + b"Content-Length: +1\r\n\r\na",
    "length too long": OK + b"Content-Length: 1000000000000000000\r\n\r\n",
    "length and chunks": OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "other coding": OK + b"Transfer-Encoding: gzip\r\n\r\n",
    "coding and chunks": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "status 600": b"HTTP/1.1 600 Hm\r\nContent-Length: 0\r\n\r\n",
    "status 99": b"HTTP/1.1 099 Hm\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "folded field": OK + b"A: 1\r\n b\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "NUL": OK + b"A: \x00\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "HTTP/0.9": b"<html>",
}


@pytest.mark.parametrize("data", BAD_RESPONSES.values(), ids=BAD_RESPONSES)
def test_bad_response_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as refusal:
        Reader(is_response=True).feed(data)
    assert refusal.value.status in (400, 502)


@pytest.mark.parametrize(
    ("lengths", "codings"),
    [([b"1", b"1"], []), ([b"x"], []), ([b"1"], [b"chunked"]), ([], [b"chunked", b"chunked"])],
)
def test_response_framing_is_checked_again(lengths: list[bytes], codings: list[bytes]) -> None:
    fields = HeadFields()
    for value in lengths:
        fields.add(b"Content-Length", value)
    for value in codings:
        fields.add(b"Transfer-Encoding", value)
    with pytest.raises(RemoteProtocolError, match="502 framing"):
        read_response_head(200, b"OK", True, fields, answers_head=False)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (b"Content-Length", [b"1", b"1"]),
        (b"Content-Length", [b"+1"]),
        (b"Content-Length", [b""]),
    ],
)
def test_request_length_is_checked_again(name: bytes, values: list[bytes]) -> None:
    fields = HeadFields()
    fields.add(b"Host", b"a")
    for value in values:
        fields.add(name, value)
    with pytest.raises(RemoteProtocolError, match="400 framing"):
        read_request_head(b"POST", b"/", "1.1", True, False, fields)


def test_both_framings_are_refused_here_too() -> None:
    fields = HeadFields()
    fields.add(b"Host", b"a")
    fields.add(b"Content-Length", b"1")
    fields.add(b"Transfer-Encoding", b"chunked")
    with pytest.raises(RemoteProtocolError, match="400 framing"):
        read_request_head(b"POST", b"/", "1.1", True, False, fields)


@pytest.mark.parametrize("framing", [CHUNKED, UNTIL_CLOSE])
def test_old_client_gets_no_chunks(framing: Framing) -> None:
    response = read_response(OK + b"\r\n")
    response.framing = framing
    old = read_request(b"GET / HTTP/1.0\r\n\r\n")
    assert downstream_framing(response, old) is UNTIL_CLOSE
    assert response.to_downstream(UNTIL_CLOSE, close=True) == OK + b"Connection: close\r\n\r\n"


def test_chunk_carries_its_size_in_hex() -> None:
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


@pytest.mark.parametrize("status", [400, 408, 414, 417, 431, 501, 502, 503, 504, 505])
def test_own_answer_is_a_whole_response(status: int) -> None:
    data = error_response(status, close=True)
    reader = Reader(is_response=True)
    reader.feed(data)
    assert reader.heads[0].status == status
    assert reader.heads[0].framing is LENGTH
    assert not reader.heads[0].keep_alive
    assert int(reader.heads[0].content_length) == len(reader.body) < 64


def test_own_answer_to_head_has_no_body() -> None:
    data = error_response(502, close=False, with_body=False)
    assert data.endswith(b"\r\n\r\n")
    assert b"Connection" not in data
