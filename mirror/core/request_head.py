"""A request head as a value: its meaning, the framing of its body, and its bytes on each leg.

Every leg is written anew from the values read here. The primary leg is a hop through a proxy: it
gets `Via`, decrements `Max-Forwards` and, if so configured, extends `X-Forwarded-For`. The shadow
leg repeats the request as received and adds the mark of the loop guard.

Invariant: a head that two recipients could read differently raises RemoteProtocolError, so no leg
ever gets it.

References: RFC 9110 sections 7.2, 7.6, 7.8, 9.3.8, 10.1; RFC 9112 sections 2.3, 3.2, 6.
"""

import re
from typing import Protocol

from mirror.core.hop import Hop
from mirror.core.http1 import (
    CHUNKED,
    CRLF,
    LENGTH,
    NO_ANSWER,
    NONE,
    Apart,
    Framing,
    chunk,
    connection_options,
    has_too_many_fields,
    is_length,
    is_plain,
    last_chunk,
    plan_of,
    sort_fields,
)
from mirror.core.wrong_mode import NAMES_NONE, WRONG_MODE, is_wrong_mode
from mirror.errors import RemoteProtocolError

SHADOW_MARK = b"X-Mirror-Leg: shadow\r\n"
"""Loop guard: every shadow request carries this field, no primary request does."""

SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})
"""Methods that RFC 9110 9.2.1 defines as safe."""

_LINE_END = b" HTTP/1.1\r\nHost: "
_MARK_AND_END = SHADOW_MARK + CRLF
# What nginx accepts of its clients: no white space, no control character and no slash. What else
# RFC 3986 3.2.2 excludes is no matter of framing: the recipient judges it.
_HOST = re.compile(rb"[^\0-\x20\x7f/]*")
# Hosts that passed the check. A look-up costs a tenth of the match, and hosts are few.
_hosts: set[bytes] = set()
HOSTS_BYTES = 2 << 20
"""Most bytes of these hosts."""
_MOST_HOSTS = 4096
_MOST_HOST_BYTES = 255
# Nothing in the authority that some recipients take for its end, and no userinfo.
_ABSOLUTE_FORM = re.compile(rb"https?://([^/?#@\\]+)((?:[/?].*)?)", re.IGNORECASE | re.DOTALL)
_RARE_METHODS = frozenset({b"CONNECT", b"TRACE", b"OPTIONS"})
# Fields that the answer to TRACE leaves out (RFC 9110 9.3.8).
_SENSITIVE = frozenset({b"authorization", b"cookie", b"proxy-authorization"})

# First bytes of other protocols that are sent to this port by mistake. They are refused like any
# malformed request; the name makes the cause visible in metrics and logs.
_FOREIGN = (
    (b"PRI * HTTP/2", "http2"),
    (b"PROXY ", "proxy_protocol"),
    (b"\r\n\r\n\0\r\nQUIT\n", "proxy_protocol"),
    (b"\x16\x03", "tls"),
)


def foreign_protocol(data: bytes) -> str:
    """Return the name of the known protocol, other than HTTP/1.1, that begins so; else empty."""
    for start, name in _FOREIGN:
        if data.startswith(start):
            return name
    return ""


class ParsedLine(Protocol):
    """What the parser (httptools.HttpRequestParser) reports once a request head is complete."""

    def get_method(self) -> bytes: ...

    def get_http_version(self) -> str: ...

    def should_keep_alive(self) -> bool: ...

    def should_upgrade(self) -> bool: ...


