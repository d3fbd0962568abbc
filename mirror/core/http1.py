"""What request and response heads share: framing, field sorting, chunks, our own responses.

The parser (httptools, strict) reports fields one by one; `sort_fields` walks them once. End-to-end
fields are joined into one byte string that every leg of the exchange shares. Fields that apply to
a single hop, or that decide framing or routing, are set apart and written anew for each leg.

Invariant: no head is copied raw from the wire, so two recipients cannot read it differently
(request smuggling, RFC 9112 11.2).

References: RFC 9110 sections 5.3, 6.5.1, 7.6.1, 8.6; RFC 9112 sections 6, 7.1.
"""

from enum import Enum
from operator import itemgetter
from typing import Final

from mirror.core.wrong_mode import MODE_FIELD, mode_at

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
NO_CONTENT_CLOSE = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

CRLF = b"\r\n"
_LAST_CHUNK = b"0\r\n\r\n"

Apart = dict[bytes, list[bytes]]
"""Values of the fields set apart, by lower-case name, in the order received."""


class Framing(Enum):
    """How a recipient knows where the body ends (RFC 9112 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until_close"


# Module constants, because looking up an attribute of an Enum class costs nine times as much.
NONE = Framing.NONE
LENGTH = Framing.LENGTH
CHUNKED = Framing.CHUNKED
UNTIL_CLOSE = Framing.UNTIL_CLOSE

# Fields that are not passed on as received. RFC 9110 7.6.1 lists the hop-by-hop ones; Host,
# Content-Length and Transfer-Encoding are written anew because they decide routing and framing;
# X-Mirror-Leg is our own loop guard, which only a shadow leg carries; X-Mirror-Mode is for us
# alone.
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
        MODE_FIELD,
    }
)
# Connection options that need no removal: they name no field, or one in _SET_APART.
# An empty option comes from a list such as "close,," (RFC 9110 5.6.1.2).
_CONNECTION_OPTIONS = frozenset({b"close", b"keep-alive", b"upgrade", b"te", b""})
# RFC 9110 6.5.1 forbids trailer fields that frame, route, authenticate or modify the message: a
# recipient that merges them into the head would act on them after its checks are done.
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
# 18 digits are at most 10**18 - 1, which fits the signed 64-bit integers of nginx, Apache and
# Envoy. RFC 9110 8.6 requires recipients to prevent integer overflow.
_MOST_LENGTH_DIGITS = 18


# Common spellings of Connection that nominate no field. Others take the slower path.
_PLAIN_OPTIONS = frozenset({b"keep-alive", b"Keep-Alive", b"close", b"Close"})

MOST_FIELDS: Final = 200
"""Most fields of a request head, and of a trailer section. Each costs about 100 bytes beyond its
own, so 32 kB of fields of seven bytes held 495 kB. Varnish takes 64 fields, Apache, Envoy, Tomcat
and gunicorn 100, and HAProxy 101. nginx limits bytes only; what it carries came through such a
server, or goes to one, and 200 leaves room for fields that it adds."""
PLANS_BYTES = 12 << 20
"""Most bytes of all plans: a client chooses the names, so it could fill the cache."""
_MOST_PLANS = 1024
_MOST_PLANNED_NAMES = 64
_MOST_PLANNED_BYTES = 2048


class FieldPlan:
    """Everything that the field names of a head determine, computed once per list of names.

    Most heads repeat the names and order of an earlier one (same browser, same connection). The
    plan is therefore cached by names, and one bytes formatting replaces a walk over the fields.
    """

    __slots__ = ("connection_at", "host_at", "is_plain", "length_at", "mode_at", "pick", "template")

    def __init__(self, names: tuple[bytes, ...]) -> None:
        lower = [name.lower() for name in names]
        apart = [name for name in lower if name in _SET_APART]
        kept = [index for index, name in enumerate(lower) if name not in _SET_APART]
        is_short = len(names) <= _MOST_PLANNED_NAMES
        self.is_plain = is_short and len(set(apart)) == len(apart) and set(apart) <= _PLAIN
        """The fields to set apart are at most one of each in _PLAIN, and the fields are not so many
        that they must be counted."""
        self.host_at = lower.index(b"host") if b"host" in apart else -1
        self.length_at = lower.index(b"content-length") if b"content-length" in apart else -1
        self.mode_at = mode_at(lower)
        self.connection_at = lower.index(b"connection") if b"connection" in apart else -1
        self.pick = itemgetter(*kept) if kept else _nothing
        # A "%" is a valid character of a field name (RFC 9110 5.6.2) and must not format anything.
        self.template = b"".join(names[at].replace(b"%", b"%%") + b": %b\r\n" for at in kept)


_PLAIN = frozenset({b"host", b"content-length", b"connection", MODE_FIELD})
_plans: dict[tuple[bytes, ...], FieldPlan] = {}


def _nothing(values: list[bytes]) -> tuple[()]:
    return ()


def plan_of(flat: list[bytes]) -> FieldPlan:
    """Return the plan for a head; `flat` alternates names and values: name, value, name, …"""
    names = tuple(flat[::2])
    plan = _plans.get(names)
    if plan is None:
        plan = FieldPlan(names)
        # The three limits keep all plans within PLANS_BYTES: the largest plan takes 11 kB.
        # Clearing the cache whole is simpler than an LRU, which would cost each look-up.
        if len(names) <= _MOST_PLANNED_NAMES and sum(map(len, names)) <= _MOST_PLANNED_BYTES:
            if len(_plans) >= _MOST_PLANS:
                _plans.clear()
            _plans[names] = plan
    return plan


def is_plain(plan: FieldPlan, values: list[bytes]) -> bool:
    """Return whether the head can be read by its plan alone.

    If so, `plan.template % plan.pick(values)` gives the end-to-end fields, and only the Host,
    Content-Length and Connection that the plan locates need checks. `values` are the field values
    in the order received. Otherwise the caller uses `sort_fields`.
    """
    at = plan.connection_at
    return plan.is_plain and (at < 0 or values[at] in _PLAIN_OPTIONS)


def sort_fields(flat: list[bytes]) -> tuple[bytes, Apart]:
    """Return the end-to-end fields as head lines, and the fields set apart.

    `flat` alternates names and values. A field that Connection nominates applies to one hop only
    and is removed (RFC 9110 7.6.1). Names keep their spelling, and fields keep their order, which
    matters between fields of the same name (RFC 9110 5.3).
    """
    kept: list[tuple[bytes, bytes]] = []
    apart: Apart = {}
    fields = iter(flat)
    for name, value in zip(fields, fields, strict=True):
        lower = name.lower()
        if lower in _SET_APART:
            apart.setdefault(lower, []).append(value.strip(b" \t"))
        else:
            kept.append((name, value))
    nominated = connection_options(apart) - _CONNECTION_OPTIONS
    lines = [b"%b: %b\r\n" % field for field in kept if field[0].lower() not in nominated]
    return b"".join(lines), apart


def connection_options(apart: Apart) -> set[bytes]:
    """Return the options that all Connection fields list, in lower case (RFC 9110 7.6.1)."""
    values = apart.get(b"connection", ())
    return {option.strip().lower() for value in values for option in value.split(b",")}


def fields_size_bytes(flat: list[bytes]) -> int:
    """Return the bytes that these fields take as head lines; `flat` alternates names and values.

    Each line adds ": " and CRLF, four bytes for two entries of `flat`.
    """
    return sum(map(len, flat)) + 2 * len(flat)


def has_too_many_fields(flat: list[bytes]) -> bool:
    """Return whether a head or a trailer section has more fields than are accepted."""
    return len(flat) > 2 * MOST_FIELDS


def is_length(value: bytes) -> bool:
    """Return whether `value` has only digits, at most 18 of them (RFC 9110 8.6)."""
    return value.isdigit() and len(value) <= _MOST_LENGTH_DIGITS


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk (RFC 9112 7.1). An empty `data` would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: list[bytes]) -> bytes:
    """Return the end of a chunked body with its trailer section.

    `trailers` alternates names and values; fields that may not be trailers are removed. RFC 9112
    7.1.2: trailers are passed on after the body and never merged into the head.
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


NO_ANSWER: Final = 444
"""Stands for no answer at all, as in nginx."""
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
    508: b"Loop Detected",  # RFC 5842, section 7.2
}


def error_response(status: int, close: bool, with_body: bool = True) -> bytes:
    """Return a complete error response of our own.

    `close` announces that we close the connection. `with_body` is false in answer to HEAD, whose
    Content-Length still counts the body that GET would get (RFC 9110 9.3.2). Raises KeyError for
    a status that is not in _REASONS. NO_ANSWER is no byte.
    """
    if status == NO_ANSWER:
        return b""
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
