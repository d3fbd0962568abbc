"""The client-facing side: read requests strictly, one connection at a time.

Owns the downstream sockets, the request parser, and what both modes share: size limits, the
answer to a malformed request, keep-alive and its deadlines. What a request means is its
subclass's: sink.py answers and passes on, inline.py relays.
Invariant: a request that cannot be read without doubt is answered with an error and the
connection closed; nothing of it reaches any upstream.
"""

import asyncio
import logging
from typing import cast

import httptools

from mirror.config import Config
from mirror.core.deadlines import Deadlines
from mirror.core.http1 import HeadFields, RequestHead, error_response, read_request_head
from mirror.errors import RemoteProtocolError
from mirror.proxy.tee import Tee

log = logging.getLogger(__name__)

_LONGEST_TARGET_BYTES = 8192  # nginx: one large_client_header_buffers of 8k; Apache: 8190


class Acceptor:
    """What the downstream connections of one worker share."""

    def __init__(self, config: Config, tee: Tee) -> None:
        self.tee = tee
        self.max_head_bytes = config.max_head_bytes
        self.connections: set[Downstream] = set()
        self.head_deadlines: Deadlines[Downstream] = Deadlines(config.timeouts.head)
        self.idle_deadlines: Deadlines[Downstream] = Deadlines(config.timeouts.idle)
        self.is_draining = False
        self.now = asyncio.get_running_loop().time

    def tick(self, now: float) -> None:
        for connection in self.head_deadlines.pop_expired(now):
            connection.refuse(408, "head_timeout")
        for connection in self.idle_deadlines.pop_expired(now):
            connection.close()

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
        "_fields",
        "_in_head",
        "_is_closing",
        "_parser",
        "_stalled_bytes",
        "_target",
        "_tee",
        "_transport",
        "on_header",
    )

    def __init__(self, acceptor: Acceptor) -> None:
        # per process
        self._acceptor = acceptor
        self._tee = acceptor.tee
        # per connection
        self._transport: asyncio.Transport | None = None
        self._fields = HeadFields()
        self.on_header = self._fields.add
        self._parser = httptools.HttpRequestParser(self)
        self._is_closing = False
        self._at_eof = False
        # per exchange
        self._in_head = False
        self._stalled_bytes = 0
        self._target = b""

    # --- what a mode does with a request ---

    def request_begun(self, head: RequestHead) -> None:
        raise NotImplementedError

    def request_body(self, data: bytes) -> None:
        raise NotImplementedError

    def request_ended(self) -> None:
        raise NotImplementedError

    def request_broken(self) -> bool:
        """The request that was being read is malformed; True where an answer can still be sent."""
        raise NotImplementedError

    @property
    def is_idle(self) -> bool:
        """No exchange is under way."""
        raise NotImplementedError

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._acceptor.connections.add(self)
        if self._acceptor.is_draining:
            self.close()
        else:
            self.wait_for_request()

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            return
        self._stalled_bytes += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserInvalidMethodError:
            self.refuse(501, "method")
        except httptools.HttpParserError as error:
            self._refuse_after(error)
        else:
            if self._stalled_bytes > self._acceptor.max_head_bytes:
                self.refuse(431, "head_too_large")
            elif self._in_head:
                self._acceptor.idle_deadlines.cancel(self)

    def eof_received(self) -> bool:
        """A client may end its side after a request and still wait for the answer."""
        self._at_eof = True
        return not self.is_idle

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closing = True
        self._acceptor.connections.discard(self)
        self._acceptor.head_deadlines.cancel(self)
        self._acceptor.idle_deadlines.cancel(self)

    # --- httptools callbacks ---

    def on_message_begin(self) -> None:
        self._fields.clear()
        self._target = b""
        self._in_head = True
        self._acceptor.head_deadlines.start(self, self._acceptor.now())

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_headers_complete(self) -> None:
        if self._is_closing:
            raise RemoteProtocolError(400, "after_close")
        self._in_head = False
        self._stalled_bytes = 0
        self._acceptor.head_deadlines.cancel(self)
        self._acceptor.idle_deadlines.cancel(self)
        if len(self._target) > _LONGEST_TARGET_BYTES:
            raise RemoteProtocolError(414, "target_too_long")
        if self._fields.size_bytes > self._acceptor.max_head_bytes:
            raise RemoteProtocolError(431, "head_too_large")
        parser = self._parser
        self.request_begun(
            read_request_head(
                parser.get_method(),
                self._target,
                parser.get_http_version(),
                parser.should_keep_alive(),
                parser.should_upgrade(),
                self._fields,
            )
        )

    def on_body(self, data: bytes) -> None:
        self._stalled_bytes = 0
        self.request_body(data)

    def on_message_complete(self) -> None:
        self._stalled_bytes = 0
        self.request_ended()

    # --- for the modes ---

    @property
    def must_close(self) -> bool:
        """The exchange under way is the last one of this connection."""
        return self._at_eof or self._acceptor.is_draining

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.write(data)

    def wait_for_request(self) -> None:
        """Idle from now on, for as long as the idle timeout allows."""
        self._acceptor.idle_deadlines.start(self, self._acceptor.now())

    def refuse(self, status: int, reason: str) -> None:
        """Answer `status` where that is still possible, count it, and close."""
        if self._is_closing:
            return  # what follows a request that closes the connection is not read
        self._tee.refused(reason)
        if self.request_broken():
            self.write(error_response(status, close=True))
        self.close()

    def close(self) -> None:
        """Send what was written, then close; nothing more is read."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once: the peer sees that what it reads is not complete."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    # --- inside ---

    def _feed(self, data: bytes) -> None:
        """Parse; an upgrade that is not granted is an ordinary request (RFC 9110 7.8)."""
        while data:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                # read_request_head let no upgrade with a body through: the rest is a new request.
                data = data[upgrade.args[0] :]

    def _refuse_after(self, error: Exception) -> None:
        """The parser, or a callback in it, raised."""
        cause = error.__context__
        if not isinstance(error, httptools.HttpParserCallbackError):
            self.refuse(400, "syntax")
        elif isinstance(cause, RemoteProtocolError):
            self.refuse(cause.status, cause.reason)
        else:
            log.error("unexpected error while reading a request", exc_info=cause)
            self.request_broken()
            self.close()
