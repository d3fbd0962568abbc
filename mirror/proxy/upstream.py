"""Connections to one upstream: send a request, read its response, keep the connection alive.

Owns the upstream sockets. Does not know which leg it serves: a leg is whatever follows the `Leg`
protocol, and which connection serves it is the pool's decision (core/pool.py).
Invariant: a connection is given to the next leg only after the response before it ended exactly
where its framing said; a byte too many closes it, and is never read as the next response.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, cast

import httptools

from mirror.core import http1, ledger
from mirror.core.http1 import HeadFields, ResponseHead, read_response_head
from mirror.core.pool import OPEN, REFUSED, Pool
from mirror.errors import RemoteProtocolError

log = logging.getLogger(__name__)


class Leg(Protocol):
    """One attempt to one upstream. The calls come in this order:

    on_assigned, then any number of on_response_head (the last with status >= 200),
    on_response_body, on_response_end. on_failure may come at any point and is the last call.
    """

    answers_head: bool
    """The request's method is HEAD: its response has no body."""

    def on_assigned(self, connection: "UpstreamConnection") -> None:
        """Write the request to `connection`."""

    def on_response_head(self, head: ResponseHead) -> None: ...

    def on_response_body(self, data: bytes) -> None: ...

    def on_read(self) -> None:
        """All that one read of the socket brought has been handed over."""

    def on_response_end(self) -> None: ...

    def on_failure(self, outcome: str, is_stale: bool) -> None:
        """`is_stale`: the connection had served before and closed without a byte of answer."""

    def on_writable(self, writable: bool) -> None:
        """Back-pressure of the request body."""