class RequestHead:
    """One request head that passed every check of `read_request_head`."""

    __slots__ = (
        "content_length",
        "expects_continue",
        "framing",
        "host",
        "is_last_hop",
        "is_probe",
        "is_shadow",
        "keep_alive",
        "method",
        "minor_version",
        "start",
        "takes_trailers",
        "target",
        "upgrade",
        "via",
    )

    def __init__(self, method: bytes, minor_version: int, keep_alive: bool) -> None:
        self.method = method
        self.minor_version = minor_version
        self.keep_alive = keep_alive
        self.target = b""
        """Origin form (`/path?query`), or `*` for OPTIONS."""
        self.host = b""
        self.start = b""
        """Request line, Host and end-to-end fields: the bytes that all legs share."""
        self.framing: Framing = NONE
        self.content_length = 0
        self.expects_continue = False
        self.takes_trailers = False
        """The client sent `TE: trailers` (RFC 9110 10.1.4)."""
        self.upgrade = b""
        """The protocol that the client asks to switch to; empty if none (RFC 9110 7.8)."""
        self.is_shadow = False
        """The request carries the mark of a shadow leg, so it has been mirrored before."""
        self.is_probe = False
        """The mark is that of a probe, which a check sends before any copy."""
        self.via = b""
        """The field that the primary leg gains, as a head line."""
        self.is_last_hop = False
        """Max-Forwards is 0: we answer this TRACE or OPTIONS ourselves (RFC 9110 7.6.2)."""

    def to_primary(self) -> bytes:
        """Return the head bytes of the primary leg, with the framing received and without the mark.

        The body follows as it arrives, so Content-Length and chunks stay as the client chose them.
        """
        start = self.start + self.via
        framing = self.framing
        if framing is NONE and not self.upgrade and not self.takes_trailers:
            return start + CRLF
        pieces = [start]
        if self.upgrade:
            pieces.append(b"Upgrade: %b\r\nConnection: upgrade\r\n" % self.upgrade)
        elif self.takes_trailers:
            pieces.append(b"TE: trailers\r\nConnection: te\r\n")
        if self.expects_continue:
            pieces.append(b"Expect: 100-continue\r\n")
        if framing is LENGTH:
            pieces.append(b"Content-Length: %d\r\n" % self.content_length)
        elif framing is CHUNKED:
            pieces.append(b"Transfer-Encoding: chunked\r\n")
        pieces.append(CRLF)
        return b"".join(pieces)

    def to_shadow(self, body: bytes, trailers: list[bytes]) -> bytes:
        """Return the whole shadow request.

        `body` is the complete body without chunk framing; `trailers` alternates names and values.
        The shadow gets no Expect and no Upgrade: its body is complete, and its connection must
        stay usable for further requests.
        """
        if self.framing is NONE:
            return self.start + _MARK_AND_END
        if self.framing is LENGTH:
            length = b"Content-Length: %d\r\n" % len(body)
            return b"".join((self.start, length, _MARK_AND_END, body))
        coding = b"Transfer-Encoding: chunked\r\n"
        chunks = chunk(body) if body else b""
        return b"".join((self.start, coding, _MARK_AND_END, chunks, last_chunk(trailers)))

    def field(self, name: bytes) -> bytes:
        """Return the first end-to-end field with that lower-case name; empty if there is none."""
        at = self.start.lower().find(b"\r\n%b: " % name)
        if at < 0:
            return b""
        begin = at + len(name) + 4
        return self.start[begin : self.start.index(CRLF, begin)].strip()

    def to_last_answer(self, close: bool) -> bytes:
        """Return our answer to a TRACE or OPTIONS whose Max-Forwards is 0.

        OPTIONS gets an empty body. TRACE gets the request as received, without the fields that
        carry credentials (RFC 9110 9.3.8). `close` announces that we close the connection.
        """
        fields = b"Connection: close\r\n" if close else b""
        body = b""
        if self.method == b"TRACE":
            lines = self.start.split(CRLF)
            shown = [line for line in lines if line.partition(b":")[0].lower() not in _SENSITIVE]
            body = CRLF.join(shown) + CRLF
            fields = b"Content-Type: message/http\r\n" + fields
        start = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body)
        return b"".join((start, fields, CRLF, body))


