"""Checks how response heads are rewritten, parsed uncut and one byte at a time."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.http1 import CHUNKED, LENGTH, NONE, UNTIL_CLOSE, Framing
from mirror.core.request_head import RequestHead
from mirror.core.response_head import (
    ResponseHead,
    body_start,
    downstream_framing,
    read_response_head,
)
from mirror.errors import RemoteProtocolError


class Reader:
    """Feeds the strict parser and keeps the result of core/response_head.py."""

    def __init__(self, answers_head: bool = False) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.answers_head = answers_head
        self.flat: list[bytes] = []
        self.reason = b""
        self.heads: list[ResponseHead] = []

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.flat += (name, value)

    def on_headers_complete(self) -> None:
        flat, self.flat = self.flat, []
        reason, self.reason = self.reason, b""
        self.heads.append(read_response_head(self.parser, reason, flat, self.answers_head))

    def feed(self, data: bytes) -> None:
        """Feed data; raise RemoteProtocolError if it is refused."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            cause = error.__context__
            if isinstance(cause, RemoteProtocolError):
                raise cause from None
            raise RemoteProtocolError(502, "syntax") from error


class Line:
    """The parser's view of a status line, for fields that the real parser would refuse."""

    def __init__(self, status: int = 200, version: str = "1.1") -> None:
        self.status = status
        self.version = version

    def get_http_version(self) -> str:
        return self.version

    def get_status_code(self) -> int:
        return self.status

    def should_keep_alive(self) -> bool:
        return True


def read_response(data: bytes, answers_head: bool = False) -> ResponseHead:
    """Read the head of `data` uncut and split at every byte; the results must be equal."""
    whole, split = Reader(answers_head), Reader(answers_head)
    whole.feed(data)
    for index in range(len(data)):
        split.feed(data[index : index + 1])
    assert values_of(split.heads[0]) == values_of(whole.heads[0])
    return whole.heads[0]


def values_of(head: ResponseHead) -> dict[str, object]:
    return {name: getattr(head, name) for name in head.__slots__}


NEW_CLIENT = RequestHead(b"GET", 1, keep_alive=True)
OLD_CLIENT = RequestHead(b"GET", 0, keep_alive=False)
OK = b"HTTP/1.1 200 OK\r\n"
OK_CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"

