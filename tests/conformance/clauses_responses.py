"""Clauses about responses: framing, statuses without a body, 1xx, upgrades (RFC 9110, RFC 9112).

Most rows are for inline mode only: in sink mode no upstream response reaches the client.
"""

from tests.conformance.rows import (
    GET,
    HEAD,
    MARK,
    NO_CONTENT,
    NO_CONTENT_CLOSE,
    OK_TEXT,
    OK_TEXT_CLOSE,
    VIA,
    VIA_OLD,
    Row,
)
from tests.conformance.wire import End, Reply, crlf

NEXT = "GET /b HTTP/1.1|Host: h|"
BAD_GATEWAY = (
    "HTTP/1.1 502 Bad Gateway|Content-Type: text/plain|Content-Length: 16|"
    "Connection: close||502 Bad Gateway\n"
)


def answered(
    clause: str, answer: str, gets: str | None = None, *, end: End = End.KEEP, closes: bool = False
) -> Row:
    """Return a GET that gets `answer`; the client gets it unchanged unless `gets` is set."""
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
    """Return the same for an HTTP/1.0 client, whose connection always ends."""
    sent = "GET /a HTTP/1.0|Host: h||"
    replies = (Reply(crlf(answer), end=end),)
    return Row(clause, sent, f"{GET}{VIA_OLD}|", f"{GET}{MARK}|", gets, replies, True, sink=None)