def read_request_head(
    parser: ParsedLine,
    target: bytes,
    flat: list[bytes],
    hop: Hop | None = None,
    method: bytes = b"",
) -> RequestHead:
    """Check a head that the parser has completed, and return it as a value.

    `target` is the request target as received. `flat` alternates field names and values. With a
    `hop` we act as a proxy and adjust Max-Forwards and X-Forwarded-For; without one (mode sink)
    end-to-end fields stay as they are. `method` is given if it is not the parser's.

    Raises RemoteProtocolError with the status to answer: 400, 417, 431, 501, 505, 508 or
    NO_ANSWER.
    """
    method = method or parser.get_method()
    version = parser.get_http_version()
    if version == "1.1":
        head = RequestHead(method, 1, parser.should_keep_alive())
    elif version == "1.0":
        # Keep-alive of HTTP/1.0 is an extension that proxies cannot rely on (RFC 9112 C.2.2).
        head = RequestHead(method, 0, keep_alive=False)
    else:
        raise RemoteProtocolError(505, "version")
    # Fast path: heads whose names and values need no walk over the fields. Both paths apply
    # the same rules.
    plan = plan_of(flat)
    values = flat[1::2]
    if plan.mode_at != NAMES_NONE and is_wrong_mode(plan.mode_at, values, hop is None):
        raise RemoteProtocolError(NO_ANSWER, WRONG_MODE)
    if (
        is_plain(plan, values)
        and (hop is None or hop.forwarded_for is None)
        and method not in _RARE_METHODS
        and not parser.should_upgrade()
    ):
        end_to_end = plan.template % plan.pick(values)
        host = values[plan.host_at].strip(b" \t") if plan.host_at >= 0 else None
        if plan.length_at >= 0:
            _read_length(head, values[plan.length_at].strip(b" \t"))
    else:
        end_to_end, host = _read_rare(head, parser, flat, hop)
    if host and target[:1] == b"/":
        head.target = target
    else:
        host = _read_target(head, target, host)
    if host not in _hosts:
        _check_host(host)
    head.host = host
    if hop is not None:
        head.via = hop.via[head.minor_version]
        if hop.pseudonym in end_to_end and hop.has_seen(end_to_end):
            raise RemoteProtocolError(508, "loop")
    head.start = b"".join((method, b" ", head.target, _LINE_END, host, CRLF, end_to_end))
    return head


def _read_rare(
    head: RequestHead, parser: ParsedLine, flat: list[bytes], hop: Hop | None
) -> tuple[bytes, bytes | None]:
    """Read the fields that the fast path does not cover; return end-to-end fields and Host."""
    if has_too_many_fields(flat):
        raise RemoteProtocolError(431, "too_many_fields")
    if head.method == b"CONNECT":
        raise RemoteProtocolError(501, "connect")
    if hop is not None and head.method in _RARE_METHODS:
        flat = _count_down(head, flat)
    end_to_end, apart = sort_fields(flat)
    if hop is not None and hop.forwarded_for is not None:
        end_to_end = hop.extend_forwarded(end_to_end)
    if b"content-length" in apart or b"transfer-encoding" in apart:
        _read_framing(head, apart)
    if parser.should_upgrade():
        _read_upgrade(head, apart)
    if b"expect" in apart:
        _read_expect(head, apart[b"expect"])
    head.takes_trailers = any(b"trailers" in value.lower() for value in apart.get(b"te", ()))
    if b"x-mirror-leg" in apart:
        head.is_shadow = True
        head.is_probe = apart[b"x-mirror-leg"] == [b"probe"]
    hosts = apart.get(b"host")
    if hosts is not None and len(hosts) > 1:
        raise RemoteProtocolError(400, "host")
    return end_to_end, hosts[0] if hosts else None


