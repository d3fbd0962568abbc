"""Messages that must be refused: ambiguous requests reach neither leg, bad answers become 502.

The reason is request smuggling (RFC 9112 11.2): a message that two parsers may frame differently
is not passed on.
"""

from dataclasses import replace

from tests.conformance.clauses_responses import BAD_GATEWAY, answered
from tests.conformance.rows import GET, MARK, NO_CONTENT, OK_TEXT, POST, VIA, Row
from tests.conformance.wire import End, crlf

CHUNKED = POST + "Transfer-Encoding: chunked||"
SECOND = "GET /smuggled HTTP/1.1|Host: h||"
REASONS = {
    400: "Bad Request",
    414: "URI Too Long",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    505: "HTTP Version Not Supported",
}


def error(status: int) -> str:
    """Return our error response with `status`, in the notation of `wire.crlf`."""
    text = f"{status} {REASONS[status]}"
    return (
        f"HTTP/1.1 {text}|Content-Type: text/plain|Content-Length: {len(text) + 1}|"
        f"Connection: close||{text}\n"
    )


def refused(clause: str, client: str, status: int = 400, *, any_status: bool = False) -> Row:
    """Return a request that is answered `status` in both modes and reaches neither leg.

    `any_status`: where its bytes arrive in pieces, any other status of REASONS is allowed.
    """
    row = Row(clause, client, "", "", error(status), closes=True, sink=error(status))
    return replace(row, also_gets=tuple(map(error, REASONS))) if any_status else row


def cut(clause: str, data: str, begun: str = "") -> Row:
    """Return a POST whose chunked body turns out to be malformed after its head.

    The primary may have received the head and the valid chunks before its connection ends, but
    never the last chunk; the shadow receives nothing.
    """
    begun = f"{POST}{VIA}Transfer-Encoding: chunked||{begun}"
    return Row(
        clause,
        CHUNKED + data,
        "",
        "",
        error(400),
        closes=True,
        sink=error(400),
        begun=begun,
    )


LENGTHS = [
    refused("9112 6.3: both a coding and a length",
            POST + "Transfer-Encoding: chunked|Content-Length: 3||0||"),
    refused("9112 6.3: both a length and a coding",
            POST + "Content-Length: 3|Transfer-Encoding: chunked||0||"),
    refused("9112 6.3: two lengths that differ",
            POST + "Content-Length: 3|Content-Length: 4||abcd"),
    refused("9112 6.3: two lengths that are the same",
            POST + "Content-Length: 3|Content-Length: 3||abc"),
    refused("9110 8.6: a list of lengths", POST + "Content-Length: 3, 3||abc"),
    refused("9110 8.6: a length with a plus", POST + "Content-Length: +3||abc"),
    refused("9110 8.6: a length with a minus", POST + "Content-Length: -3||abc"),
    refused("9110 8.6: a length with a space inside", POST + "Content-Length: 1 0||"),
    refused("9110 8.6: a hexadecimal length", POST + "Content-Length: 0x3||abc"),
    refused("9110 8.6: a length with a fraction", POST + "Content-Length: 3.0||abc"),
    refused("9110 8.6: a length with an underscore", POST + "Content-Length: 1_0||"),
    refused("9110 8.6: a length that is a word", POST + "Content-Length: three||"),
    refused("9110 8.6: an empty length", POST + "Content-Length:||"),
    refused("9110 8.6: a length of more digits than fit",
            POST + "Content-Length: 9999999999999999999||"),
    refused("9110 8.6: a length that overflows to a small one",
            POST + "Content-Length: 18446744073709551619||abc"),
    refused("9110 8.6: a length of nineteen digits with leading zeros",
            POST + "Content-Length: 0000000000000000003||abc"),
    refused("9110 8.6: a length in Arabic digits", POST + "Content-Length: \xd9\xa3||abc"),
]  # fmt: skip