RESPONSES: dict[str, tuple[bytes, bool, Framing, bytes]] = {
    # name: (response, answers HEAD, its framing, head for an HTTP/1.1 downstream)
    "length": (
        OK + b"Content-Length: 3\r\nA: 1\r\n\r\nabc",
        False,
        LENGTH,
        OK + b"A: 1\r\nContent-Length: 3\r\n\r\n",
    ),
    "length with zeros and spaces": (
        OK + b"Content-Length:\t003 \r\n\r\nabc",
        False,
        LENGTH,
        OK + b"Content-Length: 003\r\n\r\n",
    ),
    "chunks": (OK_CHUNKS + b"0\r\n\r\n", False, CHUNKED, OK_CHUNKS),
    "chunks in capitals": (
        OK + b"TRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\n",
        False,
        CHUNKED,
        OK_CHUNKS,
    ),
    "announced trailers": (
        OK + b"Trailer: T\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: 1\r\n\r\n",
        False,
        CHUNKED,
        OK + b"Trailer: T\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    "until close": (OK + b"\r\nabc", False, UNTIL_CLOSE, OK_CHUNKS),
    "HTTP/1.0": (
        b"HTTP/1.0 200 OK\r\nA: 1\r\n\r\nabc",
        False,
        UNTIL_CLOSE,
        OK + b"A: 1\r\n" + OK_CHUNKS[17:],
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
    "any reason in words": (
        b"HTTP/1.1 200 Tr\xc3\xa8s\tbien!\r\nContent-Length: 0\r\n\r\n",
        False,
        LENGTH,
        b"HTTP/1.1 200 Tr\xc3\xa8s\tbien!\r\nContent-Length: 0\r\n\r\n",
    ),
    "hop-by-hop fields stay here": (
        OK
        + b"Connection: X-A\r\nX-A: 1\r\nKeep-Alive: 5\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n",
        False,
        LENGTH,
        OK + b"Content-Length: 0\r\n\r\n",
    ),
    "plain hop-by-hop fields stay here": (
        OK + b"Connection: close\r\nB: 2\r\nContent-Length: 0\r\n\r\n",
        False,
        LENGTH,
        OK + b"B: 2\r\nContent-Length: 0\r\n\r\n",
    ),
    "percent signs": (
        OK + b"A%b: %d\r\nContent-Length: 0\r\n\r\n",
        False,
        LENGTH,
        OK + b"A%b: %d\r\nContent-Length: 0\r\n\r\n",
    ),
    "switching protocols": (
        b"HTTP/1.1 101 Now\r\nUpgrade: websocket\r\nConnection: upgrade\r\nA: 1\r\n\r\n",
        False,
        NONE,
        b"HTTP/1.1 101 Now\r\nA: 1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
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
    assert head.to_downstream(downstream_framing(head, NEW_CLIENT), close=False) == written


BAD_RESPONSES = {
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "list of lengths": OK + b"Content-Length: 1, 1\r\n\r\na",
    "signed length": OK + b"Content-Length: +1\r\n\r\na",
    "empty length": OK + b"Content-Length:\r\n\r\n",
    "length too long": OK + b"Content-Length: 1000000000000000000\r\n\r\n",
    "length and chunks": OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
    "other coding": OK + b"Transfer-Encoding: gzip\r\n\r\n",
    "coding and chunks": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "status 99": b"HTTP/1.1 099 Hm\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "folded field": OK + b"A: 1\r\n b\r\nContent-Length: 0\r\n\r\n",
    "space before the colon": OK + b"Content-Length : 0\r\n\r\n",
    "NUL": OK + b"A: \x00\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9 by name": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/0.9": b"<html>",
}


@pytest.mark.parametrize("answers_head", [False, True], ids=["GET", "HEAD"])
@pytest.mark.parametrize("data", BAD_RESPONSES.values(), ids=BAD_RESPONSES)
def test_bad_response_is_refused(data: bytes, answers_head: bool) -> None:
    with pytest.raises(RemoteProtocolError) as refusal:
        Reader(answers_head).feed(data)
    assert refusal.value.status == 502
    split = Reader(answers_head)
    with pytest.raises(RemoteProtocolError, match="^502 "):
        for index in range(len(data)):
            split.feed(data[index : index + 1])


CHUNKED_FIELD = [b"Transfer-Encoding", b"chunked"]


@pytest.mark.parametrize(
    "flat",
    [
        [b"Content-Length", b"1", b"Content-Length", b"1"],
        [b"Content-Length", b"x"],
        [b"Content-Length", b"x", b"Keep-Alive", b"1"],
        [b"Content-Length", b"1", *CHUNKED_FIELD],
        [*CHUNKED_FIELD, *CHUNKED_FIELD],
        [b"Transfer-Encoding", b"xchunked"],
    ],
)
def test_framing_is_checked_again(flat: list[bytes]) -> None:
    """Checks that we refuse these as well, although the parser already does."""
    with pytest.raises(RemoteProtocolError, match="502 framing"):
        read_response_head(Line(), b"OK", flat, answers_head=False)


@pytest.mark.parametrize(
    "line",
    [Line(99), Line(1000), Line(200, "2.0"), Line(200, "0.9")],
    ids=lambda line: line.version,
)
def test_status_line_is_checked_again(line: Line) -> None:
    with pytest.raises(RemoteProtocolError, match="502 status"):
        read_response_head(line, b"", [], answers_head=False)


@pytest.mark.parametrize(
    ("data", "answers_head", "keep_alive"),
    [
        (OK + b"Content-Length: 0\r\n\r\n", False, True),
        (OK + b"Content-Length: 0\r\nConnection: close\r\n\r\n", False, False),
        (OK + b"Content-Length: 0\r\nConnection: x, Close\r\n\r\n", False, False),
        (OK + b"\r\n", False, False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False, False),
        (OK + b"\r\n", True, True),
        (OK + b"Content-Length: 9\r\n\r\n", True, True),
        (OK + b"Connection: close\r\n\r\n", True, False),
        (b"HTTP/1.0 200 OK\r\n\r\n", True, False),
    ],
)
def test_connection_is_kept_where_both_may(
    data: bytes, answers_head: bool, keep_alive: bool
) -> None:
    assert read_response(data, answers_head).keep_alive is keep_alive


def test_only_a_101_switches() -> None:
    upgrade = b"Upgrade: x\r\nConnection: upgrade\r\n\r\n"
    assert read_response(b"HTTP/1.1 101 Now\r\n" + upgrade).upgrade == b"x"
    assert read_response(b"HTTP/1.1 426 Please\r\nContent-Length: 0\r\n" + upgrade).upgrade == b""


@pytest.mark.parametrize("data", [OK_CHUNKS, OK + b"\r\n"])
def test_old_client_gets_no_chunks(data: bytes) -> None:
    response = read_response(data)
    assert downstream_framing(response, OLD_CLIENT) is UNTIL_CLOSE
    assert response.to_downstream(UNTIL_CLOSE, close=True) == OK + b"Connection: close\r\n\r\n"


def test_old_client_gets_a_length() -> None:
    response = read_response(OK + b"Content-Length: 3\r\n\r\nabc")
    assert downstream_framing(response, OLD_CLIENT) is LENGTH


TOKEN = st.from_regex(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
VALUE = st.from_regex(rb"([!-~\x80-\xff]([ \t!-~\x80-\xff]{0,10}[!-~\x80-\xff])?)?", fullmatch=True)
BETWEEN_HOPS = frozenset(
    {
        *(b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"),
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"x-mirror-leg"),
        b"x-mirror-mode",
    }
)


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=6), st.sampled_from([200, 204, 304, 404]))
def test_rare_fields_change_no_other(fields: list[tuple[bytes, bytes]], status: int) -> None:
    """Checks that the fast path and the complete path write the same head."""
    fields = [(name, value) for name, value in fields if name.lower() not in BETWEEN_HOPS]
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    start = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n" % status
    quick = read_response(start + lines + b"\r\n")
    thorough = read_response(start + lines + b"Keep-Alive: 5\r\n\r\n")
    assert values_of(quick) == values_of(thorough)


@given(st.binary(max_size=80))
def test_garbage_never_raises_anything_else(data: bytes) -> None:
    for prefix in (b"", b"HTTP/1.1 ", OK, OK_CHUNKS):
        try:
            Reader().feed(prefix + data)
        except RemoteProtocolError as error:
            assert error.status == 502


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", b"one\r\n\r\ntwo"),
        (b"HTTP/1.1 404 \r\n\r\n", b""),
        (b"HTTP/1.1 103 Hi\r\nA: b\r\n\r\nHTTP/1.1 100 \r\n\r\nHTTP/1.0 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nno end", b""),
        (b"HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 OK\r\nno end", b""),
    ],
)
def test_body_starts_behind_the_final_head(head: bytes, body: bytes) -> None:
    assert body_start(head + body) == len(head)
