"""A response head as a value: its status, how its body is framed, and its bytes downstream.

Read as strictly as a request: a primary that cannot be understood without doubt is answered for
with 502, and its connection is closed.

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
# RFC 9112 4; the parser lets every byte but CR and LF be one of a reason. Known phrases need no
# look, and nearly every answer has one.
_REASON = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_KNOWN_REASONS = frozenset(status.phrase.encode() for status in HTTPStatus)


class ParsedStatus(Protocol):
    """What the parser knows of a response when its head is complete."""

    def get_http_version(self) -> str: ...

    def get_status_code(self) -> int: ...

    def should_keep_alive(self) -> bool: ...


class ResponseHead:
    """One response head, checked."""

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
        """Of the body that follows; NONE for HEAD, 1xx, 204 and 304 whatever the fields say."""
        self.content_length: bytes | None = None
        """The field to pass on: HEAD and 304 carry it without a body, 1xx and 204 never."""
        self.upgrade = b""
        """The protocol that a 101 switches to; empty for every other status."""

    def to_downstream(self, framing: Framing, close: bool) -> bytes:
        """Head bytes for the downstream, with `framing` as `downstream_framing` chose it."""
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
    """Check what the parser reported; raises RemoteProtocolError (502).

    `flat` is name, value, name, … as they came.
    """
    status = parser.get_status_code()
    # llhttp also takes HTTP/0.9 and HTTP/2.0 for a version.
    if not 100 <= status <= 599 or parser.get_http_version() not in _VERSIONS:
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
    if answers_head or status < 200 or status == 204 or status == 304:
        head.framing = NONE
    elif is_chunked:
        head.framing = CHUNKED
    elif length is not None:
        head.framing = LENGTH
    else:
        head.framing = UNTIL_CLOSE
    # RFC 9110 8.6: a 1xx or 204 must not have the field.
    if status >= 200 and status != 204:
        head.content_length = length
    return head


def _read_rare(
    head: ResponseHead, parser: ParsedStatus, flat: list[bytes], answers_head: bool
) -> tuple[bytes | None, bool]:
    """The fields of a head that has more to it than most; its length, and whether in chunks.

    RFC 9112 6.3: one length or one coding, never both.
    """
    head.end_to_end, apart = sort_fields(flat)
    if head.status == 101:
        head.upgrade = b", ".join(apart.get(b"upgrade", ()))
    if answers_head:
        # The parser takes an answer without a length for one that lasts until the close.
        is_old = parser.get_http_version() == "1.0"
        head.keep_alive = not is_old and b"close" not in connection_options(apart)
    codings = apart.get(b"transfer-encoding")
    lengths = apart.get(b"content-length")
    if lengths is not None and (len(lengths) > 1 or not is_length(lengths[0])):
        raise RemoteProtocolError(502, "framing")
    if codings is not None:
        # RFC 9112 6.1: a coding in HTTP/1.0 is faulty framing.
        is_single = len(codings) == 1 and codings[0].lower() == b"chunked"
        if lengths or not is_single or parser.get_http_version() == "1.0":
            raise RemoteProtocolError(502, "framing")
    return lengths[0] if lengths else None, codings is not None


def downstream_framing(response: ResponseHead, request: RequestHead) -> Framing:
    """How the response body is framed for the downstream (RFC 9112 6.3, 7.1).

    A body whose end only a close would show becomes chunked; HTTP/1.0 knows no chunks.
    """
    if response.framing is LENGTH or response.framing is NONE:
        return response.framing
    return CHUNKED if request.minor_version == 1 else UNTIL_CLOSE
