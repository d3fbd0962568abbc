"""Clauses about requests: line, Host, fields, body, expectations (RFC 9110, RFC 9112)."""

from tests.conformance.rows import MARK, OK_TEXT, VIA, VIA_OLD, Row
from tests.conformance.wire import OK, Reply, crlf

GET = "GET /a HTTP/1.1|Host: h|"
POST = "POST /a HTTP/1.1|Host: h|"
LAST = "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok"
"""The response where the connection is already known to close after it."""


def plain(clause: str, sent: str, forwarded: str) -> Row:
    """Return a row for a request without a body; the legs differ only in Via and the mark."""
    return Row(clause, sent + "|", forwarded + VIA + "|", forwarded + MARK + "|")


def body(clause: str, sent: str, framing: str, data: str = "") -> Row:
    """Return a row for a POST whose body and framing are the same on both legs."""
    return Row(clause, sent, f"{POST}{VIA}{framing}|{data}", f"{POST}{framing}{MARK}|{data}")


LINE = [
    plain("9110 7.7: path and query stay as they are", "GET /a/../b//c?x=%2F&y= HTTP/1.1|Host: h|",
          "GET /a/../b//c?x=%2F&y= HTTP/1.1|Host: h|"),
    plain("9112 2.2: one empty line before a request is ignored", "|" + GET, GET),
    plain("9112 2.2: several empty lines, and bare CR or LF, are skipped before a request",
          "||\n\r|" + GET, GET),
    plain("9112 3: words of a request line may be further apart", "GET   /a  HTTP/1.1|Host: h|",
          GET),
    Row("9110 9.1: a method that is not mirrored reaches the primary alone",
        "REPORT /a HTTP/1.1|Host: h||", f"REPORT /a HTTP/1.1|Host: h|{VIA}|"),
    plain("9112 3.2.2: absolute-form overrides Host", "GET http://other:81/p?q HTTP/1.1|Host: h|",
          "GET /p?q HTTP/1.1|Host: other:81|"),
    plain("9112 3.2.2: absolute-form without a path", "GET http://other HTTP/1.1|Host: h|",
          "GET / HTTP/1.1|Host: other|"),
    plain("9112 3.2.2: absolute-form with a query and no path", "GET http://o?q HTTP/1.1|Host: h|",
          "GET /?q HTTP/1.1|Host: o|"),
    plain("9110 4.2.3: the scheme is case-insensitive", "GET HTTPS://O/p HTTP/1.1|Host: h|",
          "GET /p HTTP/1.1|Host: O|"),
    plain("9112 3.2.4: asterisk-form", "OPTIONS * HTTP/1.1|Host: h|",
          "OPTIONS * HTTP/1.1|Host: h|"),
    plain("9112 3.2.4: OPTIONS of a whole server", "OPTIONS http://o HTTP/1.1|Host: h|",
          "OPTIONS * HTTP/1.1|Host: o|"),
    plain("9110 7.2: a Host with a port", "GET /a HTTP/1.1|Host: h:8080|",
          "GET /a HTTP/1.1|Host: h:8080|"),
    plain("9110 4.2.1: a Host that is an IPv6 address", "GET /a HTTP/1.1|Host: [::1]:80|",
          "GET /a HTTP/1.1|Host: [::1]:80|"),
    plain("9112 5: field names are case-insensitive", "GET /a HTTP/1.1|hOST: h|", GET),
    Row("9112 9.3: what follows HTTP/1.0 is not read, whatever it says of keep-alive",
        "GET /a HTTP/1.0|Host: h|Connection: keep-alive||" + GET + "|",
        f"{GET}{VIA_OLD}|", f"{GET}{MARK}|",
        "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok", closes=True,
        sink="HTTP/1.1 204 No Content|Connection: close||"),
    Row("9112 9.3: HTTP/1.0 gets no persistent connection",
        "GET /a HTTP/1.0|Host: h|Connection: keep-alive||",
        f"{GET}{VIA_OLD}|", f"{GET}{MARK}|",
        "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok", closes=True,
        sink="HTTP/1.1 204 No Content|Connection: close||"),
    Row("9112 3.2: HTTP/1.0 may have no Host", "GET /a HTTP/1.0||",
        f"GET /a HTTP/1.1|Host: |{VIA_OLD}|", f"GET /a HTTP/1.1|Host: |{MARK}|",
        "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok", closes=True,
        sink="HTTP/1.1 204 No Content|Connection: close||"),
    Row("9112 2.2: what follows Connection: close is not read",
        GET + "Connection: close||" + GET + "|",
        f"{GET}{VIA}|", f"{GET}{MARK}|",
        "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok", closes=True,
        sink="HTTP/1.1 204 No Content|Connection: close||"),
]  # fmt: skip

