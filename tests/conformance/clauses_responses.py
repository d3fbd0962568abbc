"""Clauses about responses: framing, statuses without a body, 1xx, upgrades (RFC 9110, RFC 9112).

All rows are for inline mode: in sink mode no client sees a response of an upstream.
"""

from tests.conformance.rows import MARK, VIA, VIA_OLD, Row
from tests.conformance.wire import End, Reply, crlf

GET = "GET /a HTTP/1.1|Host: h|"
HEAD = "HEAD /a HTTP/1.1|Host: h|"
POST = "POST /a HTTP/1.1|Host: h|"
NEXT = "GET /b HTTP/1.1|Host: h|"
OK_TEXT = "HTTP/1.1 200 OK|Content-Length: 2||ok"
BAD_GATEWAY = (
    "HTTP/1.1 502 Bad Gateway|Content-Type: text/plain|Content-Length: 16|"
    "Connection: close||502 Bad Gateway\n"
)


def answered(
    clause: str, answer: str, gets: str | None = None, *, end: End = End.KEEP, closes: bool = False
) -> Row:
    """Return a row for a GET; by default the client gets the response as the primary sent it."""
    return Row(
        clause,
        GET + "|",
        f"{GET}{VIA}|",
        f"{GET}{MARK}|",
        answer if gets is None else gets,
        (Reply(crlf(answer), end=end),),
        closes,
        sink=None,
    )


def old(clause: str, answer: str, gets: str, *, end: End = End.KEEP) -> Row:
    """Return the same row for an HTTP/1.0 client, whose connection always closes."""
    sent = "GET /a HTTP/1.0|Host: h||"
    replies = (Reply(crlf(answer), end=end),)
    return Row(clause, sent, f"{GET}{VIA_OLD}|", f"{GET}{MARK}|", gets, replies, True, sink=None)


def headed(clause: str, answer: str, gets: str | None = None) -> Row:
    """Return a row for a HEAD followed by a GET, whose responses must not be mixed up."""
    return Row(
        clause,
        f"{HEAD}|{NEXT}|",
        f"{HEAD}{VIA}|{NEXT}{VIA}|",
        f"{HEAD}{MARK}|{NEXT}{MARK}|",
        (answer if gets is None else gets) + OK_TEXT,
        (Reply(crlf(answer)), Reply(crlf(OK_TEXT))),
        sink=None,
        answers_head=(0,),
    )


