"""A response head as a value: its status, the framing of its body, and its bytes downstream.

Responses are read as strictly as requests. If the head of a primary's response is ambiguous, the
downstream gets 502 and the connection to the primary is closed.

References: RFC 9110 sections 7.8, 8.6, 15; RFC 9112 sections 6.3, 7.1.
"""

import re
from http import HTTPStatus
from typing import Protocol

from mirror.core.http1 import (
    CHUNKED,
    CRLF,
    LENGTH,
    NONE,
    UNTIL_CLOSE,
    Framing,
    connection_options,
    is_length,
    is_plain,
    plan_of,
    sort_fields,
)
from mirror.core.request_head import RequestHead
from mirror.errors import RemoteProtocolError

_VERSIONS = ("1.1", "1.0")
# The parser accepts every byte but CR and LF here; NUL ends the line for some recipients.
# A standard phrase, which nearly every response has, skips the match.
_REASON = re.compile(rb"[^\0\r\n]*")
_KNOWN_REASONS = frozenset(status.phrase.encode() for status in HTTPStatus)


class ParsedStatus(Protocol):
    """What the parser (httptools.HttpResponseParser) reports once a response head is complete."""

    def get_http_version(self) -> str: ...

    def get_status_code(self) -> int: ...

    def should_keep_alive(self) -> bool: ...


class ResponseHead:
    """One response head that passed every check of `read_response_head`."""

    __slots__ = (
        "content_length",
        "end_to_end",
        "framing",
        "keep_alive",
        "reason",
        "status",
        "upgrade",
    )

    def __init__(self, status: int, reason: bytes, keep_alive: bool) -> None:
        self.status = status
        self.reason = reason
        self.keep_alive = keep_alive
        self.end_to_end = b""
        self.framing: Framing = NONE
        """Framing of the body; NONE in answer to HEAD and for 1xx, 204, 304 (RFC 9112 6.3)."""
        self.content_length: bytes | None = None
        """Content-Length to pass on. HEAD and 304 may have it without a body, 1xx and 204 never."""
        self.upgrade = b""
        """The protocol that a 101 switches to; empty for any other status (RFC 9110 15.2.2)."""

    def to_downstream(self, framing: Framing, close: bool) -> bytes:
        """Return the head bytes for the downstream.

        `framing` comes from `downstream_framing`; `close` announces that we close the connection.
        """
        if framing is CHUNKED:
            length = b"Transfer-Encoding: chunked\r\n"
        elif self.content_length is not None:
            length = b"Content-Length: %b\r\n" % self.content_length
        else:
            length = b""
        if self.upgrade:
            end = b"Upgrade: %b\r\nConnection: upgrade\r\n\r\n" % self.upgrade
        else:
            end = b"Connection: close\r\n\r\n" if close else CRLF
        line = (self.status, self.reason, self.end_to_end, length, end)
        return b"HTTP/1.1 %d %b\r\n%b%b%b" % line


def read_response_head(
    parser: ParsedStatus, reason: bytes, flat: list[bytes], answers_head: bool
) -> ResponseHead:
    """Check a head that the parser has completed, and return it as a value.

    `flat` alternates field names and values. `answers_head` is true if the request was HEAD, whose
    response has no body whatever its fields announce. Raises RemoteProtocolError with status 502.
    """
    status = parser.get_status_code()
    # llhttp also accepts the versions HTTP/0.9 and HTTP/2.0. RFC 9110 15: a client that gets a
    # status of 600 or more processes it as 5xx, and a proxy passes it on.
    if not 100 <= status <= 999 or parser.get_http_version() not in _VERSIONS:
        raise RemoteProtocolError(502, "status")
    if reason not in _KNOWN_REASONS and not _REASON.fullmatch(reason):
        raise RemoteProtocolError(502, "reason")
    head = ResponseHead(status, reason, parser.should_keep_alive())
    plan = plan_of(flat)
    values = flat[1::2]
    length: bytes | None = None
    is_chunked = False
    if is_plain(plan, values) and not answers_head:
        head.end_to_end = plan.template % plan.pick(values)
        if plan.length_at >= 0:
            length = values[plan.length_at].strip()
            if not is_length(length):
                raise RemoteProtocolError(502, "framing")
    else:
        length, is_chunked = _read_rare(head, parser, flat, answers_head)
    # RFC 9112 6.3, in its order: no body at all, then chunks, then a length, then until close.
    if answers_head or status < 200 or status == 204 or status == 304:
        head.framing = NONE
    elif is_chunked:
        head.framing = CHUNKED
    elif length is not None:
        head.framing = LENGTH
    else:
        head.framing = UNTIL_CLOSE
    # RFC 9110 8.6: a 1xx or 204 must not carry Content-Length.
    if status >= 200 and status != 204:
        head.content_length = length
    return head


def _read_rare(
    head: ResponseHead, parser: ParsedStatus, flat: list[bytes], answers_head: bool
) -> tuple[bytes | None, bool]:
    """Read the fields that the fast path does not cover; return the length and is_chunked.

    RFC 9112 6.3: a response has one length or one transfer coding, never both.
    """
    head.end_to_end, apart = sort_fields(flat)
    if head.status == 101:
        head.upgrade = b", ".join(apart.get(b"upgrade", ()))
    if answers_head:
        # The parser does not know that this answers HEAD: without a length it expects a body until
        # the close and reports no keep-alive. We therefore decide by version and Connection.
        is_old = parser.get_http_version() == "1.0"
        head.keep_alive = not is_old and b"close" not in connection_options(apart)
    codings = apart.get(b"transfer-encoding")
    lengths = apart.get(b"content-length")
    if lengths is not None and (len(lengths) > 1 or not is_length(lengths[0])):
        raise RemoteProtocolError(502, "framing")
    if codings is not None:
        if lengths or len(codings) != 1 or codings[0].lower() != b"chunked":
            raise RemoteProtocolError(502, "framing")
        # RFC 9112 6.1: a transfer coding in HTTP/1.0 makes the framing faulty; the message is read
        # by its coding, and the connection closed behind it.
        head.keep_alive = head.keep_alive and parser.get_http_version() != "1.0"
    return lengths[0] if lengths else None, codings is not None


def body_start(data: bytes) -> int:
    """Return where the body of a final response begins in bytes that hold its whole head.

    The bytes begin with that head, or with whole 1xx responses before it.
    """
    end = data.find(b"\r\n\r\n")
    at = 0
    while end >= 0 and data[at + 9 : at + 10] == b"1":  # behind `HTTP/1.1 `
        at = end + 4
        end = data.find(b"\r\n\r\n", at)
    return end + 4 if end >= 0 else len(data)


def downstream_framing(response: ResponseHead, request: RequestHead) -> Framing:
    """Return how the response body is framed for the downstream (RFC 9112 6.3, 7.1).

    A body that ends with the primary's close becomes chunked, so the downstream connection
    stays open. HTTP/1.0 has no chunks, so there we close as well.
    """
    if response.framing is LENGTH or response.framing is NONE:
        return response.framing
    return CHUNKED if request.minor_version == 1 else UNTIL_CLOSE