FIELDS = [
    plain("9110 5.1: unknown fields pass", GET + "X-Any: 1|", GET + "X-Any: 1|"),
    plain("9110 5.3: lines of one name keep their order", GET + "A: 1|B: 2|a: 3|",
          GET + "A: 1|B: 2|a: 3|"),
    plain("9110 5.5: obs-text passes as it is", GET + "A: \xe9\xff|", GET + "A: \xe9\xff|"),
    plain("9110 5.5: an empty value passes", GET + "A:|B: 1|", GET + "A: |B: 1|"),
    plain("9112 5.1: no space behind the colon is needed", GET + "A:1|", GET + "A: 1|"),
    plain("9110 5.6.2: every token is a field name", GET + "!#$%&'*+-.^_`~9z: 1|",
          GET + "!#$%&'*+-.^_`~9z: 1|"),
    plain("9110 7.6.1: what Connection nominates goes, and Connection itself",
          GET + "Connection: A, keep-alive|A: 1|B: 2|", GET + "B: 2|"),
    plain("9110 7.6.1: nominated case-insensitively, in several Connection lines",
          GET + "Connection: x-a|connection: X-B|X-A: 1|x-b: 2|C: 3|", GET + "C: 3|"),
    plain("9110 7.6.1: hop-by-hop fields go without being nominated",
          GET + "Keep-Alive: 5|Proxy-Connection: keep-alive|TE: gzip|Upgrade: x|A: 1|",
          GET + "A: 1|"),
    plain("9110 7.6.1: nominating end-to-end framing changes nothing of it",
          GET + "Connection: host, content-length|", GET),
    Row("9110 7.6.3: Via names the version received, behind those of others",
        GET + "Via: 1.0 front||", f"{GET}Via: 1.0 front|{VIA}|", f"{GET}Via: 1.0 front|{MARK}|"),
    plain("9110 11.6: credentials are not touched",
          GET + "Authorization: Basic x|Proxy-Authorization: y|Cookie: c|",
          GET + "Authorization: Basic x|Proxy-Authorization: y|Cookie: c|"),
    plain("9110 13: conditions pass", GET + 'If-None-Match: "e"|If-Modified-Since: t|Range: b|',
          GET + 'If-None-Match: "e"|If-Modified-Since: t|Range: b|'),
    Row("9110 10.1.4: TE: trailers is asked for anew on the primary leg",
        GET + "TE: trailers|Connection: TE||", f"{GET}{VIA}TE: trailers|Connection: te||",
        f"{GET}{MARK}|"),
    Row("9110 7.6: a request that was mirrored before is not mirrored again",
        GET + "X-Mirror-Leg: shadow||", f"{GET}{VIA}|", ""),
    plain("X-Forwarded-* passes as it is",
          GET + "X-Forwarded-For: 10.0.0.1|X-Forwarded-Proto: https|",
          GET + "X-Forwarded-For: 10.0.0.1|X-Forwarded-Proto: https|"),
    Row("X-Forwarded-For is extended where asked to",
        GET + "X-Forwarded-For: 10.0.0.1|A: 1|x-forwarded-for: 10.0.0.2||",
        f"{GET}A: 1|X-Forwarded-For: 10.0.0.1, 10.0.0.2, 192.0.2.7|{VIA}|",
        f"{GET}A: 1|X-Forwarded-For: 10.0.0.1, 10.0.0.2, 192.0.2.7|{MARK}|",
        forwarded="append", sink=None),
]  # fmt: skip

