"""What request and response heads share: framing, sorting of fields, chunks, our own answers.

The parser (httptools, strict) reports the fields of a head one by one. End-to-end fields are joined
into one byte string, which every leg of the exchange shares. The few fields that have a meaning
between two hops only are set apart and written anew for each leg. Nothing is copied raw from the
wire: what two parsers could read differently would otherwise reach an upstream (request smuggling).

Most heads take the short way: a `FieldPlan`, looked up by the names of the fields, formats the
end-to-end fields in one operation. `sort_fields` walks over the fields of all other heads.

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
    """How the receiver of a body knows where it ends (RFC 9112 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until_close"


# Members as module constants: looking one up on the Enum class costs nine times as much.
NONE = Framing.NONE
LENGTH = Framing.LENGTH
CHUNKED = Framing.CHUNKED
UNTIL_CLOSE = Framing.UNTIL_CLOSE

# Fields that are not passed on as they came. RFC 9110 7.6.1 lists the hop-by-hop fields; Host and
# the framing fields are written anew, and Expect and the mark of a shadow leg concern only us.
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
# Connection options that have a meaning by themselves and nominate no field to be removed.
_CONNECTION_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade", b"te", b""})
# RFC 9110 6.5.1: a field that frames, routes, authenticates or modifies a message must not be sent
# as a trailer. An upstream that merged it into the head could be deceived.
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
# At most 10**18 - 1 bytes, which fits the signed 64 bits that nginx, Apache and Envoy count in. A
# longer number could overflow in one of them and be read as another length.
_MOST_LENGTH_DIGITS = 18


# The spellings of Connection that nearly every client sends, and that nominate no field.
_PLAIN_OPTIONS = frozenset({b"keep-alive", b"Keep-Alive", b"close", b"Close"})
_MOST_PLANS = 4096
_MOST_PLANNED_BYTES = 2048


class FieldPlan:
    """What the names of the fields alone say about a head.

    Heads with the same names in the same order are frequent: every request of a connection, every
    browser of one version. One formatting operation then replaces a walk over the fields, however
    many there are.
    """

    __slots__ = ("connection_at", "host_at", "is_plain", "length_at", "pick", "template")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        lower = [name.lower() for name in names]
        apart = [name for name in lower if name in _SET_APART]
        kept = [index for index, name in enumerate(lower) if name not in _SET_APART]
        self.is_plain = len(set(apart)) == len(apart) and set(apart) <= _PLAIN
        """The fields set apart are at most one Host, one Content-Length and one Connection."""
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
    """Return the plan for these fields; `flat` alternates names and values."""
    names = tuple(flat[::2])
    plan = _plans.get(names)
    if plan is None:
        plan = FieldPlan(names)
        # A client may invent names, so the cache is bounded in plans and in bytes of names.
        if sum(map(len, names)) <= _MOST_PLANNED_BYTES:
            if len(_plans) >= _MOST_PLANS:
                _plans.clear()
            _plans[names] = plan
    return plan


def is_plain(plan: FieldPlan, values: list[bytes]) -> bool:
    """Say whether `plan.template % plan.pick(values)` yields all end-to-end fields.

    No field then needs a closer look, except for the three that the plan points to.
    """
    at = plan.connection_at
    return plan.is_plain and (at < 0 or values[at] in _PLAIN_OPTIONS)


def sort_fields(flat: list[bytes]) -> tuple[bytes, Apart]:
    """Return the end-to-end fields as head lines, and the values of the fields set apart.

    `flat` alternates names and values. Fields that a Connection field nominates are removed
    (RFC 9110 7.6.1).
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
    """Return the options that the Connection fields list, in lower case."""
    values = apart.get(b"connection", ())
    return {option.strip().lower() for value in values for option in value.split(b",")}


def fields_size_bytes(flat: list[bytes]) -> int:
    """Return the size of these fields as head lines: each adds a colon, a space, CR and LF."""
    return sum(map(len, flat)) + 2 * len(flat)


def is_length(value: bytes) -> bool:
    """Say whether a Content-Length consists of digits only, and of at most 18 (RFC 9110 8.6)."""
    return value.isdigit() and len(value) <= _MOST_LENGTH_DIGITS


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body (RFC 9112 7.1). Empty `data` would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: list[bytes]) -> bytes:
    """Return the end of a chunked body, with the trailer fields that may be sent as trailers.

    `trailers` alternates names and values. RFC 9112 7.1.2: they follow the body and are never
    merged into the head.
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
    """Return a short answer of our own; the answer to a HEAD request is `with_body=False`."""
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