class DiscardingLeg:
    """What legs have in common whose response nobody gets: only its status is kept."""

    __slots__ = ("_outcome",)

    def on_response_head(self, head: ResponseHead) -> None:
        self._outcome = ledger.STATUS_CLASSES[head.status // 100]

    def on_response_body(self, data: bytes) -> None:
        pass

    def on_read(self) -> None:
        pass

    def on_writable(self, writable: bool) -> None:
        pass


class Upstream:
    """One upstream: its address, its pool and the connects under way."""

    def __init__(
        self,
        host: str,
        port: int,
        pool: "Pool[UpstreamConnection, Leg]",
        connect_timeout_s: float,
        max_head_bytes: int,
    ) -> None:
        self.host = host
        self.port = port
        self.max_head_bytes = max_head_bytes
        self.on_connect: Callable[[Exception | None], None] = lambda error: None
        """Called after every connect, with the error of a failed one."""
        self._pool = pool
        self._connect_timeout_s = connect_timeout_s
        self._connects: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<Upstream {self.host}:{self.port} {self._pool!r}>"

    def start(self, leg: Leg, fresh: bool = False) -> bool:
        """Give `leg` a connection now or later; False where it may not even wait."""
        assignment = self._pool.assign(leg, fresh)
        if isinstance(assignment, UpstreamConnection):
            assignment.serve(leg)
        elif assignment is OPEN:
            self._open()
        return assignment is not REFUSED

    def withdraw(self, leg: Leg) -> None:
        """`leg` no longer waits for a connection."""
        self._pool.withdraw(leg)

    def close(self) -> None:
        """Close what is idle or connecting; connections in use end with their legs."""
        for task in self._connects:
            task.cancel()
        for connection in self._pool.idle:
            connection.close()

    def _open(self) -> None:
        task = asyncio.get_running_loop().create_task(self._connect())
        self._connects.add(task)
        task.add_done_callback(self._connects.discard)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        connection = UpstreamConnection(self)
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                await loop.create_connection(lambda: connection, self.host, self.port)
        except (OSError, ValueError) as error:
            # TimeoutError and the resolver's gaierror are OSErrors; a name that cannot be
            # encoded is a ValueError.
            if connection.was_made:
                return  # timed out at the very end: connection_lost tells the pool
            self._connect_failed(error)

    def _connect_failed(self, error: Exception) -> None:
        self.on_connect(error)
        for leg in self._pool.connect_failed():
            leg.on_failure(ledger.CONNECT_FAILED, is_stale=False)

    def connected(self, connection: "UpstreamConnection") -> None:
        self.on_connect(None)
        leg = self._pool.connected(connection)
        if leg is not None:
            connection.serve(leg)

    def released(self, connection: "UpstreamConnection") -> None:
        if self._pool.is_surplus():
            connection.close()
            return
        leg = self._pool.released(connection)
        if leg is not None:
            connection.serve(leg)

    def closed(self, connection: "UpstreamConnection") -> None:
        if self._pool.closed(connection) is OPEN:
            self._open()


class UpstreamConnection(asyncio.Protocol):
    """One socket to an upstream, serving one leg at a time."""

    __slots__ = (
        "_fields",
        "_head",
        "_is_write_paused",
        "_leg",
        "_parser",
        "_reason",
        "_received_any",
        "_request_ended",
        "_response_ended",
        "_retired",
        "_served",
        "_stalled_bytes",
        "_transport",
        "_upstream",
        "on_header",
    )

    def __init__(self, upstream: Upstream) -> None:
        # per connection
        self._upstream = upstream
        self._transport: asyncio.Transport | None = None
        self._fields = HeadFields()
        self.on_header = self._fields.add
        self._parser = httptools.HttpResponseParser(self)
        self._served = 0
        self._retired = False
        self._is_write_paused = False
        # per exchange
        self._leg: Leg | None = None
        self._head: ResponseHead | None = None
        self._reason = b""
        self._received_any = False
        self._stalled_bytes = 0
        self._request_ended = False
        self._response_ended = False

    @property
    def was_made(self) -> bool:
        return self._transport is not None

    # --- called by the owner of a leg ---

    def serve(self, leg: Leg) -> None:
        """Start on `leg`, which writes its request in on_assigned."""
        self._leg = leg
        self._head = None
        self._received_any = False
        self._stalled_bytes = 0
        self._request_ended = False
        self._response_ended = False
        leg.on_assigned(self)

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def end_request(self) -> None:
        """The request is written; only now may the connection serve another leg."""
        self._request_ended = True

    def abort(self) -> None:
        """Cut the leg that is being served: it hears nothing more."""
        self._leg = None
        self.close()

    def close(self) -> None:
        """Close at once: what is unsent is part of a request that nobody waits for any more."""
        self._retire()
        assert self._transport is not None
        self._transport.abort()

    def pause_reading(self) -> None:
        assert self._transport is not None
        if self._transport.is_reading():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._upstream.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._leg is None:
            self.close()  # nobody asked: a late or surplus response
            return
        self._received_any = True
        self._stalled_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail_after(error)
            return
        except httptools.HttpParserUpgrade:  # a 101: read_response_head refuses it before
            self._fail(ledger.PROTOCOL_ERROR)
            return
        if self._leg is None:
            return  # aborted by the leg's owner meanwhile
        if self._response_ended:
            self._finish(may_reuse=self._head is not None and self._head.keep_alive)
        elif self._stalled_bytes > self._upstream.max_head_bytes:
            self._fail(ledger.PROTOCOL_ERROR)
        else:
            self._leg.on_read()

    def eof_received(self) -> None:
        self._retire()

    def connection_lost(self, exc: Exception | None) -> None:
        self._retire()
        if self._leg is not None:
            if self._head is not None and self._head.framing is http1.UNTIL_CLOSE and exc is None:
                self._end_leg()
            else:
                is_stale = self._served > 0 and not self._received_any
                leg, self._leg = self._leg, None
                leg.on_failure(ledger.RESET, is_stale)

    def pause_writing(self) -> None:
        self._is_write_paused = True
        if self._leg is not None:
            self._leg.on_writable(False)

    def resume_writing(self) -> None:
        self._is_write_paused = False
        if self._leg is not None:
            self._leg.on_writable(True)

    # --- httptools callbacks ---

    def on_message_begin(self) -> None:
        if self._response_ended:
            raise RemoteProtocolError(502, "surplus")
        self._fields.clear()
        self._reason = b""

    def on_status(self, reason: bytes) -> None:
        self._reason += reason

    def on_headers_complete(self) -> None:
        leg = self._leg
        if leg is None:
            return
        head = read_response_head(
            self._parser.get_status_code(),
            self._reason,
            self._parser.should_keep_alive(),
            self._fields,
            leg.answers_head,
        )
        if self._fields.size_bytes > self._upstream.max_head_bytes:
            raise RemoteProtocolError(502, "head_too_large")
        self._stalled_bytes = 0
        leg.on_response_head(head)
        if head.status >= 200:
            self._head = head
            if leg.answers_head:
                # The parser would wait for the body that the length announces.
                self._response_ended = True
                self._parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        if self._response_ended:
            raise RemoteProtocolError(502, "surplus")
        self._stalled_bytes = 0
        if self._leg is not None:
            self._leg.on_response_body(data)

    def on_message_complete(self) -> None:
        if self._head is not None:
            self._response_ended = True

    # --- ends ---

    def _fail_after(self, error: Exception) -> None:
        """The parser, or a callback in it, raised."""
        if self._response_ended:  # what came was complete; what came after it is not read
            self._finish(may_reuse=False)
            return
        cause = error.__context__
        if isinstance(error, httptools.HttpParserCallbackError) and not isinstance(
            cause, RemoteProtocolError
        ):
            log.error("unexpected error while reading a response", exc_info=cause)
        self._fail(ledger.PROTOCOL_ERROR)

    def _fail(self, outcome: str) -> None:
        leg = self._leg
        self.abort()
        if leg is not None:
            leg.on_failure(outcome, is_stale=False)

    def _finish(self, may_reuse: bool) -> None:
        """The response is complete: free the connection first, then tell the leg."""
        leg = self._leg
        self._leg = None
        self._served += 1
        if may_reuse and self._request_ended and not self._is_write_paused:
            self._upstream.released(self)
        else:
            self.close()
        if leg is not None:
            leg.on_response_end()

    def _end_leg(self) -> None:
        leg, self._leg = self._leg, None
        if leg is not None:
            leg.on_response_end()

    def _retire(self) -> None:
        """Out of the pool at the first sign of an end: a closing socket serves no other leg."""
        if not self._retired:
            self._retired = True
            self._upstream.closed(self)
