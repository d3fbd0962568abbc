"""Connections whose responses are discarded: they serve one leg at a time and keep little of it.

The parser checks framing as strictly as elsewhere. It calls back three times per response and not
once per field. Fields are read in two cases: a response to HEAD ends with its head whatever length
it announces, and a response that ends with its connection must be distinguished from one that was
cut short. What is kept for a comparison costs no callback: the size comes from the bytes that
arrived, and only the beginning of an unusual response is kept, for whoever wants to read it.
"""

import asyncio
import math
from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

import httptools

from mirror.core import ledger
from mirror.core.comparison.answer import NOT_ANSWERED, UNKNOWN_BYTES
from mirror.core.http1 import UNTIL_CLOSE
from mirror.core.ledger import STATUS_CLASSES
from mirror.core.response_head import ResponseHead, body_start
from mirror.core.slow_start import SlowStartPool
from mirror.errors import RemoteProtocolError, UpstreamRefusedError
from mirror.proxy.upstream.admission import Admission
from mirror.proxy.upstream.connection import Origin, Upstream, UpstreamConnection, log_bug
from mirror.proxy.upstream.head_reader import HeadReader
from mirror.proxy.upstream.outbox import Outbox

READ_BYTES = 16 << 20
"""The most bytes of responses that are read between two ticks. At ten ticks a second this is
160 MB/s, which takes 5 % of a core. Beyond this limit the responses wait instead of production,
which shares the loop with them."""

MOST_TEXT_BYTES = 512
"""Most bytes of a body that are kept with its head; Envoy's own texts are shorter."""


class DiscardedLeg(Protocol):
    """One request whose response is discarded."""

    data: bytes
    """The whole request."""
    is_head: bool
    """The request's method is HEAD: its response has no body."""
    expires_at: float
    """Deadline on the clock of `tick`."""
    sent_at: float
    """Set when the request is written, on the clock `DiscardingUpstream.now`."""
    status: int
    """Set with the response."""
    body_bytes: int
    """Set with the response: the bytes of its body as they arrived, or UNKNOWN_BYTES."""
    opening: bytes
    """Set with a response other than 2xx and 304, and with the first one of its connection: its
    head and the beginning of its body."""