def headed(clause: str, answer: str, gets: str | None = None) -> Row:
    """Return a HEAD and then a GET, whose responses must not be confused with each other."""
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
    answered("9112 6.2: a length of zero", "HTTP/1.1 200 OK|Content-Length: 0||"),
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
    answered("9112 6.3: a body until close becomes chunked, and our connection persists",
             "HTTP/1.1 200 OK||hello",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||", end=End.CLOSE),
    answered("9112 6.3: an empty answer until close", "HTTP/1.1 200 OK||",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||0||", end=End.CLOSE),
    answered("9112 2.3: an HTTP/1.0 answer is passed on as HTTP/1.1",
             "HTTP/1.0 200 OK||hello",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||", end=End.CLOSE),
    answered("9112 9.3: HTTP/1.0 with a length", "HTTP/1.0 200 OK|Content-Length: 2||ok",
             "HTTP/1.1 200 OK|Content-Length: 2||ok", end=End.CLOSE),
    answered("9112 9.6: the primary's close does not close the client's connection",
             "HTTP/1.1 200 OK|Connection: close|Content-Length: 2||ok",
             "HTTP/1.1 200 OK|Content-Length: 2||ok", end=End.CLOSE),
    answered("9112 4: the reason may have several words",
             "HTTP/1.1 299 Fine by me|Content-Length: 0||"),
    answered("9112 4: the reason may be empty", "HTTP/1.1 200 |Content-Length: 0||"),
    answered("9112 6.3: surplus bytes after an answer are never the next answer",
             "HTTP/1.1 200 OK|Content-Length: 2||okHTTP/1.1 200 OK|Content-Length: 3||bad",
             "HTTP/1.1 200 OK|Content-Length: 2||ok"),
    old("9112 7.1: HTTP/1.0 gets no chunks", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||"
        "5|hello|0|T: 1||", "HTTP/1.1 200 OK|Connection: close||hello"),
    old("9112 6.3: HTTP/1.0 gets a body until close", "HTTP/1.1 200 OK||hello",
        "HTTP/1.1 200 OK|Connection: close||hello", end=End.CLOSE),
]  # fmt: skip

FIELDS = [
    answered("9110 7.6.1: hop-by-hop fields of an answer are removed",
             "HTTP/1.1 200 OK|Connection: X-A, close|X-A: 1|Keep-Alive: 5|B: 2|"
             "Proxy-Connection: x|Upgrade: h2c|Content-Length: 0||",
             "HTTP/1.1 200 OK|B: 2|Content-Length: 0||"),
    answered("9110 5.3: Set-Cookie lines stay separate and in order",
             "HTTP/1.1 200 OK|Set-Cookie: a|B: 1|Set-Cookie: c|Content-Length: 0||"),
    answered("9110 11.6: challenges are unchanged",
             "HTTP/1.1 401 No|WWW-Authenticate: Basic|Content-Length: 0||"),
    answered("9110 5.5: obs-text of an answer is passed on",
             "HTTP/1.1 200 \xdcber|A: \xe9|Content-Length: 0||"),
    answered("9110 7.6.3: Via of an answer is passed on, and ours is not added",
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
    answered("9112 6.1: a 304 may announce chunks that it does not have",
             "HTTP/1.1 304 Not Modified|Transfer-Encoding: chunked|ETag: e||",
             "HTTP/1.1 304 Not Modified|ETag: e||"),
    answered("9112 6.3: bytes after a 204 are not read",
             "HTTP/1.1 204 No Content|Content-Length: 3||bad", "HTTP/1.1 204 No Content||"),
    answered("9110 15.3.6: 205 is framed like any other status",
             "HTTP/1.1 205 Reset|Content-Length: 0||"),
]  # fmt: skip

HINTS = "HTTP/1.1 103 Early Hints|Link: </a>; rel=preload||"

INTERIM = [
    answered("9110 15.2: 1xx answers are passed on, including 103", HINTS * 2 + OK_TEXT),
    answered("9110 15.2.3: an unknown 1xx is passed on",
             "HTTP/1.1 199 Odd||" + OK_TEXT),
    answered("9110 15.2.1: an unsolicited 100 is passed on",
             "HTTP/1.1 100 Continue||" + OK_TEXT),
    answered("9110 8.6: a 1xx has no length",
             "HTTP/1.1 103 Early Hints|Content-Length: 0|A: 1||" + OK_TEXT,
             "HTTP/1.1 103 Early Hints|A: 1||" + OK_TEXT),
    answered("9110 15.2: a 1xx before a body until close is passed on",
             HINTS + "HTTP/1.1 200 OK||hello",
             HINTS + "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||", end=End.CLOSE),
    old("9110 15.2: HTTP/1.0 gets no 1xx", HINTS + OK_TEXT,
        OK_TEXT_CLOSE),
]  # fmt: skip

ASK = GET + "Upgrade: websocket|Connection: Upgrade|Sec-WebSocket-Key: k||"
ASK_FORWARDED = f"{GET}Sec-WebSocket-Key: k|{VIA}Upgrade: websocket|Connection: upgrade||"
SWITCH = "HTTP/1.1 101 Switching Protocols|Upgrade: websocket|Connection: Upgrade|A: 1||"
SWITCHED = "HTTP/1.1 101 Switching Protocols|A: 1|Upgrade: websocket|Connection: upgrade||"

UPGRADES = [
    Row("9110 7.8: an upgrade is tunnelled and never mirrored", (ASK, "\0raw\xff"),
        ASK_FORWARDED + "\0raw\xff", "", SWITCHED + "first",
        (Reply(crlf(SWITCH + "first")),), sink=None),
    Row("9110 7.8: bytes after an upgrade wait for its answer", ASK + "\0raw",
        ASK_FORWARDED + "\0raw", "", SWITCHED, (Reply(crlf(SWITCH)),), sink=None),
    Row("9110 7.8: an upgrade in a pipeline waits its turn", (GET + "|") * 2 + ASK + "raw",
        f"{GET}{VIA}|" * 2 + ASK_FORWARDED + "raw", f"{GET}{MARK}|" * 2, OK_TEXT * 2 + SWITCHED,
        (Reply(crlf(OK_TEXT)), Reply(crlf(OK_TEXT)), Reply(crlf(SWITCH))), sink=None),
    Row("9110 7.8: hints are passed on before the protocol is switched", ASK, ASK_FORWARDED, "",
        HINTS + SWITCHED, (Reply(crlf(HINTS + SWITCH)),), sink=None),
    Row("9110 7.8: the primary may ignore an upgrade, and more requests may follow",
        ASK + NEXT + "|", f"{ASK_FORWARDED}{NEXT}{VIA}|", f"{NEXT}{MARK}|", OK_TEXT * 2,
        sink=NO_CONTENT * 2),
    Row("9110 7.8: without Connection: upgrade, there is no upgrade",
        GET + "Upgrade: websocket||", f"{GET}{VIA}|", f"{GET}{MARK}|"),
    Row("9110 7.8: an upgrade requested in HTTP/1.0 is ignored",
        "GET /a HTTP/1.0|Host: h|Upgrade: websocket|Connection: upgrade||",
        f"{GET}{VIA_OLD}|", f"{GET}{MARK}|",
        OK_TEXT_CLOSE, closes=True,
        sink=NO_CONTENT_CLOSE),
    Row("9110 7.8: an upgrade to HTTP/2 is ignored",
        GET + "Upgrade: h2c|Connection: Upgrade, HTTP2-Settings|HTTP2-Settings: x||",
        f"{GET}{VIA}|", f"{GET}{MARK}|"),
    answered("9110 15.2.2: an unsolicited 101 is answered 502", SWITCH, BAD_GATEWAY,
             closes=True),
]  # fmt: skip

# What nginx and Envoy carry of an application and the parser refuses.
CARRIED = [
    answered("carried: a coding in HTTP/1.0",
             "HTTP/1.0 200 OK|Transfer-Encoding: chunked||2|ok|0||",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||", end=End.CLOSE),
    answered("carried: bare LFs in the head", "HTTP/1.1 200 OK\nA: 1|Content-Length: 2\n\nok",
             "HTTP/1.1 200 OK|A: 1|Content-Length: 2||ok"),
    answered("carried: bare LFs before chunks",
             "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2|ok|0||",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||2|ok|0||"),
    answered("carried: a control character in the reason",
             "HTTP/1.1 200 O\x01|Content-Length: 2||ok"),
    answered("carried of an answer: a control character in a value",
             "HTTP/1.1 200 OK|A: \x01\x7f|Content-Length: 2||ok"),
    answered("carried: a status of 600", "HTTP/1.1 600 Hm|Content-Length: 2||ok"),
    answered("carried: a status of 999", "HTTP/1.1 999 |Content-Length: 2||ok"),
    answered("carried of an answer: a higher minor version",
             "HTTP/1.2 200 OK|Content-Length: 2||ok",
             "HTTP/1.1 200 OK|Content-Length: 2||ok"),
    answered("carried of an answer: spaces after a chunk's size",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5   |hello|0||",
             "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0||"),
]  # fmt: skip

RESPONSES = [*CARRIED, *FRAMING, *FIELDS, *BODYLESS, *INTERIM, *UPGRADES]