FRAMING = [
    answered("9112 6.2: a length is passed on", "HTTP/1.1 200 OK|Content-Length: 5||hello"),
    answered("9112 6.2: a length of nought", "HTTP/1.1 200 OK|Content-Length: 0||"),
    answered("9112 7.1: chunks are passed on",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||"),
    answered("9112 7.1.1: chunk extensions of an answer are ignored",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5;x=y|hello|0||",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||"),
    answered("9112 7.1.2: trailers of an answer are passed on",
             "HTTP/1.1 200 OK|Trailer: T|Transfer-Encoding: chunked||5|hello|0|T: 1||"),
    answered("9110 6.5.1: no framing field of an answer is a trailer",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0|T: 1|Host: h|"
             "Set-Cookie: a||",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0|T: 1||"),
    answered("9112 6.3: read until close becomes chunked, and our connection persists",
             "HTTP/1.1 200 OK||hello",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||", end=End.CLOSE),
    answered("9112 6.3: an empty answer until close", "HTTP/1.1 200 OK||",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||0||", end=End.CLOSE),
    answered("9112 2.3: an answer of HTTP/1.0 is passed on as ours",
             "HTTP/1.0 200 OK||hello",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||", end=End.CLOSE),
    answered("9112 9.3: HTTP/1.0 with a length", "HTTP/1.0 200 OK|Content-Length: 2||ok",
             "HTTP/1.1 200 OK|Content-Length: 2||ok", end=End.CLOSE),
    answered("9112 9.6: the primary's close is not the client's",
             "HTTP/1.1 200 OK|Connection: close|Content-Length: 2||ok",
             "HTTP/1.1 200 OK|Content-Length: 2||ok", end=End.CLOSE),
    answered("9112 4: a reason of several words, or of none",
             "HTTP/1.1 299 Fine by me|Content-Length: 0||"),
    answered("9112 4: the reason may be empty", "HTTP/1.1 200 |Content-Length: 0||"),
    answered("9112 6.3: what follows an answer is never the next answer",
             "HTTP/1.1 200 OK|Content-Length: 2||okHTTP/1.1 200 OK|Content-Length: 3||bad",
             "HTTP/1.1 200 OK|Content-Length: 2||ok"),
    old("9112 7.1: HTTP/1.0 gets no chunks", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||"
        "5|hello|0|T: 1||", "HTTP/1.1 200 OK|Connection: close||hello"),
    old("9112 6.3: HTTP/1.0 reads until close", "HTTP/1.1 200 OK||hello",
        "HTTP/1.1 200 OK|Connection: close||hello", end=End.CLOSE),
]  # fmt: skip

FIELDS = [
    answered("9110 7.6.1: hop-by-hop fields of an answer go",
             "HTTP/1.1 200 OK|Connection: X-A, close|X-A: 1|Keep-Alive: 5|B: 2|"
             "Proxy-Connection: x|Upgrade: h2c|Content-Length: 0||",
             "HTTP/1.1 200 OK|B: 2|Content-Length: 0||"),
    answered("9110 5.3: Set-Cookie lines stay apart and in order",
             "HTTP/1.1 200 OK|Set-Cookie: a|B: 1|Set-Cookie: c|Content-Length: 0||"),
    answered("9110 11.6: challenges are not touched",
             "HTTP/1.1 401 No|WWW-Authenticate: Basic|Content-Length: 0||"),
    answered("9110 5.5: obs-text of an answer passes",
             "HTTP/1.1 200 \xdcber|A: \xe9|Content-Length: 0||"),
    answered("9110 7.6.3: Via of an answer passes, ours is not added",
             "HTTP/1.1 200 OK|Via: 1.1 x|Content-Length: 0||"),
]  # fmt: skip

BODYLESS = [
    headed("9110 9.3.2: HEAD keeps the length and has no body",
           "HTTP/1.1 200 OK|Content-Length: 5||"),
    headed("9110 9.3.2: HEAD of a chunked answer",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||", "HTTP/1.1 200 OK||"),
    headed("9110 9.3.2: HEAD of an answer until close", "HTTP/1.1 200 OK|A: 1||",
           "HTTP/1.1 200 OK|A: 1||"),
    headed("9110 9.3.2: HEAD of an error", "HTTP/1.1 404 No|Content-Length: 12||"),
    answered("9110 15.3.5: 204 has no body", "HTTP/1.1 204 No Content||"),
    answered("9110 8.6: the length of a 204 is not passed on",
             "HTTP/1.1 204 No Content|Content-Length: 0||", "HTTP/1.1 204 No Content||"),
    answered("9110 15.4.5: 304 keeps the length and has no body",
             "HTTP/1.1 304 Not Modified|Content-Length: 5|ETag: e||",
             "HTTP/1.1 304 Not Modified|ETag: e|Content-Length: 5||"),
    answered("9110 15.4.5: 304 without a length has no body either",
             "HTTP/1.1 304 Not Modified|ETag: e||"),
    answered("9112 6.1: a 304 may tell of chunks that it does not have",
             "HTTP/1.1 304 Not Modified|Transfer-Encoding: chunked|ETag: e||",
             "HTTP/1.1 304 Not Modified|ETag: e||"),
    answered("9112 6.3: bytes behind a 204 are not read",
             "HTTP/1.1 204 No Content|Content-Length: 3||bad", "HTTP/1.1 204 No Content||"),
    answered("9110 15.3.6: 205 is framed as any other",
             "HTTP/1.1 205 Reset|Content-Length: 0||"),
]  # fmt: skip

HINTS = "HTTP/1.1 103 Early Hints|Link: </a>; rel=preload||"

INTERIM = [
    answered("9110 15.2: 1xx are passed on, 103 included", HINTS * 2 + OK_TEXT),
    answered("9110 15.2.3: an unknown 1xx is passed on",
             "HTTP/1.1 199 Odd||" + OK_TEXT),
    answered("9110 15.2.1: a 100 that nobody asked for is passed on",
             "HTTP/1.1 100 Continue||" + OK_TEXT),
    answered("9110 8.6: a 1xx has no length",
             "HTTP/1.1 103 Early Hints|Content-Length: 0|A: 1||" + OK_TEXT,
             "HTTP/1.1 103 Early Hints|A: 1||" + OK_TEXT),
    answered("9110 15.2: 1xx and an answer until close",
             HINTS + "HTTP/1.1 200 OK||hello",
             HINTS + "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||", end=End.CLOSE),
    old("9110 15.2: HTTP/1.0 gets no 1xx", HINTS + OK_TEXT,
        "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok"),
]  # fmt: skip

ASK = GET + "Upgrade: websocket|Connection: Upgrade|Sec-WebSocket-Key: k||"
ASKED = f"{GET}Sec-WebSocket-Key: k|{VIA}Upgrade: websocket|Connection: upgrade||"
SWITCH = "HTTP/1.1 101 Switching Protocols|Upgrade: websocket|Connection: Upgrade|A: 1||"
SWITCHED = "HTTP/1.1 101 Switching Protocols|A: 1|Upgrade: websocket|Connection: upgrade||"

UPGRADES = [
    Row("9110 7.8: an upgrade is tunnelled, and never mirrored", (ASK, "\0raw\xff"),
        ASKED + "\0raw\xff", "", SWITCHED + "first", (Reply(crlf(SWITCH + "first")),), sink=None),
    Row("9110 7.8: bytes behind an upgrade wait for its answer", ASK + "\0raw",
        ASKED + "\0raw", "", SWITCHED, (Reply(crlf(SWITCH)),), sink=None),
    Row("9110 7.8: an upgrade in a pipeline waits its turn", (GET + "|") * 2 + ASK + "raw",
        f"{GET}{VIA}|" * 2 + ASKED + "raw", f"{GET}{MARK}|" * 2, OK_TEXT * 2 + SWITCHED,
        (Reply(crlf(OK_TEXT)), Reply(crlf(OK_TEXT)), Reply(crlf(SWITCH))), sink=None),
    Row("9110 7.8: hints come before the protocol is switched", ASK, ASKED, "",
        HINTS + SWITCHED, (Reply(crlf(HINTS + SWITCH)),), sink=None),
    Row("9110 7.8: an upgrade may be ignored, and requests go on", ASK + NEXT + "|",
        f"{ASKED}{NEXT}{VIA}|", f"{NEXT}{MARK}|", OK_TEXT * 2,
        sink="HTTP/1.1 204 No Content||" * 2),
    Row("9110 7.8: without Connection: upgrade none is asked for",
        GET + "Upgrade: websocket||", f"{GET}{VIA}|", f"{GET}{MARK}|"),
    Row("9110 7.8: an upgrade of HTTP/1.0 is ignored",
        "GET /a HTTP/1.0|Host: h|Upgrade: websocket|Connection: upgrade||",
        f"{GET}{VIA_OLD}|", f"{GET}{MARK}|",
        "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok", closes=True,
        sink="HTTP/1.1 204 No Content|Connection: close||"),
    Row("9110 7.8: HTTP/2 is not upgraded to",
        GET + "Upgrade: h2c|Connection: Upgrade, HTTP2-Settings|HTTP2-Settings: x||",
        f"{GET}{VIA}|", f"{GET}{MARK}|"),
    answered("9110 15.2.2: a 101 that nobody asked for is no answer", SWITCH, BAD_GATEWAY,
             closes=True),
]  # fmt: skip

RESPONSES = [*FRAMING, *FIELDS, *BODYLESS, *INTERIM, *UPGRADES]
