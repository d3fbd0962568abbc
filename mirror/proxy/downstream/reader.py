"""Reads the requests of one connection strictly and in order: the parser, and the limits of a head.

This class knows no socket and no deadline. connection.py adds both, and the subclass of each mode
handles the requests.
Invariant: if a request is ambiguous, `refuse` is called and nothing more is read; no part of the
request reaches an upstream. What the parser refuses although its framing is clear is read by
core/opaque_head.py and passed on.
"""

import asyncio
import logging

import httptools

from mirror.core.hop import Hop
from mirror.core.http1 import CHUNKED, fields_size_bytes, has_too_many_fields
from mirror.core.opaque_head import (
    OpaqueHead,
    PlainChunks,
    begins_opaque_request,
    read_opaque_request,
)
from mirror.core.request_head import RequestHead, foreign_protocol, read_request_head
from mirror.errors import RemoteProtocolError

log = logging.getLogger(__name__)

LONGEST_TARGET_BYTES = 8192
"""As nginx takes it (one of large_client_header_buffers, 8k by default), and Apache (8190)."""
_MOST_EMPTY_BYTES = 8
"""RFC 9112, section 2.2: ignore at least one empty line before a request. We ignore four."""
_LAST_OF_LINE_END = ord("\r")
_HEAD_END = b"\r\n\r\n"
# Refusals of the parser that may be a matter of bytes and not of framing (core/opaque_head.py).
_BY_PARSER = frozenset({"method", "syntax", "upgrade_with_body"})
# It has the same purpose as NO_PARSER in upstream/connection.py.
NO_PARSER = httptools.HttpRequestParser(object())

# The state of reading. ENDED: the client sends nothing more, but a response may be due. CLOSING:
# nothing more is read, not even bytes that have already arrived; this state is final.
BETWEEN, HEAD, BODY, ENDED, CLOSING = range(5)