CODINGS = [
    refused("9112 6.1: a coding other than chunked", POST + "Transfer-Encoding: gzip||", 501),
    refused("9112 6.1: a coding before chunked", POST + "Transfer-Encoding: gzip, chunked||0||",
            501),
    refused("9112 6.1: a coding after chunked", POST + "Transfer-Encoding: chunked, gzip||0||"),
    refused("9112 6.1: chunked twice", POST + "Transfer-Encoding: chunked, chunked||0||"),
    refused("9112 6.1: chunked in two lines",
            POST + "Transfer-Encoding: chunked|Transfer-Encoding: chunked||0||"),
    refused("9112 6.1: chunked and identity in two lines",
            POST + "Transfer-Encoding: chunked|Transfer-Encoding: identity||0||"),
    refused("9112 6.1: identity", POST + "Transfer-Encoding: identity||", 501),
    refused("9112 6.1: chunked with letters before it",
            POST + "Transfer-Encoding: xchunked||0||", 501),
    refused("9112 6.1: chunked with a parameter",
            POST + "Transfer-Encoding: chunked;q=1||0||", 501),
    refused("9112 6.1: chunked in quotes", POST + 'Transfer-Encoding: "chunked"||0||', 501),
    refused("9112 6.1: chunked after a vertical tab",
            POST + "Transfer-Encoding: \x0bchunked||0||"),
    refused("9112 6.1: an empty coding", POST + "Transfer-Encoding:||"),
    refused("9112 6.1: chunked after a comma", POST + "Transfer-Encoding: ,chunked||0||", 501),
    refused("9112 6.1: a coding in HTTP/1.0",
            "POST /a HTTP/1.0|Host: h|Transfer-Encoding: chunked||0||"),
]  # fmt: skip

SYNTAX = [
    refused("9112 5.1: a space before the colon of a length", POST + "Content-Length : 3||abc"),
    refused("9112 5.1: a space before the colon", GET + "A : 1||"),
    refused("9112 5.1: a tab before the colon", GET + "A\t: 1||"),
    refused("9112 5.1: a space in a name", GET + "A B: 1||"),
    refused("9112 5.1: no name", GET + ": 1||"),
    refused("9112 5.1: no colon", GET + "A||"),
    refused("9110 5.6.2: a name that is no token", GET + "A(b): 1||"),
    refused("9110 5.6.2: a name beyond ASCII", GET + "\xc4: 1||"),
    refused("9112 5.2: obs-fold with a space", GET + "A: 1| 2||"),
    refused("9112 5.2: obs-fold with a tab", GET + "A: 1|\t2||"),
    refused("9112 5.2: obs-fold of a coding", POST + "Transfer-Encoding:| chunked||0||"),
    refused("9112 2.2: space before the first field", "GET /a HTTP/1.1| Host: h||"),
    refused("9112 2.2: a bare LF after the request line", "GET /a HTTP/1.1\nHost: h||"),
    refused("9112 2.2: a bare LF after a field", "GET /a HTTP/1.1|Host: h\nA: 1||"),
    refused("9112 2.2: a bare LF ends the head", "GET /a HTTP/1.1|Host: h|\nXX"),
    refused("9112 2.2: a bare CR in a value", GET + "A: 1\r2||"),
    refused("9112 2.2: a bare CR in a name", GET + "A\rB: 1||"),
    refused("9112 2.2: a bare CR after a field", "GET /a HTTP/1.1|Host: h\rA: 1||"),
    refused("9112 2.2: a bare CR ends the head", GET + "\rXX"),
    refused("9112 2.2: a bare CR in the request line", "GET /a\r HTTP/1.1|Host: h||"),
    refused("9110 5.5: NUL in a value", GET + "A: 1\x002||"),
    refused("9110 5.5: NUL in a name", GET + "A\0: 1||"),
]  # fmt: skip

LINES = [
    refused("9112 3: NUL in the target", "GET /\0 HTTP/1.1|Host: h||"),
    refused("9112 3: a space in the target", "GET /a b HTTP/1.1|Host: h||"),
    refused("9112 3: a tab after the method", "GET\t/a HTTP/1.1|Host: h||", 501),
    refused("9112 3: a tab before the version", "GET /a\tHTTP/1.1|Host: h||"),
    refused("9112 3: a space after the version", "GET /a HTTP/1.1 |Host: h||"),
    refused("9112 3.2.1: a target without a slash", "GET a HTTP/1.1|Host: h||"),
    refused("9112 3.2.4: an asterisk for another method", "GET * HTTP/1.1|Host: h||"),
    refused("9110 4.2.4: user information", "GET http://u@h/a HTTP/1.1|Host: h||"),
    refused("9110 4.2.1: no host in the target", "GET http:///a HTTP/1.1|Host: h||"),
    refused("9110 4.2: a scheme other than http and https", "GET ftp://h/a HTTP/1.1|Host: h||"),
    refused("9110 9.3.6: CONNECT", "CONNECT h:443 HTTP/1.1|Host: h:443||", 501),
    refused("9112 2.3: HTTP/0.9", "GET /a|Host: h||", 505),
    refused("9110 2.5: HTTP/2 by name", "GET /a HTTP/2.0|Host: h||", 505),
    refused("9112 2.3: an unknown version", "GET /a HTTP/3.0|Host: h||"),
    refused("9112 2.3: a version without a minor part", "GET /a HTTP/1|Host: h||"),
    refused("9112 2.3: a version with two digits", "GET /a HTTP/1.10|Host: h||"),
    refused("9112 2.3: the version's name is case-sensitive", "GET /a http/1.1|Host: h||"),
    refused("9112 2.3: another protocol", "GET /a ICE/1.0|Host: h||"),
    refused("9113 3.4: the preface of HTTP/2", "PRI * HTTP/2.0||SM||", 505, any_status=True),
    refused("PROXY protocol, version 1",
            "PROXY TCP4 192.0.2.1 192.0.2.2 1 2|" + GET + "|", any_status=True),
    refused("PROXY protocol, version 2", "\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c", any_status=True),
    refused("TLS on a plain HTTP port", "\x16\x03\x01\0\xa5\x01\0\0\xa1\x03\x03", any_status=True),
    refused("3.1: a target beyond 8192 bytes", f"GET /{'a' * 8192} HTTP/1.1|Host: h||", 414),
    refused("5.4: fields beyond 40960 bytes", GET + f"A: {'a' * 41000}||", 431),
    refused("5.4: one name beyond 40960 bytes", GET + f"{'a' * 41000}: 1||", 431),
]  # fmt: skip

