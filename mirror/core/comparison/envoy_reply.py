"""Who gave an answer of the shadow, and what Envoy's own short answers say of their cause.

Envoy adds `x-envoy-upstream-service-time` to what an application answered
(source/common/router/router.cc) and to nothing that it answers by itself: a route that it misses is
404 with an empty body, an upstream that it cannot reach is 503 with a line of text. Where the mesh
suppresses these headers (`suppress_envoy_headers`), only the texts and an empty body are left, and
an application's empty 404 looks like a route that is missing; `shows_origin` says so.

Envoy from 1.38.1 on keeps it to itself when a TLS handshake with an upstream failed (its release
notes: `hide_transport_failure_reason_in_response_body`); such a 503 is then one without a usable
upstream. A global rate limit is known by `x-envoy-ratelimited`
(source/extensions/filters/http/ratelimit/ratelimit.cc), because its answer is empty.

A text is trusted before the header: the Envoy beside an application answers in the same words, and
the gateway's Envoy passes them on like an application's. tests/topology/test_envoy_replies.py has
all of these answers from a real Envoy.
"""

import re

from mirror.core.comparison.answer import (
    CONNECT_FAILED,
    FAULT,
    JWT,
    NO_HEALTHY_UPSTREAM,
    OVERFLOW,
    RATE_LIMITED,
    RBAC,
    RESET,
    TIMEOUT,
    TLS,
    Answer,
)
from mirror.core.comparison.redirects import MOST_LOCATION_BYTES
from mirror.core.response_head import body_start

_ORIGIN = b"\r\nx-envoy-upstream-service-time:"
_OTHER_SERVER = re.compile(rb"\r\nserver:[ \t]*(?!istio-envoy|envoy)[^ \t\r]")
"""The shadow need not be Envoy (`shadow.accept_server`)."""
_LOCATION = re.compile(rb"\r\nlocation:[ \t]*([^\r\n?#]*)", re.IGNORECASE)
# source/common/router/router.cc and the filters of source/extensions/filters/http; the words of the
# reset reasons are those of source/common/http/utility.cc. Versions differ in `_` and a blank.
_TEXTS = (
    (b"no healthy upstream", NO_HEALTHY_UPSTREAM),
    (b"upstream request timeout", TIMEOUT),
    (b"stream timeout", TIMEOUT),
    (b"rbac: access denied", RBAC),
    (b"local rate limited", RATE_LIMITED),
    (b"jwt ", JWT),
    (b"audiences in jwt ", JWT),
    (b"fault filter abort", FAULT),
)
_NO_CONNECTION = b"upstream connect error or disconnect/reset before headers"
_REASONS = (
    (b"tls error", TLS),
    (b"ssl routines", TLS),
    (b"certificate verify failed", TLS),
    (b"reset reason: overflow", OVERFLOW),
    (b"connection failure", CONNECT_FAILED),
    (b"connection timeout", CONNECT_FAILED),
)


class ReplyReader:
    """Makes answers of what one worker's connections kept."""

    __slots__ = ("shows_origin",)

    def __init__(self) -> None:
        self.shows_origin: bool | None = None
        """Whether a success carried the header that names an application's answer; None before the
        first success that was looked at."""

    def answer(
        self, outcome: str, status: int, latency_us: int, body_bytes: int, opening: bytes
    ) -> Answer:
        """Return what is kept of a leg; `opening` is defined by discarding.py, and not empty."""
        start = body_start(opening)
        head = opening[:start].lower()
        has_origin = _ORIGIN in head
        if 200 <= status < 300:
            self.shows_origin = has_origin or self.shows_origin is True
            return Answer(status, outcome, latency_us, body_bytes)
        detail = _detail_of(head, opening[start:])
        if has_origin or detail:
            is_from_proxy = bool(detail)
        else:
            # Of an application whose headers are suppressed, an answer has a type or a body.
            is_from_proxy = self.shows_origin is True or (
                body_bytes == 0
                and b"\r\ncontent-type:" not in head
                and not _OTHER_SERVER.search(head)
            )
        location = _location_of(opening[:start]) if 300 <= status < 400 else ""
        return Answer(status, outcome, latency_us, body_bytes, is_from_proxy, detail, location)


def location_in(fields: bytes) -> str:
    """Return where the Location in these head lines leads to, without its query; or empty.

    The lines begin with a CRLF or with the name of the first field.
    """
    return _location_of(b"\r\n" + fields)


def _location_of(head: bytes) -> str:
    match = _LOCATION.search(head)
    return match[1][:MOST_LOCATION_BYTES].decode("latin-1").strip() if match else ""


def _detail_of(head: bytes, body: bytes) -> str:
    if b"\r\nx-envoy-ratelimited:" in head:
        return RATE_LIMITED
    if not body:
        return OVERFLOW if b"\r\nx-envoy-overloaded:" in head else ""
    text = body.lower().replace(b"_", b" ")
    for words, detail in _TEXTS:
        if text.startswith(words):
            return detail
    if not text.startswith(_NO_CONNECTION):
        return ""
    for words, detail in _REASONS:
        if words in text:
            return detail
    return RESET
