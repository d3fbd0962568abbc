"""What both heads of HTTP/1.1 share: framing, the sorting of fields, chunks, our own answers.

The parser (httptools, strict) reports fields one by one; `sort_fields` walks them once. End-to-end
fields are joined into one byte string that every leg of the exchange shares; the few fields that
HTTP gives a meaning between hops are kept apart and written anew for each leg. Nothing is ever
copied raw from the wire.

References: RFC 9110 sections 5.3, 6.5.1, 7.6.1, 8.6; RFC 9112 sections 6, 7.1.
"""

from enum import Enum
from operator import itemgetter

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
NO_CONTENT_CLOSE = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

CRLF = b"\r\n"
_LAST_CHUNK = b"0\r\n\r\n"

Apart = dict[bytes, list[bytes]]
"""Values of the fields set apart, by lower-case name."""


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
        b"x-mirror-leg",
    }
)
# Connection options that name no field of their own.
_CONNECTION_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade", b"te", b""})
# RFC 9110 6.5.1: what frames, routes, authenticates or changes the message is no trailer.
_NO_TRAILER = _SET_APART | {
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"cookie",
    b"max-forwards",
    b"proxy-authorization",
    b"range",
    b"set-cookie",
    b"trailer",
}
# 10**18 - 1 bytes: fits the signed 64 bits that nginx, Apache and Envoy count in.
_MOST_LENGTH_DIGITS = 18


# Values of Connection that nominate no field, as everybody writes them.
_PLAIN_OPTIONS = frozenset({b"keep-alive", b"Keep-Alive", b"close", b"Close"})
_MOST_PLANS = 4096
_MOST_PLANNED_BYTES = 2048


class FieldPlan:
    """What is known of a head from the names of its fields alone.

    Heads with the same names in the same order are frequent (a browser, a connection), so that
    the plan is looked up by the names: one formatting then does what a walk over the fields did,
    whatever their number.
    """

    __slots__ = ("connection_at", "host_at", "is_plain", "length_at", "pick", "template")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        lower = [name.lower() for name in names]
        apart = [name for name in lower if name in _SET_APART]
        kept = [index for index, name in enumerate(lower) if name not in _SET_APART]
        self.is_plain = len(set(apart)) == len(apart) and set(apart) <= _PLAIN
        """Set apart are at most a Host, a Content-Length and a Connection, each once."""
        self.host_at = lower.index(b"host") if b"host" in apart else -1
        self.length_at = lower.index(b"content-length") if b"content-length" in apart else -1
        self.connection_at = lower.index(b"connection") if b"connection" in apart else -1
        self.pick = itemgetter(*kept) if kept else _nothing
        self.template = b"".join(names[at].replace(b"%", b"%%") + b": %b\r\n" for at in kept)


_PLAIN = frozenset({b"host", b"content-length", b"connection"})
_plans: dict[tuple[bytes, ...], FieldPlan] = {}


def _nothing(values: list[bytes]) -> tuple[()]:
    return ()


def plan_of(flat: list[bytes]) -> FieldPlan:
    """The plan for these fields; `flat` is name, value, name, …"""
    names = tuple(flat[::2])
    plan = _plans.get(names)
    if plan is None:
        plan = FieldPlan(names)
        # Bounded in number and size, whatever names a client makes up.
        if sum(map(len, names)) <= _MOST_PLANNED_BYTES:
            if len(_plans) >= _MOST_PLANS:
                _plans.clear()
            _plans[names] = plan
    return plan


def is_plain(plan: FieldPlan, values: list[bytes]) -> bool:
    """Whether `plan.template % plan.pick(values)` are the end-to-end fields, and no others
    need a look than the three that the plan points to."""
    at = plan.connection_at
    return plan.is_plain and (at < 0 or values[at] in _PLAIN_OPTIONS)


def sort_fields(flat: list[bytes]) -> tuple[bytes, Apart]:
    """The end-to-end fields as head lines, and the others; `flat` is name, value, name, …

    What a Connection field nominates is left out.
    """
    kept: list[tuple[bytes, bytes]] = []
    apart: Apart = {}
    fields = iter(flat)
    for name, value in zip(fields, fields, strict=True):
        lower = name.lower()
        if lower in _SET_APART:
            apart.setdefault(lower, []).append(value.strip())
        else:
            kept.append((name, value))
    nominated = connection_options(apart) - _CONNECTION_OPTIONS
    lines = [b"%b: %b\r\n" % field for field in kept if field[0].lower() not in nominated]
    return b"".join(lines), apart


def connection_options(apart: Apart) -> set[bytes]:
    """What the Connection fields list, in lower case."""
    values = apart.get(b"connection", ())
    return {option.strip().lower() for value in values for option in value.split(b",")}


def fields_size_bytes(flat: list[bytes]) -> int:
    """Size of these fields as head lines."""
    return sum(map(len, flat)) + 2 * len(flat)


def is_length(value: bytes) -> bool:
    """Digits only, and no more of them than everybody can count (RFC 9110 8.6)."""
    return value.isdigit() and len(value) <= _MOST_LENGTH_DIGITS


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; `data` is not empty (RFC 9112 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: list[bytes]) -> bytes:
    """The end of a chunked body with its trailer fields (name, value, …), those that may be one.

    RFC 9112 7.1.2: they are passed on behind the body and never merged into the head.
    """
    if not trailers:
        return _LAST_CHUNK
    fields = iter(trailers)
    lines = [
        b"%b: %b\r\n" % (name, value)
        for name, value in zip(fields, fields, strict=True)
        if name.lower() not in _NO_TRAILER
    ]
    return b"".join((b"0\r\n", *lines, CRLF))


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
            CRLF,
            body if with_body else b"",
        )
    )