HOSTS = [
    refused("9112 3.2: two Hosts", GET + "Host: g||"),
    refused("9112 3.2: the same Host twice", GET + "Host: h||"),
    refused("9112 3.2: two Hosts in an absolute-form request",
            "GET http://h/ HTTP/1.1|Host: h|Host: h||"),
    refused("9112 3.2: a Host with a space", "GET /a HTTP/1.1|Host: a b||"),
    refused("9112 3.2: a Host with a path", "GET /a HTTP/1.1|Host: a/b||"),
]  # fmt: skip

EXPECT = [
    refused("9110 10.1.1: an unknown expectation", GET + "Expect: more||", 417),
]  # fmt: skip

CHUNKS = [
    cut("9112 7.1: a size that is no number", "x|"),
    cut("9112 7.1: a size with a sign", "+5|hello|0||"),
    cut("9112 7.1: a size with 0x", "0x5|hello|0||"),
    cut("9112 7.1: a size with a space before it", " 5|hello|0||"),
    cut("9112 7.1: an empty size", "|hello|0||"),
    cut("9112 7.1: a size that overflows", "10000000000000005|hello|0||"),
    cut("9112 7.1: a bare LF after a size", "5\nhello|0||"),
    cut("9112 7.1: a bare CR after a size", "5\rhello|0||"),
    cut("9112 7.1: a bare LF in an extension", "5;a\nhello|0||"),
    cut("9112 7.1: a bare CR in an extension", "5;a\rb|hello|0||"),
    cut("9112 7.1: NUL in an extension", "5;\0|hello|0||"),
]  # fmt: skip

CHUNK_ENDS = [
    cut("9112 7.1: data longer than its size", "5|hellos|0||", "5|hello|"),
    cut("9112 7.1: a bare LF after data", "5|hello\n0||", "5|hello|"),
    cut("9112 7.1: no CRLF after data", "5|hello0||", "5|hello|"),
    cut("9112 7.1.2: a trailer with a space before its colon", "5|hello|0|T : 1||", "5|hello|"),
    cut("9112 7.1.2: a trailer that is folded", "5|hello|0|T: 1| 2||", "5|hello|"),
    cut("9112 7.1.2: a bare LF in the trailers", "5|hello|0|T: 1\n|", "5|hello|"),
]  # fmt: skip

FOLLOWING = [
    Row("9112 9.3.2: a malformed request after a good one is refused after its answer",
        GET + "|" + GET + "A : 1||" + SECOND, f"{GET}{VIA}|", f"{GET}{MARK}|",
        OK_TEXT + error(400), closes=True, sink=NO_CONTENT + error(400)),
    Row("9112 11.2: a smuggled request after two lengths",
        POST + f"Content-Length: {len(crlf(SECOND))}|Content-Length: 0||" + SECOND,
        "", "", error(400), closes=True, sink=error(400)),
    Row("9112 11.2: a smuggled request after a coding and a length",
        POST + "Content-Length: 5|Transfer-Encoding: chunked||0||" + SECOND,
        "", "", error(400), closes=True, sink=error(400)),
]  # fmt: skip

STRICT_REQUESTS = [
    *LENGTHS, *CODINGS, *SYNTAX, *LINES, *HOSTS, *EXPECT, *CHUNKS, *CHUNK_ENDS, *FOLLOWING,
]  # fmt: skip


