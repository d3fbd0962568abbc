"""Request and response heads as values: framing, hop-by-hop removal, and the bytes of a head.

The parser (httptools, strict) reports fields one by one; `HeadFields` sorts them as they come,
so that a head is walked once. End-to-end fields are joined into one byte string that every leg of
the exchange shares; the few fields that HTTP gives a meaning between hops are kept apart and
written anew for each leg. Nothing is ever copied raw from the wire.

References: RFC 9110 sections 5.3, 7.2, 7.6.1, 8.6, 10.1.1; RFC 9112 sections 2.3, 3.2, 6, 7.1.
"""

import re
from enum import Enum

from mirror.errors import RemoteProtocolError

SHADOW_MARK = b"X-Mirror-Leg: shadow\r\n"
"""Stands on every shadow request, on no primary request: the loop guard."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
NO_CONTENT_CLOSE = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

_CRLF = b"\r\n"
_COLON = b": "


class Framing(Enum):
    """How the end of a body is known."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until_close"


# Module constants: an attribute of an Enum class costs nine times as much to look up.
NONE = Framing.NONE
LENGTH = Framing.LENGTH
CHUNKED = Framing.CHUNKED
UNTIL_CLOSE = Framing.UNTIL_CLOSE

# Fields that are not simply passed on. RFC 9110 7.6.1 names the hop-by-hop ones.
_SET_APART = frozenset(
    {
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"connection",
        b"expect",
        b"upgrade",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"x-mirror-leg",
    }
)
# Connection options that name no field of their own.
_CONNECTION_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade", b""})
_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]*")
# 10**18 - 1 bytes: fits the signed 64 bits that nginx, Apache and Envoy count in.
_MOST_LENGTH_DIGITS = 18
_ABSOLUTE_FORM = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)

SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})
"""RFC 9110 9.2.1."""


class HeadFields:
    """The fields of one head after the other, sorted while the parser reports them."""

    __slots__ = ("apart", "pieces", "size_bytes")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.pieces: list[bytes] = []
        """name, `: `, value, CRLF, name, … of the end-to-end fields."""
        self.apart: dict[bytes, list[bytes]] = {}
        """Values of the fields set apart, by lower-case name."""
        self.size_bytes = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.size_bytes += len(name) + len(value) + 4
        lower = name.lower()
        if lower in _SET_APART:
            self.apart.setdefault(lower, []).append(value.strip())
        else:
            self.pieces += (name, _COLON, value, _CRLF)

    def end_to_end(self) -> bytes:
        """The fields to pass on, without those that a Connection field nominates."""
        nominated = self.connection_options() - _CONNECTION_OPTIONS
        if not nominated:
            return b"".join(self.pieces)
        kept = [
            piece
            for index in range(0, len(self.pieces), 4)
            if self.pieces[index].lower() not in nominated
            for piece in self.pieces[index : index + 4]
        ]
        return b"".join(kept)

    def connection_options(self) -> set[bytes]:
        values = self.apart.get(b"connection")
        if values is None:
            return set()
        return {option.strip().lower() for value in values for option in value.split(b",")}