class DiscardingUpstream(Upstream):
    """An upstream whose responses are counted; it calls `ended` with the outcome of each leg.

    The call also has the latency: the microseconds from writing the request to the end of its
    response, or NOT_ANSWERED.
    """

    def __init__(
        self,
        origin: Origin,
        pool: "SlowStartPool[DiscardingConnection, Any]",
        ended: Callable[[Any, str, int], None],
        outbox: Outbox | None = None,
        read_bytes: int = READ_BYTES,
        admission: Admission | None = None,
    ) -> None:
        """Read at most `read_bytes` of responses between two ticks. With an `admission`, each
        connection is probed before it serves, and serves for a limited time."""
        super().__init__(origin, pool, outbox)
        self._slow_pool = pool
        self._admission = admission
        self.ended = ended
        self.spoiled: Callable[[Any], None] = lambda leg: None
        """Called for a leg whose response was followed by surplus bytes, which close the
        connection; `ended` follows."""
        # The loop's clock counts milliseconds, which is too coarse.
        self.now: Callable[[], float] = perf_counter
        self._connections: set[DiscardingConnection] = set()
        self._read_bytes = read_bytes
        self.unread_bytes = read_bytes
        """Bytes that may still be read until the next tick."""
        self._paused: list[DiscardingConnection] = []

    def tick(self, now: float) -> None:
        """End the legs whose deadline has passed, and read on where reading was paused."""
        super().tick(now)
        self.unread_bytes = self._read_bytes
        paused, self._paused = self._paused, []
        for connection in paused:
            connection.resume_reading()
        self._end_legs(now, ledger.TIMEOUT)
        self.open_missing()  # first answers since the last tick made the window larger

    def distrust(self) -> None:
        """Let no connection serve another leg: who answers must show anew who it is."""
        for connection in self._connections:
            connection.renews_at = -math.inf
        self.close_outdated()

    def cut(self) -> None:
        """Abort every leg, and close all connections."""
        self._end_legs(math.inf, ledger.ABORTED)
        self.close()

    def _end_legs(self, now: float, outcome: str) -> None:
        """End the legs that expire until `now`, waiting or in flight."""
        for leg in self._slow_pool.expired(now):
            self.ended(leg, outcome, NOT_ANSWERED)
        for connection in list(self._connections):
            leg = connection.leg
            if leg is not None and leg.expires_at <= now:
                connection.fail(outcome)

    # --- called by its connections ---

    def pause(self, connection: "DiscardingConnection") -> None:
        """Read no more from `connection` until the next tick."""
        self._paused.append(connection)
        connection.pause_reading()

    def first_answered(self) -> None:
        """Record that a connection has answered for the first time."""
        self._slow_pool.answered()

    # --- Upstream ---

    def make_connection(self) -> "DiscardingConnection":
        return DiscardingConnection(self)

    async def connect_to(self, address: str) -> Exception | None:
        if self._admission is None:
            return await super().connect_to(address)
        try:
            probe = await self._admission.connect(self.origin, address)
        except (OSError, ValueError, UpstreamRefusedError) as error:
            return error
        if probe.is_reusable:
            probe.hand_over(self.connection_to(address))
            return None
        # The server closes after each answer. The next connection, opened at once, gets the leg.
        probe.abort()
        return await super().connect_to(address)

    def connect_failed(self, leg: Any, error: Exception) -> None:
        is_refused = isinstance(error, UpstreamRefusedError)
        outcome = ledger.TARGET_REFUSED if is_refused else ledger.CONNECT_FAILED
        self.ended(leg, outcome, NOT_ANSWERED)

    def open_failed(self, error: Exception) -> None:
        super().open_failed(error)
        if isinstance(error, UpstreamRefusedError):
            # Each further connect would be one more line in the access log of that server.
            for leg in self._slow_pool.expired(math.inf):
                self.connect_failed(leg, error)

    def opened(self, connection: UpstreamConnection) -> None:
        assert isinstance(connection, DiscardingConnection)
        self._connections.add(connection)
        if self._admission is not None:
            connection.renews_at = asyncio.get_running_loop().time() + self._admission.age_s()
        super().opened(connection)
        self.open_missing()

    def closed(self, connection: UpstreamConnection) -> None:
        assert isinstance(connection, DiscardingConnection)
        self._connections.discard(connection)
        super().closed(connection)


