"""The client-facing side: read requests strictly, one connection at a time.

Owns the downstream sockets, the request parser, and what both modes share: size limits, the
answer to a malformed request, keep-alive and deadlines. What a request means is its subclass's:
sink.py answers and passes on, inline.py relays.
Invariant: a request that cannot be read without doubt is answered with an error and the
connection closed; nothing of it reaches any upstream.

A connection has one deadline at a time, which a look over all connections finds when it has
passed: storing a number per request is cheaper than keeping a queue in order.
"""

import asyncio
import logging
import math
import socket
import struct
from typing import cast

import httptools

from mirror.config import Config
from mirror.core.http1 import error_response, fields_size_bytes
from mirror.core.request_head import Hop, RequestHead, foreign_protocol, read_request_head
from mirror.errors import RemoteProtocolError
from mirror.proxy.tee import Tee

log = logging.getLogger(__name__)

_LONGEST_TARGET_BYTES = 8192  # nginx: one large_client_header_buffers of 8k; Apache: 8190
NEVER = math.inf
_LEAST_BODY_BYTES = 1024
"""Fewer bytes of a body do not put its deadline off: what trickles is cut after one idle timeout.
With the default one, a body may be as slow as 14 bytes/s; Apache's mod_reqtimeout wants 500."""

_RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: closing sends a reset; without effect on a unix socket."""
# As _NO_PARSER in upstream/connection.py.
_NO_PARSER = httptools.HttpRequestParser(object())

# What is being read of a request.
_NOTHING, _HEAD, _BODY = range(3)


class Acceptor:
    """What the downstream connections of one worker share."""

    def __init__(self, config: Config, tee: Tee) -> None:
        self.tee = tee
        self.max_head_bytes = config.max_head_bytes
        self.head_timeout_s = config.timeouts.head
        self.idle_timeout_s = config.timeouts.idle
        self._max_connections = config.max_connections
        self.connections: set[Downstream] = set()
        self.is_draining = False
        self.is_retiring = False
        self.now = asyncio.get_running_loop().time

    def tick(self, now: float) -> None:
        for connection in [c for c in self.connections if c.expires_at <= now]:
            connection.expire()

    def admits(self) -> bool:
        """Whether there is room for one more connection; counted where there is none."""
        if len(self.connections) < self._max_connections:
            return True
        self.tee.connection_refused()
        return False

    def retire(self) -> None:
        """Each connection closes behind an answer that says so; one without stays for its time."""
        self.is_retiring = True

    def drain(self) -> None:
        """Close what is idle; the rest closes at the end of its exchange."""
        self.is_draining = True
        for connection in list(self.connections):
            if connection.is_idle:
                connection.close()

    def cut(self) -> None:
        """Abort every connection: their exchanges end as if the downstream had left."""
        for connection in list(self.connections):
            connection.abort()


class Downstream(asyncio.Protocol):
    """One connection that somebody opened to us."""

    __slots__ = (
        "_acceptor",
        "_at_eof",
        "_body",
        "_flat",
        "_hop",
        "_is_closing",
        "_is_reading_paused",
        "_may_be_large",
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
        "is_write_paused",
        "now",
        "on_body",
    )

    def __init__(self, acceptor: Acceptor) -> None:
        # per process
        self._acceptor = acceptor
        self._tee = acceptor.tee
        self._outbox = acceptor.tee.outbox
        self.now = acceptor.now
        # per connection
        self._transport: asyncio.Transport | None = None
        self._hop: Hop | None = None
        self._body: list[bytes] = []
        self.on_body = self._body.append
        self._parser = httptools.HttpRequestParser(self)
        self._is_closing = False
        self._at_eof = False
        self._is_reading_paused = False
        self.is_write_paused = False
        """The client does not take what was written for it."""
        self.expires_at = NEVER
        """When `expire` is due: for the exchange under way, else the head, else idleness."""
        # per exchange
        self._reading = _NOTHING
        self._progressed = False
        self._may_be_large = False
        self._stalled_bytes = 0
        self._trickled_bytes = 0
        """Of a body, since its deadline was last put off."""
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
        """The request that was being read is malformed; True where an answer can still be sent."""
        raise NotImplementedError

    @property
    def is_idle(self) -> bool:
        """No exchange is under way."""
        raise NotImplementedError

    def behind_upgrade(self, data: bytes) -> bytes:
        """What stands behind a request that asks to upgrade; what of it to read now.

        RFC 9110 7.8: where that is not granted, a request follows. read_request_head let no
        upgrade with a body through.
        """
        return data

    def take_held(self) -> bytes:
        """What was read behind a request that asks to upgrade."""
        return b""

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        if not self._acceptor.admits():
            # Without an answer: nginx then takes another server of its upstream, if it has one.
            self.abort()
            return
        self._acceptor.connections.add(self)
        if self._acceptor.is_draining:
            self.close()
        else:
            self.wait_for_request()

    def data_received(self, data: bytes) -> None:
        while data and not self._is_closing:
            # Only then the size of a head needs adding up: split over reads, or in a long one.
            self._may_be_large = self._reading == _HEAD or len(data) > self._acceptor.max_head_bytes
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self.behind_upgrade(data[upgrade.args[0] :])
                continue
            except httptools.HttpParserError as error:
                self._refuse_for(error, data)
                return
            if self._reading:
                self._watch(len(data))
            return

    def pause_writing(self) -> None:
        self.is_write_paused = True

    def resume_writing(self) -> None:
        self.is_write_paused = False

    def eof_received(self) -> bool:
        """A client may end its side after a request and still wait for the answer."""
        self._at_eof = True
        return not self.is_idle

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._parser = _NO_PARSER
        self._acceptor.connections.discard(self)

    # --- httptools callbacks; on_body is the list's own append ---

    def on_message_begin(self) -> None:
        self._reading = _HEAD

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self._flat += (name, value)

    def on_headers_complete(self) -> None:
        if self._is_closing:
            raise RemoteProtocolError(400, "after_close")
        flat, self._flat = self._flat, []
        target, self._target = self._target, b""
        self._reading = _BODY
        self._progressed = True
        if len(target) > _LONGEST_TARGET_BYTES:
            raise RemoteProtocolError(414, "target_too_long")
        if self._may_be_large and fields_size_bytes(flat) > self._acceptor.max_head_bytes:
            raise RemoteProtocolError(431, "head_too_large")
        self.request_begun(read_request_head(self._parser, target, flat, self._hop))

    def on_message_complete(self) -> None:
        self._reading = _NOTHING
        self._progressed = True
        self._stalled_bytes = 0
        trailers = self._flat
        if trailers:
            self._flat = []
        if self._body:
            self._pass_body()
        self.request_ended(trailers)

    # --- for the modes ---

    @property
    def transport(self) -> asyncio.Transport:
        """For an exchange that switched protocols."""
        assert self._transport is not None
        return self._transport

    @property
    def must_close(self) -> bool:
        """The exchange under way is the last one of this connection, and its answer says so."""
        return self.must_not_wait or self._acceptor.is_retiring

    @property
    def must_not_wait(self) -> bool:
        """No other request will be read, also where the answer did not say so."""
        return self._at_eof or self._acceptor.is_draining

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            self._outbox.write(transport, data)

    def wait_for_request(self) -> None:
        """Idle from now on, for as long as the idle timeout allows."""
        now = self.now()
        if self._reading == _HEAD:
            self.expires_at = now + self._acceptor.head_timeout_s
        else:
            self.expires_at = now + self._acceptor.idle_timeout_s

    def wait_for_body(self) -> None:
        """More of a request's body is due, within the time that a connection may be idle."""
        self._trickled_bytes = 0
        self.expires_at = self.now() + self._acceptor.idle_timeout_s

    def body_came(self, size_bytes: int) -> None:
        """As `wait_for_body`, once enough came to put the deadline off."""
        self._trickled_bytes += size_bytes
        if self._trickled_bytes >= _LEAST_BODY_BYTES:
            self.wait_for_body()

    def expire(self) -> None:
        """The deadline has passed; in inline mode, with no exchange to tell of it."""
        if self._is_closing:
            self.abort()  # it does not take what was written before closing
        elif self._reading == _HEAD:
            self.refuse(408, "head_timeout")
        elif self._reading == _BODY:
            self.refuse(408, "body_timeout")
        else:
            self.close()

    def refuse(self, status: int, reason: str) -> None:
        """Answer `status` where that is still possible, count it, and close."""
        if self._is_closing:
            return  # what follows a request that closes the connection is not read
        self._tee.refused(reason)
        if self.request_broken():
            self.write(error_response(status, close=True))
        self.close()

    def pause_reading(self) -> None:
        transport = self._transport
        if transport is not None and not self._is_reading_paused and not transport.is_closing():
            self._is_reading_paused = True
            transport.pause_reading()

    def resume_reading(self) -> None:
        transport = self._transport
        if transport is not None and self._is_reading_paused and not transport.is_closing():
            self._is_reading_paused = False
            transport.resume_reading()

    def close(self) -> None:
        """Send what was written, for the idle timeout at most, then close; nothing more is read."""
        self._is_closing = True
        self.expires_at = self.now() + self._acceptor.idle_timeout_s
        if self._transport is not None:
            self._outbox.flush()
            self._transport.close()

    def abort(self) -> None:
        """Close at once: the peer sees that what it reads is not complete.

        By a reset: an HTTP/1.0 client, which nginx is unless told otherwise, would take the end of
        the connection for the end of an answer without a length (RFC 9112 8).
        """
        self._is_closing = True
        self.expires_at = NEVER
        transport = self._transport
        if transport is not None:
            raw = transport.get_extra_info("socket")
            if raw is not None and not transport.is_closing():
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()

    # --- inside ---

    def _watch(self, size_bytes: int) -> None:
        """A read ended inside a request: bound what is kept of it, and how long it takes."""
        if self._body:
            self._progressed = True
            self._pass_body()
        starts = self._progressed or not self._stalled_bytes
        if starts and self._reading == _HEAD and self.is_idle:
            self.wait_for_request()
        if self._progressed:
            self._progressed = False
            self._stalled_bytes = 0
            return
        self._stalled_bytes += size_bytes
        if self._stalled_bytes > self._acceptor.max_head_bytes:
            self.refuse(431, "head_too_large")

    def _pass_body(self) -> None:
        pieces = self._body
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.request_body(data)

    def _refuse_for(self, error: Exception, data: bytes) -> None:
        """The parser, or a callback in it, raised."""
        refusal = _refusal_of(error, data)
        if refusal is not None:
            self.refuse(*refusal)
            return
        log.error("unexpected error while reading a request", exc_info=error.__context__)
        self.request_broken()
        self.close()


def _refusal_of(error: Exception, data: bytes) -> tuple[int, str] | None:
    """Status and reason for what the parser raised at `data`; None where it is a bug of ours."""
    if isinstance(error, httptools.HttpParserCallbackError):
        cause = error.__context__
        return (cause.status, cause.reason) if isinstance(cause, RemoteProtocolError) else None
    protocol = foreign_protocol(data)
    if protocol:
        return 505 if protocol == "http2" else 400, protocol
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        return 501, "method"
    return 400, "syntax"