class RequestReader(asyncio.Protocol):
    """The reading half of a downstream connection."""

    __slots__ = (
        "_body",
        "_chunks",
        "_flat",
        "_head",
        "_hop",
        "_is_chunked",
        "_is_told",
        "_max_head_bytes",
        "_opaque",
        "_parser",
        "_progressed",
        "_reading",
        "_refused_for",
        "_stalled_bytes",
        "_target",
        "on_body",
    )

    def __init__(self, max_head_bytes: int) -> None:
        # per connection
        self._max_head_bytes = max_head_bytes
        self._hop: Hop | None = None
        self._body: list[bytes] = []
        self.on_body = self._body.append
        self._parser = self._new_parser()
        self._reading = BETWEEN
        # per exchange
        self._progressed = False  # whether this read completed a head or a message
        self._stalled_bytes = 0
        """Bytes read since the last progress, including those of this read."""
        self._target = b""
        self._flat: list[bytes] = []
        """Fields of the head, then of the trailers: name, value, name, …"""
        self._head = b""
        """Bytes of an incomplete head; empty if it is not known where the head began."""
        self._refused_for: tuple[int, str] | None = None
        """Why the parser refused the head in `_head`, if it did."""
        self._opaque: OpaqueHead | None = None
        """The head that the parser is being told in plain words."""
        self._is_chunked = False
        """Whether the body being read is chunked, and its head was the first of a read."""
        self._is_told = False
        """Whether the head that the parser reads now was told to the mode before."""
        self._chunks: PlainChunks | None = None
        """What the parser gets of a chunked body, once its head was read."""

    # --- what a mode does with a request ---

    def request_begun(self, head: RequestHead) -> None:
        raise NotImplementedError

    def request_body(self, data: bytes) -> None:
        raise NotImplementedError

    def request_ended(self, trailers: list[bytes]) -> None:
        raise NotImplementedError

    def request_broken(self) -> bool:
        """End a malformed request; return whether an answer can still be sent."""
        raise NotImplementedError

    @property
    def is_idle(self) -> bool:
        """Whether no exchange is in progress."""
        raise NotImplementedError

    def behind_upgrade(self, data: bytes) -> bytes:
        """Take the bytes after an upgrade request; return those to parse now.

        RFC 9110, section 7.8: if the upgrade is not granted, they are another request.
        """
        return data

    def take_held(self) -> bytes:
        """Return the bytes that were read after an upgrade request, and forget them."""
        return b""

    # --- what a connection does ---

    def refuse(self, status: int, reason: str) -> None:
        """Count a refusal, answer with `status` if that is still possible, and close."""
        raise NotImplementedError

    def wait_for_request(self) -> None:
        """Become idle, for at most the idle timeout."""
        raise NotImplementedError

    def close(self) -> None:
        """Send what was written, for at most the idle timeout, then close; read nothing more."""
        raise NotImplementedError

    # --- asyncio.Protocol ---

    def data_received(self, data: bytes) -> None:
        if data[0] <= _LAST_OF_LINE_END and self._reading == BETWEEN:
            data = self._skip_empty_lines(data)
        while data and self._reading != CLOSING:
            self._stalled_bytes += len(data)
            if self._refused_for is not None:
                data = self._read_opaque(self._head + data, self._refused_for)
                continue
            if self._chunks is not None and not self._is_told:
                data = self._chunks.plain(data)
                if not data:
                    self._watch(0)  # the end of a chunk line is still to come
                    return
            has_begin = self._reading == BETWEEN or bool(self._head)
            # Whether this read began with the first message in it, or has all of its head.
            is_first = has_begin or self._opaque is not None
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self.behind_upgrade(data[upgrade.args[0] :])
                self._forget_progress()
                continue
            except httptools.HttpParserError as error:
                is_of_bytes = not isinstance(error, httptools.HttpParserCallbackError)
                if is_of_bytes and is_first and self._is_chunked:
                    data = self._read_chunks_again(self._head + data)
                    continue
                refusal = _refusal_of(error, data)
                if not has_begin or self._progressed or refusal is None:
                    self._refuse_for(refusal)
                    return
                data = self._read_opaque(self._head + data, refusal)
                continue
            if self._reading == BETWEEN:
                self._forget_progress()
            else:
                if is_first and self._is_chunked:
                    raw = self._head + data
                    self._chunks = PlainChunks()
                    self._chunks.plain(raw[raw.index(_HEAD_END) + 4 :])
                    if self._chunks.is_within_line:  # the parser has its start: take it back
                        data = self._read_chunks_again(raw)
                        continue
                is_in_head = has_begin and self._reading == HEAD and not self._progressed
                self._head = self._head + data if is_in_head else b""
                self._watch(len(data))
            return

    # --- httptools callbacks; on_body is the list's own append ---

    def on_message_begin(self) -> None:
        if self._reading == CLOSING:
            raise RemoteProtocolError(400, "after_close")
        self._reading = HEAD

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self._flat += (name, value)

    def on_headers_complete(self) -> None:
        flat, self._flat = self._flat, []
        target, self._target = self._target, b""
        method = b""
        opaque = self._opaque
        if opaque is not None:
            self._opaque = None
            method, target, flat = opaque.method, opaque.target, opaque.flat
        self._reading = BODY
        if self._is_told:
            self._is_told = False
            return
        if len(target) > LONGEST_TARGET_BYTES:
            raise RemoteProtocolError(414, "target_too_long")
        # The sum is computed only if the bytes since the last head could exceed the limit.
        limit = self._max_head_bytes
        if self._stalled_bytes > limit and fields_size_bytes(flat) > limit:
            raise RemoteProtocolError(431, "head_too_large")
        head = read_request_head(self._parser, target, flat, self._hop, method)
        if head.framing is CHUNKED:
            self._is_chunked = not self._progressed
        self.request_begun(head)
        self._progressed = True

    def on_message_complete(self) -> None:
        trailers = self._flat
        if trailers:
            self._flat = []
            if has_too_many_fields(trailers):
                raise RemoteProtocolError(431, "too_many_fields")
        if self._is_chunked:
            self._is_chunked = False
            self._chunks = None
        if self._reading == BODY:
            self._reading = BETWEEN
        self._progressed = True
        if self._body:
            self._pass_body()
        self.request_ended(trailers)

    # --- inside ---

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # RFC 9112, section 7.1.1: white space behind a chunk's size (BWS) must be accepted.
        parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        return parser

    def _forget_progress(self) -> None:
        """Begin between two requests: no byte of the next one has been read."""
        self._progressed = False
        self._stalled_bytes = 0
        self._head = b""

    def _skip_empty_lines(self, data: bytes) -> bytes:
        """Return the bytes behind the empty lines before a request."""
        rest = data if foreign_protocol(data) else data.lstrip(b"\r\n")
        self._stalled_bytes += len(data) - len(rest)
        if self._stalled_bytes > _MOST_EMPTY_BYTES:
            self.refuse(400, "empty_lines")
        return rest

    def _read_opaque(self, head: bytes, refusal: tuple[int, str]) -> bytes:
        """Read a head that the parser refused; return what to give to a new parser instead.

        `head` has all its bytes so far, and what follows. Returns nothing while the head is
        incomplete, or if it stays refused.
        """
        status, reason = refusal
        end = head.find(_HEAD_END)
        opaque = None
        if reason in _BY_PARSER:
            if end < 0 and begins_opaque_request(head):
                is_new = self._refused_for is None
                self._reading = HEAD
                self._head = head
                self._refused_for = refusal
                self._watch(self._stalled_bytes if is_new else 0)
                return b""
            opaque = read_opaque_request(head[: max(end, 0)])
        self._head = b""
        self._refused_for = None
        if opaque is None:
            self.refuse(status, reason)
            return b""
        self._read_head_anew()
        self._opaque = opaque
        return opaque.plain + head[end + 4 :]

    def _read_chunks_again(self, raw: bytes) -> bytes:
        """Return what to give to a new parser: the same head, and plain chunk lines."""
        body_at = raw.index(_HEAD_END) + 4
        self._read_head_anew()
        self._head = b""
        self._body.clear()  # what came before the error will come again
        self._is_told = True
        self._chunks = PlainChunks()
        return raw[:body_at] + self._chunks.plain(raw[body_at:])

    def _read_head_anew(self) -> None:
        """Let a new parser read the head from its start."""
        self._parser = self._new_parser()
        self._target = b""
        self._flat = []
        self._reading = HEAD

    def _watch(self, size_bytes: int) -> None:
        """Bound the memory and the time of a request that one read did not complete."""
        if self._body:
            self._progressed = True
            self._pass_body()
        begins = self._progressed or self._stalled_bytes == size_bytes
        if begins and self._reading == HEAD and self.is_idle:
            self.wait_for_request()  # the deadline of the head starts once, not with each read
        if self._progressed:
            self._progressed = False
            self._stalled_bytes = 0
        elif self._stalled_bytes > self._max_head_bytes:
            self.refuse(431, "head_too_large")
        if has_too_many_fields(self._flat):
            self.refuse(431, "too_many_fields")

    def _pass_body(self) -> None:
        pieces = self._body
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.request_body(data)

    def _refuse_for(self, refusal: tuple[int, str] | None) -> None:
        """Refuse what cannot be read on; None stands for a bug of ours."""
        if refusal is not None:
            self.refuse(*refusal)
        else:
            self.request_broken()
            self.close()


def _refusal_of(error: Exception, data: bytes) -> tuple[int, str] | None:
    """Return status and reason of a parser error at `data`; log our own bug and return None."""
    if isinstance(error, httptools.HttpParserCallbackError):
        cause = error.__context__
        if isinstance(cause, RemoteProtocolError):
            return cause.status, cause.reason
        log.error("unexpected error while reading a request", exc_info=cause)
        return None
    protocol = foreign_protocol(data)
    if protocol:
        return 505 if protocol == "http2" else 400, protocol
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return 501, "method"
    return 400, "syntax"