class DiscardingConnection(UpstreamConnection):
    """One socket to an upstream, serving one leg at a time."""

    __slots__ = (
        "_awaits_head",
        "_body_bytes",
        "_discarding",
        "_head",
        "_keep_alive",
        "_opening",
        "_status",
        "_status_at_close",
        "has_answered",
        "leg",
    )

    def __init__(self, upstream: DiscardingUpstream) -> None:
        super().__init__(upstream)
        # per connection
        self._discarding = upstream
        self.has_answered = False
        # per leg
        self.leg: DiscardedLeg | None = None
        self._awaits_head = True
        """Whether the head of the final answer is incomplete."""
        self._head = b""
        """Bytes of an answer whose head is not complete."""
        self._status = 0
        """Status of a complete answer; 0 before."""
        self._keep_alive = False
        self._status_at_close = 0
        """Status of an answer that the end of its connection completes; else 0."""
        self._body_bytes = 0
        """Bytes behind the head of an answer so far."""
        self._opening = b""

    def serve(self, leg: DiscardedLeg) -> None:
        self.leg = leg
        if leg.is_head:
            self._parser = HeadReader(True, self._head_answered).parser
        leg.sent_at = self._discarding.now()
        self.write(leg.data)

    def fail(self, outcome: str) -> None:
        """End the leg without an answer, and close."""
        leg, self.leg = self.leg, None
        self.close()
        if leg is not None:
            self._discarding.ended(leg, outcome, NOT_ANSWERED)

    def pause_reading(self) -> None:
        assert self._transport is not None
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # --- asyncio.Protocol ---

    def data_received(self, data: bytes) -> None:
        if self.leg is None:
            self.close()  # a late or surplus response
            return
        upstream = self._discarding
        upstream.unread_bytes -= len(data)
        if upstream.unread_bytes < 0:
            upstream.pause(self)
        awaited_head = self._awaits_head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail_after(error)
            return
        except httptools.HttpParserUpgrade:  # a 101 that nobody asked for
            self.fail(ledger.PROTOCOL_ERROR)
            return
        if self._status:
            if awaited_head:
                self._measure(self._head + data if self._head else data, self._status)
            else:
                self._body_bytes += len(data)
            self._finish(self._keep_alive)
        elif awaited_head:
            self._keep_head(data)
        else:
            self._body_bytes += len(data)

    def eof_received(self) -> None:
        if self.leg is None:  # otherwise the close may complete the response
            self.retire()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._status_at_close and exc is None and self.leg is not None:
            self._status = self._status_at_close
            self._finish(may_reuse=False)
        else:
            self.fail(ledger.RESET)
        super().connection_lost(exc)

    # --- httptools callbacks ---

    def on_message_begin(self) -> None:
        if self._status:
            raise RemoteProtocolError(502, "surplus")

    def on_headers_complete(self) -> None:
        self._awaits_head = False

    def on_message_complete(self) -> None:
        parser = self._parser
        status = parser.get_status_code()
        if 200 <= status <= 999:
            self._status = status
            self._keep_alive = parser.should_keep_alive()
        elif 100 <= status < 200:
            self._awaits_head = True
            self._head = b""  # bounds the memory, whatever the number of 1xx responses
        else:
            raise RemoteProtocolError(502, "status")

    # --- ends ---

    def _head_answered(self, head: ResponseHead) -> None:
        """Handle the complete answer to a HEAD."""
        self._status = head.status
        self._keep_alive = head.keep_alive

    def _keep_head(self, data: bytes) -> None:
        """Handle a read that began inside the head of an answer and did not complete the answer."""
        self._head += data
        if self._awaits_head:
            if len(self._head) > self._upstream.origin.max_head_bytes:
                self.fail(ledger.PROTOCOL_ERROR)
            return
        head, self._head = self._head, b""
        self._measure(head, self._parser.get_status_code())
        if self._parser.should_keep_alive():
            return  # it has a length or chunks, and the parser will see its end
        reader = HeadReader(False, self._learn_framing)
        try:
            reader.parser.feed_data(head)
        except httptools.HttpParserError as error:
            self._fail_after(error)

    def _measure(self, answer: bytes, status: int) -> None:
        """Begin to count the body of an answer whose head is in these bytes."""
        start = body_start(answer)
        self._body_bytes = len(answer) - start
        if not (200 <= status < 300 or status == 304) or not self.has_answered:
            self._opening = answer[: start + MOST_TEXT_BYTES]

    def _learn_framing(self, head: ResponseHead) -> None:
        """Complete an answer that ends with its connection (RFC 9112 6.3)."""
        if head.framing is UNTIL_CLOSE:
            self._status_at_close = head.status

    def _finish(self, may_reuse: bool) -> None:
        """Free the connection of a complete answer first, then report the outcome."""
        leg, status = self.leg, self._status
        assert leg is not None
        upstream = self._discarding
        latency_us = int((upstream.now() - leg.sent_at) * 1e6)
        leg.status = status
        leg.body_bytes = self._body_bytes
        if self._opening:
            leg.opening = self._opening
            self._opening = b""
        self.leg = None
        self._status = 0
        self._awaits_head = True
        self._head = b""
        if not self.has_answered:
            self.has_answered = True
            upstream.first_answered()
        # If the answer came before its request was read, the unsent rest is useless.
        if may_reuse and not self._is_write_paused:
            if leg.is_head:
                self._parser = self.new_parser()
            upstream.released(self)
        else:
            self.close()
        upstream.ended(leg, STATUS_CLASSES[status // 100], latency_us)

    def _fail_after(self, error: Exception) -> None:
        """Handle an exception of the parser or of a callback in it."""
        leg = self.leg
        if leg is not None and self._status:
            # The answer was complete, and what follows it is not read.
            if not leg.is_head:
                self._discarding.spoiled(leg)
            self._body_bytes = UNKNOWN_BYTES
            self._finish(may_reuse=False)
            return
        log_bug(error)
        self.fail(ledger.PROTOCOL_ERROR)
