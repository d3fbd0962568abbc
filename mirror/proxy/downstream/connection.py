"""One connection from a client or nginx: reads requests strictly and in order.

Owns the downstream sockets, the request parser, and what both modes share: size limits, the
response to a malformed request, keep-alive and deadlines. The subclass of each mode handles the
requests: sink.py acknowledges and forwards them, inline.py proxies them.
Invariant: if a request is ambiguous, the client gets an error and the connection is closed; no part
of the request reaches an upstream.

A connection has one deadline at a time; the acceptor checks the deadlines of all connections.
"""

import asyncio
import logging
import math
import socket
import struct
from typing import cast

import httptools

from mirror.core.http1 import error_response, fields_size_bytes
from mirror.core.request_head import Hop, RequestHead, foreign_protocol, read_request_head
from mirror.errors import RemoteProtocolError
from mirror.proxy.downstream.acceptor import DRAINING, SERVING, Acceptor

log = logging.getLogger(__name__)

_LONGEST_TARGET_BYTES = 8192  # nginx: one large_client_header_buffers of 8k; Apache: 8190
NEVER = math.inf
_LEAST_BODY_BYTES = 1024
"""Fewer bytes of a body do not extend its deadline, so a body that trickles is cut after one idle
timeout. With the default timeout a body may be as slow as 14 bytes/s; Apache's mod_reqtimeout
requires 500."""

_LINGER_0 = struct.pack("ii", 1, 0)
"""Value of SO_LINGER that makes closing send a reset; it has no effect on a unix socket."""
# It has the same purpose as NO_PARSER in upstream/connection.py.
_NO_PARSER = httptools.HttpRequestParser(object())

# The state of reading. _ENDED: the client sends nothing more, but a response may be due. _CLOSING:
# nothing more is read, not even bytes that have already arrived; this state is final.
_BETWEEN, _HEAD, _BODY, _ENDED, _CLOSING = range(5)