BODIES = [
    body("9112 6.2: Content-Length", POST + "Content-Length: 5||hello", "Content-Length: 5|",
         "hello"),
    body("9110 8.6: leading zeros are digits", POST + "Content-Length: 005||hello",
         "Content-Length: 5|", "hello"),
    body("9110 5.5: OWS around a length", POST + "Content-Length: \t 5 \t||hello",
         "Content-Length: 5|", "hello"),
    body("9110 8.6: a length of nought is passed on", POST + "Content-Length: 0||",
         "Content-Length: 0|"),
    body("9112 7.1: chunked", POST + "Transfer-Encoding: chunked||5|hello|1| |5|world|0||",
         "Transfer-Encoding: chunked|", "b|hello world|0||"),
    body("9112 7: the coding's name is case-insensitive",
         POST + "Transfer-Encoding: Chunked||5|hello|0||", "Transfer-Encoding: chunked|",
         "5|hello|0||"),
    body("9112 7.1: sizes in any case, with leading zeros",
         POST + "Transfer-Encoding: chunked||00A|0123456789|0||", "Transfer-Encoding: chunked|",
         "a|0123456789|0||"),
    body("9112 7.1.1: chunk extensions are ignored",
         POST + 'Transfer-Encoding: chunked||5;a=1;b="c d";e|hello|0;z||',
         "Transfer-Encoding: chunked|", "5|hello|0||"),
    body("9112 7.1: an empty chunked body", POST + "Transfer-Encoding: chunked||0||",
         "Transfer-Encoding: chunked|", "0||"),
    body("9112 7.1.2: trailers pass behind the body",
         POST + "Transfer-Encoding: chunked||5|hello|0|T: 1|U: 2||",
         "Transfer-Encoding: chunked|", "5|hello|0|T: 1|U: 2||"),
    body("9110 6.5.1: what frames, routes or authenticates is no trailer",
         POST + "Transfer-Encoding: chunked||5|hello|0|T: 1|Host: x|"
         "Authorization: y|Max-Forwards: 1|Connection: close||",
         "Transfer-Encoding: chunked|", "5|hello|0|T: 1||"),
    Row("9110 9.3.1: a GET may have a body", GET + "Content-Length: 2||xy",
        f"{GET}{VIA}Content-Length: 2||xy", f"{GET}Content-Length: 2|{MARK}|xy"),
    Row("9112 6.3: bytes behind a body are the next request",
        POST + "Content-Length: 2||xyGET /b HTTP/1.1|Host: h||",
        f"{POST}{VIA}Content-Length: 2||xyGET /b HTTP/1.1|Host: h|{VIA}|",
        f"{POST}Content-Length: 2|{MARK}|xyGET /b HTTP/1.1|Host: h|{MARK}|",
        OK_TEXT * 2, sink="HTTP/1.1 204 No Content||" * 2),
    Row("9112 9.3.2: a pipeline is answered in order",
        "".join(f"GET /{n} HTTP/1.1|Host: h||" for n in range(3)),
        "".join(f"GET /{n} HTTP/1.1|Host: h|{VIA}|" for n in range(3)),
        "".join(f"GET /{n} HTTP/1.1|Host: h|{MARK}|" for n in range(3)),
        "".join(f"HTTP/1.1 200 OK|Content-Length: 1||{n}" for n in range(3)),
        replies=tuple(Reply(crlf(f"HTTP/1.1 200 OK|Content-Length: 1||{n}")) for n in range(3)),
        sink="HTTP/1.1 204 No Content||" * 3),
    Row("9112 9.3: a connection persists, also behind a chunked body",
        (POST + "Transfer-Encoding: chunked||2|xy|0||", "GET /b HTTP/1.1|Host: h||"),
        f"{POST}{VIA}Transfer-Encoding: chunked||2|xy|0||GET /b HTTP/1.1|Host: h|{VIA}|",
        f"{POST}Transfer-Encoding: chunked|{MARK}|2|xy|0||GET /b HTTP/1.1|Host: h|{MARK}|",
        OK_TEXT * 2, sink="HTTP/1.1 204 No Content||" * 2),
    Row("9112 9.6: a client may end its side behind its request",
        GET + "|", f"{GET}{VIA}|", f"{GET}{MARK}|", closes=True, ends_side=True,
        gets=OK_TEXT, also_gets=(LAST,)),
    Row("9112 9.6: half-close behind a request with a body",
        POST + "Content-Length: 2||xy", f"{POST}{VIA}Content-Length: 2||xy",
        f"{POST}Content-Length: 2|{MARK}|xy", gets=OK_TEXT, closes=True, ends_side=True,
        also_gets=(LAST,)),
]  # fmt: skip

CONTINUE = "HTTP/1.1 100 Continue||"
EXPECT = POST + "Content-Length: 2|Expect: 100-continue||"
EXPECT_PRIMARY = f"{POST}{VIA}Expect: 100-continue|Content-Length: 2||"