def bad(clause: str, answer: str, end: End = End.KEEP) -> Row:
    """Return a GET whose answer is refused before any of it is passed on."""
    return answered(clause, answer, BAD_GATEWAY, end=end, closes=True)


def broken(clause: str, answer: str, begun: str, end: End = End.KEEP) -> Row:
    """Return a GET whose answer is bad after its head: the client gets 502, or sees it cut."""
    row = answered(clause, answer, BAD_GATEWAY, end=end, closes=True)
    return replace(row, begun=begun)


STRICT_RESPONSES = [
    bad("502: both a coding and a length",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Content-Length: 2||0||"),
    bad("502: two lengths that differ", "HTTP/1.1 200 OK|Content-Length: 2|Content-Length: 3||ok"),
    bad("502: two lengths that are the same",
        "HTTP/1.1 200 OK|Content-Length: 2|Content-Length: 2||ok"),
    bad("502: a list of lengths", "HTTP/1.1 200 OK|Content-Length: 2, 2||ok"),
    bad("502: a length with a sign", "HTTP/1.1 200 OK|Content-Length: +2||ok"),
    bad("502: a length that is no number", "HTTP/1.1 200 OK|Content-Length: 2x||ok"),
    bad("502: an empty length", "HTTP/1.1 200 OK|Content-Length:||"),
    bad("502: a length of more digits than fit",
        "HTTP/1.1 200 OK|Content-Length: 18446744073709551618||ok"),
    bad("502: a coding other than chunked", "HTTP/1.1 200 OK|Transfer-Encoding: gzip||x"),
    bad("502: a coding before chunked",
        "HTTP/1.1 200 OK|Transfer-Encoding: gzip, chunked||0||"),
    bad("502: chunked in two lines",
        "HTTP/1.1 200 OK|Transfer-Encoding: chunked|Transfer-Encoding: chunked||0||"),
    bad("502: a space before the colon", "HTTP/1.1 200 OK|Content-Length : 2||ok"),
    bad("502: obs-fold", "HTTP/1.1 200 OK|A: 1| 2|Content-Length: 2||ok"),
    bad("502: a bare CR in a value", "HTTP/1.1 200 OK|A: 1\r2|Content-Length: 2||ok"),
    bad("502: NUL in a value", "HTTP/1.1 200 OK|A: \0|Content-Length: 2||ok"),
    bad("502: a name that is no token", "HTTP/1.1 200 OK|A(): 1|Content-Length: 2||ok"),
    bad("502: HTTP/2 by name", "HTTP/2.0 200 OK|Content-Length: 2||ok"),
    bad("502: HTTP/0.9 by name", "HTTP/0.9 200 OK|Content-Length: 2||ok"),
    bad("502: a status of two digits", "HTTP/1.1 20 OK|Content-Length: 2||ok"),
    bad("502: a status of four digits", "HTTP/1.1 2000 OK|Content-Length: 2||ok"),
    bad("502: a status below 100", "HTTP/1.1 099 OK|Content-Length: 2||ok"),
    bad("502: no HTTP at all", "SSH-2.0-OpenSSH|"),
    bad("502: fields beyond 40960 bytes",
        f"HTTP/1.1 200 OK|A: {'a' * 41000}|Content-Length: 2||ok"),
    answered("502: closed without an answer", "",
             BAD_GATEWAY.replace("Connection: close|", ""), end=End.CLOSE),
    answered("502: reset without an answer", "",
             BAD_GATEWAY.replace("Connection: close|", ""), end=End.RESET),
    answered("502: closed within the head", "HTTP/1.1 200 OK|Content-",
             BAD_GATEWAY.replace("Connection: close|", ""), end=End.CLOSE),
    broken("502: a chunk size that is no number",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||x|hello|0||",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||"),
    broken("502: a bare LF after a chunk size",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5\nhello|0||",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||"),
    broken("502: chunk data longer than its size",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hellos|0||",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|"),
    broken("502: a chunk size that overflows",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||10000000000000005|hello|0||",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||"),
    broken("502: a trailer that is folded",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|0|T: 1| 2||",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hello|"),
    broken("9112 8: closed within a length", "HTTP/1.1 200 OK|Content-Length: 5||hel",
           "HTTP/1.1 200 OK|Content-Length: 5||hel", End.CLOSE),
    broken("9112 8: reset within a length", "HTTP/1.1 200 OK|Content-Length: 5||hel",
           "HTTP/1.1 200 OK|Content-Length: 5||hel", End.RESET),
    broken("9112 8: closed within a chunk", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||5|hel",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|hel|", End.CLOSE),
    broken("9112 8: reset within an answer until close", "HTTP/1.1 200 OK||hel",
           "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|hel|", End.RESET),
]  # fmt: skip