def _read_target(head: RequestHead, target: bytes, host: bytes | None) -> bytes:
    """Set the target in origin form and return the host.

    RFC 9112 3.2: the authority of an absolute-form target overrides Host. Userinfo would hide the
    host that is meant (RFC 9110 4.2.4). A request without a host is passed on with an empty Host,
    even in HTTP/1.1, where a server answers 400: nginx has answered the clients for which that
    holds, and passes on requests of HTTP/1.0 clients that sent none.
    """
    head.target = target
    if target[:1] == b"/" or (target == b"*" and head.method == b"OPTIONS"):
        return host or b""
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is None:
        raise RemoteProtocolError(400, "target")
    rest = absolute[2]
    # RFC 9112 3.2.4: OPTIONS with an authority and no path asks about the whole server.
    is_whole_server = not rest and head.method == b"OPTIONS"
    head.target = b"*" if is_whole_server else rest if rest[:1] == b"/" else b"/" + rest
    return absolute[1]


def _check_host(host: bytes) -> None:
    """Refuse a Host that names more than a host, by what nginx accepts of its clients."""
    if not _HOST.fullmatch(host):
        raise RemoteProtocolError(400, "host")
    # A client chooses the host, so the cache is bounded in entries and in bytes per entry.
    if len(host) <= _MOST_HOST_BYTES:
        if len(_hosts) >= _MOST_HOSTS:
            _hosts.clear()
        _hosts.add(host)


def _read_length(head: RequestHead, value: bytes) -> None:
    """RFC 9110 8.6: Content-Length is decimal digits and nothing else."""
    if not is_length(value):
        raise RemoteProtocolError(400, "framing")
    head.framing = LENGTH
    head.content_length = int(value)


def _read_framing(head: RequestHead, apart: Apart) -> None:
    """Set framing and length (RFC 9112 6.3).

    The parser already rejects both fields at once, lists, signs and overflow. The checks here do
    not rely on that: request smuggling lives on disagreement about exactly these fields.
    """
    codings = apart.get(b"transfer-encoding")
    lengths = apart.get(b"content-length")
    if codings is not None:
        # RFC 9112 6.1: HTTP/1.0 has no transfer codings, so its framing is faulty.
        if lengths is not None or head.minor_version == 0:
            raise RemoteProtocolError(400, "framing")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise RemoteProtocolError(501, "transfer_coding")
        head.framing = CHUNKED
    else:
        assert lengths is not None
        if len(lengths) > 1:
            raise RemoteProtocolError(400, "framing")
        _read_length(head, lengths[0])


def _read_upgrade(head: RequestHead, apart: Apart) -> None:
    """Set the protocol to switch to (RFC 9110 7.8).

    The parser stops after a head with Upgrade, even if its fields announce a body.
    """
    if head.framing is CHUNKED or head.content_length:
        # We would read its body as the next request.
        raise RemoteProtocolError(501, "upgrade_with_body")
    protocols = b", ".join(apart.get(b"upgrade", ()))
    # The parser also accepts Proxy-Connection in place of Connection; RFC 9110 does not. We ignore
    # h2c, as RFC 9110 7.8 allows: its requests would pass through the tunnel uncounted.
    is_requested = b"upgrade" in connection_options(apart) and head.minor_version == 1
    if is_requested and protocols and b"h2c" not in protocols.lower():
        head.upgrade = protocols


def _read_expect(head: RequestHead, values: list[bytes]) -> None:
    """RFC 9110 10.1.1: ignore Expect in HTTP/1.0, and do not wait where no body follows."""
    if head.minor_version == 0:
        return
    if any(value.lower() != b"100-continue" for value in values):
        raise RemoteProtocolError(417, "expectation")
    head.expects_continue = head.framing is not NONE


def _count_down(head: RequestHead, flat: list[bytes]) -> list[bytes]:
    """Return the fields with Max-Forwards decremented (RFC 9110 7.6.2: TRACE and OPTIONS)."""
    names = [name.lower() for name in flat[::2]]
    if b"max-forwards" not in names:
        return flat
    place = 2 * names.index(b"max-forwards") + 1
    value = flat[place].strip()
    if names.count(b"max-forwards") > 1 or not is_length(value):
        return flat  # it counts nothing, so there is nothing to count down
    head.is_last_hop = int(value) == 0
    return [*flat[:place], b"%d" % max(0, int(value) - 1), *flat[place + 1 :]]