class RequestHead:
    """One request head, checked. `is_bodyless` and the writers derive from `framing`."""

    __slots__ = (
        "content_length",
        "end_to_end",
        "expects_continue",
        "framing",
        "host",
        "is_shadow",
        "keep_alive",
        "method",
        "minor_version",
        "target",
        "wants_upgrade",
    )

    method: bytes
    target: bytes
    """Origin form (`/path?query`), or `*` for OPTIONS."""
    minor_version: int
    host: bytes
    end_to_end: bytes
    framing: Framing
    content_length: int
    keep_alive: bool
    expects_continue: bool
    wants_upgrade: bool
    is_shadow: bool
    """Carries the mark of a shadow leg: it was mirrored before."""

    def to_primary(self) -> bytes:
        """Head bytes of the primary leg: the request's own framing, no mark."""
        if self.framing is NONE:
            framing = _CRLF
        elif self.framing is LENGTH:
            framing = b"Content-Length: %d\r\n\r\n" % self.content_length
        else:
            framing = b"Transfer-Encoding: chunked\r\n\r\n"
        expect = b"Expect: 100-continue\r\n" if self.expects_continue else b""
        return b"".join((*self._start(), expect, framing))

    def to_shadow(self, body: bytes) -> bytes:
        """The whole shadow request: its body is complete, so its length is known."""
        length = b"" if self.framing is NONE else b"Content-Length: %d\r\n" % len(body)
        return b"".join((*self._start(), length, SHADOW_MARK, _CRLF, body))

    def _start(self) -> tuple[bytes, ...]:
        """What both legs have in common."""
        version = b" HTTP/1.1\r\nHost: "
        return (self.method, b" ", self.target, version, self.host, _CRLF, self.end_to_end)


def read_request_head(
    method: bytes, target: bytes, version: str, keep_alive: bool, upgrades: bool, fields: HeadFields
) -> RequestHead:
    """Check what the parser reported; raises RemoteProtocolError with the status to answer.

    `upgrades` is the parser's own word: where it says so it reads no body, whatever the fields
    say (it also takes `Proxy-Connection: upgrade` for one).
    """
    if version == "1.1":
        minor_version = 1
    elif version == "1.0":
        minor_version = 0
    else:
        raise RemoteProtocolError(505, "version")
    if method == b"CONNECT":
        raise RemoteProtocolError(501, "connect")
    head = RequestHead()
    head.method = method
    head.minor_version = minor_version
    head.keep_alive = keep_alive and minor_version == 1
    apart = fields.apart
    _read_host(head, target, apart.get(b"host", ()))
    _read_framing(head, apart)
    head.end_to_end = fields.end_to_end()
    head.wants_upgrade = upgrades
    if head.wants_upgrade and (head.framing is CHUNKED or head.content_length):
        # The parser stops at the head of an upgrade; a body behind it would be read as a request.
        raise RemoteProtocolError(501, "upgrade_with_body")
    head.expects_continue = False
    if b"expect" in apart and minor_version == 1:
        if any(value.lower() != b"100-continue" for value in apart[b"expect"]):
            raise RemoteProtocolError(417, "expectation")
        head.expects_continue = head.framing is not NONE
    head.is_shadow = b"x-mirror-leg" in apart
    return head


def _read_host(head: RequestHead, target: bytes, hosts: "list[bytes] | tuple[()]") -> None:
    """RFC 9112 3.2: exactly one Host in HTTP/1.1; an absolute-form target overrides it."""
    if len(hosts) > 1 or (not hosts and head.minor_version == 1):
        raise RemoteProtocolError(400, "host")
    head.host = hosts[0] if hosts else b""
    head.target = target
    if target[:1] != b"/" and not (target == b"*" and head.method == b"OPTIONS"):
        absolute = _ABSOLUTE_FORM.fullmatch(target)
        if absolute is None or not absolute[1] or b"@" in absolute[1]:
            raise RemoteProtocolError(400, "target")
        head.host = absolute[1]
        rest = absolute[2].partition(b"#")[0]
        head.target = rest if rest[:1] == b"/" else b"/" + rest
    if not _HOST.fullmatch(head.host):
        raise RemoteProtocolError(400, "host")


def _read_framing(head: RequestHead, apart: dict[bytes, list[bytes]]) -> None:
    """RFC 9112 6.3; the parser already refuses both at once, lists, signs and overflow."""
    head.content_length = 0
    codings = apart.get(b"transfer-encoding")
    lengths = apart.get(b"content-length")
    if codings is not None:
        if lengths is not None or head.minor_version == 0:
            raise RemoteProtocolError(400, "framing")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise RemoteProtocolError(501, "transfer_coding")
        head.framing = CHUNKED
    elif lengths is not None:
        if len(lengths) > 1 or not _is_length(lengths[0]):
            raise RemoteProtocolError(400, "framing")
        head.framing = LENGTH
        head.content_length = int(lengths[0])
    else:
        head.framing = NONE