class DownstreamConnection(asyncio.Protocol):
    """One connection that a client or nginx opened to us."""

    __slots__ = (
        "_acceptor",
        "_body",
        "_flat",
        "_hop",
        "_outbox",
        "_parser",
        "_progressed",
        "_reading",
        "_stalled_bytes",
        "_target",
        "_tee",
        "_transport",
        "_trickled_bytes",
        "expires_at",
        "is_reading_paused",
        "is_write_paused",
        "on_body",
    )

    def __init__(self, acceptor: Acceptor) -> None:
        # per process
        self._acceptor = acceptor
        self._tee = acceptor.tee
        self._outbox = acceptor.tee.outbox
        # per connection
        self._transport: asyncio.Transport | None = None
        self._hop: Hop | None = None
        self._body: list[bytes] = []
        self.on_body = self._body.append
        self._parser = httptools.HttpRequestParser(self)
        self._reading = _BETWEEN
        # The transport's `is_reading` does not serve here: it is also false after the client's end.
        self.is_reading_paused = False
        self.is_write_paused = False
        """Whether the client has stopped reading what was written to it."""
        self.expires_at = NEVER
        """When `expire` is due: the deadline of the current exchange, else of an incomplete head,
        else of idleness. Only the methods of this class set it."""
        # per exchange
        self._progressed = False  # whether this read completed a head or a message
        self._stalled_bytes = 0
        """Bytes read since the last progress, including those of this read."""
        self._trickled_bytes = 0
        """Bytes of a body since its deadline was last extended."""
        self._target = b""
        self._flat: list[bytes] = []
        """Fields of the head, then of the trailers: name, value, name, …"""

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

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        if not self._acceptor.admits():
            # No answer: nginx then tries another server of its upstream, if there is one.
            self.abort()
            return
        self._acceptor.connections.add(self)
        if self._acceptor.stage == DRAINING:
            self.close()
        else:
            self.wait_for_request()

    def data_received(self, data: bytes) -> None:
        while data and self._reading != _CLOSING:
            self._stalled_bytes += len(data)
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self.behind_upgrade(data[upgrade.args[0] :])
                continue
            except httptools.HttpParserError as error:
                self._refuse_for(error, data)
                return
            if self._reading == _BETWEEN:
                self._progressed = False
                self._stalled_bytes = 0
            else:
                self._watch(len(data))
            return

    def pause_writing(self) -> None:
        self.is_write_paused = True

    def resume_writing(self) -> None:
        self.is_write_paused = False

    def eof_received(self) -> bool:
        """Keep the connection open: a client may half-close and still wait for the response."""
        if self._reading != _CLOSING:
            self._reading = _ENDED
        return not self.is_idle

    def connection_lost(self, exc: Exception | None) -> None:
        self._reading = _CLOSING
        self._parser = _NO_PARSER
        self._acceptor.connections.discard(self)

    # --- httptools callbacks; on_body is the list's own append ---

    def on_message_begin(self) -> None:
        if self._reading == _CLOSING:
            raise RemoteProtocolError(400, "after_close")
        self._reading = _HEAD

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self._flat += (name, value)

    def on_headers_complete(self) -> None:
        flat, self._flat = self._flat, []
        target, self._target = self._target, b""
        self._reading = _BODY
        self._progressed = True
        if len(target) > _LONGEST_TARGET_BYTES:
            raise RemoteProtocolError(414, "target_too_long")
        # The sum is computed only if the bytes since the last head could exceed the limit.
        limit = self._acceptor.max_head_bytes
        if self._stalled_bytes > limit and fields_size_bytes(flat) > limit:
            raise RemoteProtocolError(431, "head_too_large")
        self.request_begun(read_request_head(self._parser, target, flat, self._hop))

    def on_message_complete(self) -> None:
        if self._reading == _BODY:
            self._reading = _BETWEEN
        self._progressed = True
        trailers = self._flat
        if trailers:
            self._flat = []
        if self._body:
            self._pass_body()
        self.request_ended(trailers)

    # --- for the modes ---

    @property
    def transport(self) -> asyncio.Transport:
        """The transport, for an exchange that switched protocols."""
        assert self._transport is not None
        return self._transport

    @property
    def must_close(self) -> bool:
        """Whether the current exchange is the last of this connection, and its answer says so."""
        return self._reading == _ENDED or self._acceptor.stage != SERVING

    @property
    def must_not_wait(self) -> bool:
        """Whether no further request will be read, even if the answer did not say so."""
        return self._reading == _ENDED or self._acceptor.stage == DRAINING

    @property
    def is_closing(self) -> bool:
        """Whether nothing more is read."""
        return self._reading == _CLOSING

    def stop_reading(self) -> None:
        """Read nothing more; the exchanges before this point are still answered."""
        self._reading = _CLOSING

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            self._outbox.write(transport, data)

    def set_deadline(self, timeout_s: float) -> None:
        """Call `expire` after `timeout_s` (or NEVER), unless another deadline replaces it."""
        self.expires_at = self._acceptor.now() + timeout_s

    def wait_for_request(self) -> None:
        """Become idle, for at most the idle timeout."""
        acceptor = self._acceptor
        is_begun = self._reading == _HEAD
        self.set_deadline(acceptor.head_timeout_s if is_begun else acceptor.idle_timeout_s)

    def wait_for_body(self) -> None:
        """Wait for more of a request's body, for at most the idle timeout."""
        self._trickled_bytes = 0
        self.set_deadline(self._acceptor.idle_timeout_s)

    def body_came(self, size_bytes: int) -> None:
        """Extend the deadline of a body once enough of it has arrived."""
        self._trickled_bytes += size_bytes
        if self._trickled_bytes >= _LEAST_BODY_BYTES:
            self.wait_for_body()

    def expire(self) -> None:
        """Handle a passed deadline; in inline mode only if no exchange handles it."""
        if self._reading == _CLOSING:
            self.abort()  # the client does not read what was written before the close
        elif self._reading == _HEAD:
            self.refuse(408, "head_timeout")
        elif self._reading == _BODY:
            self.refuse(408, "body_timeout")
        else:
            self.close()

    def refuse(self, status: int, reason: str) -> None:
        """Count a refusal, answer with `status` if that is still possible, and close."""
        if self._reading == _CLOSING:
            return  # bytes after a request that closes the connection are not read
        self._tee.refused(reason)
        if self.request_broken():
            self.write(error_response(status, close=True))
        self.close()

    def pause_reading(self) -> None:
        transport = self._transport
        if transport is not None and not self.is_reading_paused and not transport.is_closing():
            self.is_reading_paused = True
            transport.pause_reading()

    def resume_reading(self) -> None:
        transport = self._transport
        if transport is not None and self.is_reading_paused and not transport.is_closing():
            self.is_reading_paused = False
            transport.resume_reading()

    def close(self) -> None:
        """Send what was written, for at most the idle timeout, then close; read nothing more."""
        self._reading = _CLOSING
        self.set_deadline(self._acceptor.idle_timeout_s)
        if self._transport is not None:
            self._outbox.flush()
            self._transport.close()

    def abort(self) -> None:
        """Close at once with a reset, so that the peer sees an incomplete response."""
        self._reading = _CLOSING
        self.set_deadline(NEVER)
        transport = self._transport
        if transport is not None:
            _reset(transport)

    # --- inside ---

    def _watch(self, size_bytes: int) -> None:
        """Bound the memory and the time of a request that one read did not complete."""
        if self._body:
            self._progressed = True
            self._pass_body()
        begins = self._progressed or self._stalled_bytes == size_bytes
        if begins and self._reading == _HEAD and self.is_idle:
            self.wait_for_request()  # the deadline of the head starts once, not with each read
        if self._progressed:
            self._progressed = False
            self._stalled_bytes = 0
        elif self._stalled_bytes > self._acceptor.max_head_bytes:
            self.refuse(431, "head_too_large")

    def _pass_body(self) -> None:
        pieces = self._body
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.request_body(data)

    def _refuse_for(self, error: Exception, data: bytes) -> None:
        """Handle an exception of the parser or of a callback in it."""
        refusal = _refusal_of(error, data)
        if refusal is not None:
            self.refuse(*refusal)
        else:
            self.request_broken()
            self.close()


def _reset(transport: asyncio.Transport) -> None:
    """Close with a reset instead of a regular close.

    An HTTP/1.0 client, such as nginx by default, would take a regular close for the end of a
    response without a length (RFC 9112, section 8).
    """
    raw = transport.get_extra_info("socket")
    if raw is not None and not transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
    transport.abort()


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