EXPECTATIONS = [
    Row("9110 10.1.1: the expectation and its 100 are passed on",
        (EXPECT, "xy"), EXPECT_PRIMARY + "xy", f"{POST}Content-Length: 2|{MARK}|xy",
        CONTINUE + OK_TEXT, replies=(Reply(OK.data, at_head=crlf(CONTINUE)),),
        sink=CONTINUE + "HTTP/1.1 204 No Content||"),
    Row("9110 10.1.1: a client need not wait for the 100",
        EXPECT + "xy", EXPECT_PRIMARY + "xy", f"{POST}Content-Length: 2|{MARK}|xy",
        CONTINUE + OK_TEXT, replies=(Reply(OK.data, at_head=crlf(CONTINUE)),),
        sink=CONTINUE + "HTTP/1.1 204 No Content||"),
    Row("9110 10.1.1: a final answer instead of the 100 ends the connection",
        EXPECT, EXPECT_PRIMARY, "", "HTTP/1.1 413 Too Big|Content-Length: 0|Connection: close||",
        replies=(Reply(at_head=crlf("HTTP/1.1 413 Too Big|Content-Length: 0||")),),
        sink=None),
    Row("9110 10.1.1: the value is case-insensitive",
        POST + "Content-Length: 2|Expect: 100-Continue||xy", EXPECT_PRIMARY + "xy",
        f"{POST}Content-Length: 2|{MARK}|xy", sink=CONTINUE + "HTTP/1.1 204 No Content||"),
    Row("9110 10.1.1: without a body there is nothing to wait for",
        GET + "Expect: 100-continue||", f"{GET}{VIA}|", f"{GET}{MARK}|"),
    Row("9110 10.1.1: an expectation of HTTP/1.0 is ignored",
        "POST /a HTTP/1.0|Host: h|Content-Length: 2|Expect: 100-continue||xy",
        f"{POST}{VIA_OLD}Content-Length: 2||xy", f"{POST}Content-Length: 2|{MARK}|xy",
        "HTTP/1.1 200 OK|Content-Length: 2|Connection: close||ok", closes=True,
        sink="HTTP/1.1 204 No Content|Connection: close||"),
]  # fmt: skip

TRACE = "TRACE /a HTTP/1.1|Host: h|"
TRACED = "TRACE /a HTTP/1.1|Host: h|Max-Forwards: 0|A: 1|"

HOPS = [
    Row("9110 7.6.2: Max-Forwards of a TRACE counts down",
        TRACE + "Max-Forwards: 3||", f"{TRACE}Max-Forwards: 2|{VIA}|",
        f"{TRACE}Max-Forwards: 2|{MARK}|", sink_shadow=f"{TRACE}Max-Forwards: 3|{MARK}|"),
    Row("9110 7.6.2: and of OPTIONS", "OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 1||",
        f"OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 0|{VIA}|",
        f"OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 0|{MARK}|",
        sink_shadow=f"OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 1|{MARK}|"),
    plain("9110 7.6.2: other methods have no Max-Forwards to count", GET + "Max-Forwards: 0|",
          GET + "Max-Forwards: 0|"),
    Row("9110 9.3.8: a TRACE that ends here shows the request without its secrets",
        TRACE + "Max-Forwards: 0|Authorization: s|Cookie: s|A: 1||", "",
        f"{TRACE}Max-Forwards: 0|Authorization: s|Cookie: s|A: 1|{MARK}|",
        f"HTTP/1.1 200 OK|Content-Length: {len(crlf(TRACED + '|'))}|"
        f"Content-Type: message/http||{TRACED}|"),
    Row("9112 9.6: the last answer of a connection says so, ours as well",
        "OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 0|Connection: close||", "",
        f"OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 0|{MARK}|",
        "HTTP/1.1 200 OK|Content-Length: 0|Connection: close||", closes=True,
        sink="HTTP/1.1 204 No Content|Connection: close||"),
    Row("9110 7.6.2: an OPTIONS that ends here is answered here",
        "OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 0||", "",
        f"OPTIONS * HTTP/1.1|Host: h|Max-Forwards: 0|{MARK}|",
        "HTTP/1.1 200 OK|Content-Length: 0||"),
]  # fmt: skip

REQUESTS = [*LINE, *FIELDS, *BODIES, *EXPECTATIONS, *HOPS]