class ResponseHead:
    """One response head, checked."""

    __slots__ = ("content_length", "end_to_end", "framing", "keep_alive", "reason", "status")

    status: int
    reason: bytes
    end_to_end: bytes
    framing: Framing
    """Of the body that follows; NONE for HEAD, 1xx, 204 and 304 whatever the fields say."""
    content_length: bytes | None
    """The field to pass on: HEAD and 304 carry it without a body, 1xx and 204 never."""
    keep_alive: bool

    def to_downstream(self, framing: Framing, close: bool) -> bytes:
        """Head bytes for the downstream, with `framing` as `downstream_framing` chose it."""
        pieces = [b"HTTP/1.1 %d " % self.status, self.reason, _CRLF, self.end_to_end]
        if framing is CHUNKED:
            pieces.append(b"Transfer-Encoding: chunked\r\n")
        elif self.content_length is not None:
            pieces += (b"Content-Length: ", self.content_length, _CRLF)
        if close:
            pieces.append(b"Connection: close\r\n")
        pieces.append(_CRLF)
        return b"".join(pieces)


def read_response_head(
    status: int, reason: bytes, keep_alive: bool, fields: HeadFields, answers_head: bool
) -> ResponseHead:
    """Check what the parser reported; raises RemoteProtocolError (502)."""
    if not 100 <= status <= 599 or status == 101:
        raise RemoteProtocolError(502, "status")
    head = ResponseHead()
    head.status = status
    head.reason = reason
    head.keep_alive = keep_alive
    head.end_to_end = fields.end_to_end()
    codings = fields.apart.get(b"transfer-encoding")
    lengths = fields.apart.get(b"content-length", [])
    if len(lengths) > 1 or (lengths and not _is_length(lengths[0])):
        raise RemoteProtocolError(502, "framing")
    if codings is not None and (lengths or len(codings) > 1 or codings[0].lower() != b"chunked"):
        raise RemoteProtocolError(502, "framing")
    if answers_head or status < 200 or status in (204, 304):
        head.framing = NONE
    elif codings is not None:
        head.framing = CHUNKED
    elif lengths:
        head.framing = LENGTH
    else:
        head.framing = UNTIL_CLOSE
    # RFC 9110 8.6: a 1xx or 204 must not have the field.
    has_length = lengths and status >= 200 and status != 204
    head.content_length = lengths[0] if has_length else None
    return head


def _is_length(value: bytes) -> bool:
    """Digits only, and no more of them than everybody can count (RFC 9110 8.6)."""
    return value.isdigit() and len(value) <= _MOST_LENGTH_DIGITS


def downstream_framing(response: ResponseHead, request: RequestHead) -> Framing:
    """How the response body is framed for the downstream (RFC 9112 6.3, 7.1).

    A body whose end only a close would show becomes chunked; HTTP/1.0 knows no chunks.
    """
    if response.framing in (NONE, LENGTH):
        return response.framing
    return CHUNKED if request.minor_version == 1 else UNTIL_CLOSE


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; `data` is not empty (RFC 9112 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    414: b"URI Too Long",
    417: b"Expectation Failed",
    431: b"Request Header Fields Too Large",
    501: b"Not Implemented",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
    505: b"HTTP Version Not Supported",
}


def error_response(status: int, close: bool, with_body: bool = True) -> bytes:
    """A short answer of our own; `with_body` is false for a HEAD request."""
    reason = _REASONS[status]
    body = b"%d %b\n" % (status, reason)
    return b"".join(
        (
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain\r\n" % (status, reason),
            b"Content-Length: %d\r\n" % len(body),
            b"Connection: close\r\n" if close else b"",
            _CRLF,
            body if with_body else b"",
        )
    )
