"""One connection from a client or nginx: its socket, its deadlines and its end.

Owns the downstream sockets and what both modes share: the response to a malformed request,
keep-alive and deadlines. reader.py reads the requests; the subclass of each mode handles them:
sink.py acknowledges and forwards them, inline.py proxies them.

A connection has one deadline at a time; the acceptor checks the deadlines of all connections.
"""

import asyncio
import math
import socket
import struct
from typing import cast

from mirror.core.http1 import error_response
from mirror.proxy.downstream.acceptor import DRAINING, SERVING, Acceptor
from mirror.proxy.downstream.reader import BODY, CLOSING, ENDED, HEAD, NO_PARSER, RequestReader

NEVER = math.inf
_LEAST_BODY_BYTES = 1024
"""Fewer bytes of a body do not extend its deadline, so a body that trickles is cut after one idle
timeout. With the default timeout a body may be as slow as 14 bytes/s; Apache's mod_reqtimeout
requires 500."""

_LINGER_0 = struct.pack("ii", 1, 0)
"""Value of SO_LINGER that makes closing send a reset; it has no effect on a unix socket."""


class DownstreamConnection(RequestReader):
    """One connection that a client or nginx opened to us."""

    __slots__ = (
        "_acceptor",
        "_outbox",
        "_tee",
        "_transport",
        "_trickled_bytes",
        "expires_at",
        "is_reading_paused",
        "is_write_paused",
    )

    def __init__(self, acceptor: Acceptor) -> None:
        super().__init__(acceptor.max_head_bytes)
        # per process
        self._acceptor = acceptor
        self._tee = acceptor.tee
        self._outbox = acceptor.tee.outbox
        # per connection
        self._transport: asyncio.Transport | None = None
        # The transport's `is_reading` does not serve here: it is also false after the client's end.
        self.is_reading_paused = False
        self.is_write_paused = False
        """Whether the client has stopped reading what was written to it."""
        self.expires_at = NEVER
        """When `expire` is due: the deadline of the current exchange, else of an incomplete head,
        else of idleness. Only the methods of this class set it."""
        # per exchange
        self._trickled_bytes = 0
        """Bytes of a body since its deadline was last extended."""

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

    def pause_writing(self) -> None:
        self.is_write_paused = True

    def resume_writing(self) -> None:
        self.is_write_paused = False

    def eof_received(self) -> bool:
        """Keep the connection open: a client may half-close and still wait for the response."""
        if self._reading != CLOSING:
            self._reading = ENDED
        return not self.is_idle

    def connection_lost(self, exc: Exception | None) -> None:
        self._reading = CLOSING
        self._parser = NO_PARSER
        self._acceptor.connections.discard(self)

    # --- for the modes ---

    @property
    def transport(self) -> asyncio.Transport:
        """The transport, for an exchange that switched protocols."""
        assert self._transport is not None
        return self._transport

    @property
    def must_close(self) -> bool:
        """Whether the current exchange is the last of this connection, and its answer says so."""
        return self._reading == ENDED or self._acceptor.stage != SERVING

    @property
    def must_not_wait(self) -> bool:
        """Whether no further request will be read, even if the answer did not say so."""
        return self._reading == ENDED or self._acceptor.stage == DRAINING

    @property
    def is_closing(self) -> bool:
        """Whether nothing more is read."""
        return self._reading == CLOSING

    def stop_reading(self) -> None:
        """Read nothing more; the exchanges before this point are still answered."""
        self._reading = CLOSING

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
        is_begun = self._reading == HEAD
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
        if self._reading == CLOSING:
            self.abort()  # the client does not read what was written before the close
        elif self._reading == HEAD:
            self.refuse(408, "head_timeout")
        elif self._reading == BODY:
            self.refuse(408, "body_timeout")
        else:
            self.close()

    def refuse(self, status: int, reason: str) -> None:
        """Count a refusal, answer with `status` if that is still possible, and close."""
        if self._reading == CLOSING:
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
        self._reading = CLOSING
        self.set_deadline(self._acceptor.idle_timeout_s)
        if self._transport is not None:
            self._outbox.flush()
            self._transport.close()

    def abort(self) -> None:
        """Close at once with a reset, so that the peer sees an incomplete response."""
        self._reading = CLOSING
        self.set_deadline(NEVER)
        transport = self._transport
        if transport is not None:
            _reset(transport)


def _reset(transport: asyncio.Transport) -> None:
    """Close with a reset instead of a regular close.

    An HTTP/1.0 client, such as nginx by default, would take a regular close for the end of a
    response without a length (RFC 9112, section 8).
    """
    raw = transport.get_extra_info("socket")
    if raw is not None and not transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
    transport.abort()
