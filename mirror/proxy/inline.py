"""Mode inline: relay each exchange to the primary, in order, while the tee takes its copy.

Bodies stream both ways: what one side brings is written to the other at once, and a side that
does not take it stops the other from being read. Requests that a client pipelines wait their
turn unread. The states of an exchange are in core/exchange.py.
"""

from collections import deque

from mirror.config import Config
from mirror.core import exchange as states
from mirror.core import ledger
from mirror.core.deadlines import Deadlines
from mirror.core.exchange import ENDED, after
from mirror.core.http1 import (
    CHUNKED,
    LAST_CHUNK,
    NONE,
    UNTIL_CLOSE,
    RequestHead,
    ResponseHead,
    chunk,
    downstream_framing,
    error_response,
)
from mirror.core.ledger import STATUS_CLASSES
from mirror.core.pool import Pool
from mirror.proxy.downstream import Acceptor, Downstream
from mirror.proxy.tee import Exchange, Tee
from mirror.proxy.upstream import Upstream, UpstreamConnection

_MOST_IDLE_CONNECTIONS = 256

# RFC 9110 9.2.2; a request of these without a body may be sent again on a fresh connection.
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})


class InlineAcceptor(Acceptor):
    """Adds the primary to what the connections of a worker share."""

    def __init__(self, config: Config, tee: Tee) -> None:
        super().__init__(config, tee)
        assert config.primary is not None
        self.primary = Upstream(
            config.primary.host,
            config.primary.port,
            Pool(None, 0, _MOST_IDLE_CONNECTIONS),
            config.timeouts.connect,
            config.max_head_bytes,
        )
        self.response_deadlines: Deadlines[PrimaryLeg] = Deadlines(config.timeouts.primary)

    def tick(self, now: float) -> None:
        super().tick(now)
        for leg in self.response_deadlines.pop_expired(now):
            leg.time_out()


class InlineDownstream(Downstream):
    """One connection from nginx (or any client) that we proxy."""

    __slots__ = ("_inline", "_pipeline", "_refusal", "is_write_paused")

    def __init__(self, acceptor: InlineAcceptor) -> None:
        super().__init__(acceptor)
        self._inline = acceptor
        self._pipeline: deque[PrimaryLeg] = deque()
        """The exchange under way first, then what was read behind it."""
        self._refusal: bytes | None = None
        """Answer to a malformed request that came behind others."""
        self.is_write_paused = False
        """The client does not take what was written for it."""

    @property
    def is_idle(self) -> bool:
        return not self._pipeline

    # --- Downstream ---

    def request_begun(self, head: RequestHead) -> None:
        leg = PrimaryLeg(self, self._inline, self._tee.begin(head))
        self._pipeline.append(leg)
        if len(self._pipeline) == 1:
            leg.start()

    def request_body(self, data: bytes) -> None:
        if self._pipeline:
            self._pipeline[-1].add_body(data)

    def request_ended(self) -> None:
        if self._pipeline:
            self._pipeline[-1].end_request()

    def request_broken(self) -> bool:
        if not self._pipeline:
            return True
        leg = self._pipeline[-1]
        if leg.is_request_complete:
            return False
        may_answer = not leg.has_answered
        self._pipeline.pop()
        leg.abandon()
        return may_answer

    def refuse(self, status: int, reason: str) -> None:
        begun = bool(self._pipeline) and not self._pipeline[-1].is_request_complete
        if self._is_closing or len(self._pipeline) == begun:
            super().refuse(status, reason)
            return
        # Requests before the malformed one are answered first.
        self.request_broken()
        self._is_closing = True
        if not self._pipeline[-1].is_last:  # what follows a last request is not read
            self._tee.refused(reason)
            self._refusal = error_response(status, close=True)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if len(self._pipeline) > 1:
            self.pause_reading()

    def eof_received(self) -> bool:
        super().eof_received()
        if self._pipeline and not self._pipeline[-1].is_request_complete:
            self.request_broken()  # its end will never come
        return bool(self._pipeline)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._abandon_rest()

    def pause_writing(self) -> None:
        self.is_write_paused = True
        if self._pipeline:
            self._pipeline[0].pause_response()

    def resume_writing(self) -> None:
        self.is_write_paused = False
        if self._pipeline:
            self._pipeline[0].resume_response()
        else:
            self.resume_reading()

    # --- for PrimaryLeg ---

    def pause_reading(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing() and transport.is_reading():
            transport.pause_reading()

    def resume_reading(self) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing() and not transport.is_reading():
            transport.resume_reading()

    def exchange_ended(self, leg: "PrimaryLeg", close: bool) -> None:
        """The response (or an error in its place) is written; on with the next request."""
        if not self._pipeline or self._pipeline[0] is not leg:
            return
        self._pipeline.popleft()
        if close:
            self._abandon_rest()
            self.close()
        elif self._pipeline:
            if len(self._pipeline) == 1:
                self.resume_reading()
            self._pipeline[0].start()
        elif self._refusal is not None:
            self.write(self._refusal)
            self.close()
        elif self.must_close:
            self.close()
        else:
            if not self.is_write_paused:
                self.resume_reading()
            self.wait_for_request()

    def _abandon_rest(self) -> None:
        while self._pipeline:
            self._pipeline.pop().abandon()


class PrimaryLeg:
    """One exchange and its leg to the primary."""

    __slots__ = (
        "_body_framing",
        "_close",
        "_connection",
        "_downstream",
        "_exchange",
        "_head",
        "_inline",
        "_outcome",
        "_pending",
        "_pieces",
        "_state",
        "_was_retried",
        "answers_head",
    )

    def __init__(
        self, downstream: InlineDownstream, inline: InlineAcceptor, exchange: Exchange
    ) -> None:
        self._downstream = downstream
        self._inline = inline
        self._exchange = exchange
        self._head = exchange.head
        self._state = states.UPLOADING
        self._connection: UpstreamConnection | None = None
        self._pending: list[bytes] = []
        """Request body read before there was a connection."""
        self._pieces: list[bytes] = []
        """Response bytes of this read of the socket."""
        self._body_framing = NONE
        self._close = not exchange.head.keep_alive
        self._outcome = ""
        self._was_retried = False
        self.answers_head = exchange.head.method == b"HEAD"

    def __repr__(self) -> str:
        head = self._head
        return f"<PrimaryLeg {head.method!r} {head.target!r} {self._state.value}>"

    @property
    def is_last(self) -> bool:
        """The client asked to close the connection after this exchange."""
        return not self._head.keep_alive

    @property
    def is_request_complete(self) -> bool:
        return self._state not in (states.UPLOADING, states.EARLY, states.DONE_EARLY)

    @property
    def has_answered(self) -> bool:
        return self._state not in (states.UPLOADING, states.WAITING)

    # --- the request, from the downstream ---

    def start(self) -> None:
        """It is this exchange's turn."""
        self._inline.primary.start(self)
        if self._pending and self._connection is None:
            self._downstream.pause_reading()

    def add_body(self, data: bytes) -> None:
        if self._state in ENDED:
            return  # answered before it was read: see core/exchange.py, DONE_EARLY
        self._exchange.add_body(data)
        framed = chunk(data) if self._head.framing is CHUNKED else data
        if self._connection is not None:
            self._connection.write(framed)
        else:
            self._pending.append(framed)
            self._downstream.pause_reading()

    def end_request(self) -> None:
        self._state = after(self._state, states.REQUEST_END)
        if self._state is states.DONE:
            self._downstream.exchange_ended(self, close=True)
            return
        if self._connection is not None:
            self._end_upload(self._connection)
        self._exchange.end()

    def abandon(self) -> None:
        """The downstream left, or broke its request."""
        if self._state not in ENDED:
            self._state = after(self._state, states.DOWNSTREAM_LOST)
            self._stop_leg()
            self._inline.tee.primary_ended(self._exchange, ledger.ABORTED)
        self._exchange.abandon()

    # --- the leg, from upstream.py ---

    def on_assigned(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        head = self._head.to_primary()
        if self._pending:
            head = b"".join((head, *self._pending))
            self._pending = []
            self._downstream.resume_reading()
        connection.write(head)
        if self._downstream.is_write_paused:
            connection.pause_reading()
        if self._state is states.WAITING:
            self._end_upload(connection)

    def on_response_head(self, head: ResponseHead) -> None:
        if head.status < 200:
            if self._head.minor_version == 1:
                self._pieces.append(head.to_downstream(NONE, close=False))
            return
        self._state = after(self._state, states.RESPONSE_HEAD)
        self._inline.response_deadlines.cancel(self)
        self._outcome = STATUS_CLASSES[head.status // 100]
        self._body_framing = downstream_framing(head, self._head)
        self._close = (
            self._close
            or self._body_framing is UNTIL_CLOSE
            or self._state is states.EARLY
            or self._downstream.must_close
        )
        self._pieces.append(head.to_downstream(self._body_framing, self._close))

    def on_response_body(self, data: bytes) -> None:
        self._pieces.append(chunk(data) if self._body_framing is CHUNKED else data)

    def on_read(self) -> None:
        if self._pieces:
            data = b"".join(self._pieces) if len(self._pieces) > 1 else self._pieces[0]
            self._pieces = []
            self._downstream.write(data)

    def on_response_end(self) -> None:
        self._connection = None  # free already, perhaps another leg's: not ours to pause
        if self._body_framing is CHUNKED:
            self._pieces.append(LAST_CHUNK)
        self.on_read()
        self._state = after(self._state, states.RESPONSE_END)
        self._inline.tee.primary_ended(self._exchange, self._outcome)
        self._answered()

    def on_failure(self, outcome: str, is_stale: bool) -> None:
        self._connection = None
        self._inline.response_deadlines.cancel(self)
        if is_stale and self._may_retry():
            self._was_retried = True
            self._inline.primary.start(self, fresh=True)
            return
        self._fail(outcome)

    def on_writable(self, writable: bool) -> None:
        if writable:
            self._downstream.resume_reading()
        else:
            self._downstream.pause_reading()

    # --- back-pressure of the response, and its deadline ---

    def pause_response(self) -> None:
        if self._connection is not None:
            self._connection.pause_reading()

    def resume_response(self) -> None:
        if self._connection is not None:
            self._connection.resume_reading()

    def time_out(self) -> None:
        self._stop_leg()
        self._fail(ledger.TIMEOUT)

    # --- inside ---

    def _end_upload(self, connection: UpstreamConnection) -> None:
        if self._head.framing is CHUNKED:
            connection.write(LAST_CHUNK)
        connection.end_request()
        if self._state is states.WAITING:
            self._inline.response_deadlines.start(self, self._inline.now())

    def _may_retry(self) -> bool:
        return (
            self._state is states.WAITING
            and not self._was_retried
            and self._head.framing is NONE
            and self._head.method in _IDEMPOTENT
        )

    def _stop_leg(self) -> None:
        self._inline.response_deadlines.cancel(self)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
        else:
            self._inline.primary.withdraw(self)

    def _fail(self, outcome: str) -> None:
        self._state = after(self._state, states.PRIMARY_FAILED)
        self._inline.tee.primary_ended(self._exchange, outcome)
        if self._state is states.BROKEN:
            self._exchange.abandon()
            self._downstream.abort()
            return
        is_early = self._state is states.DONE_EARLY
        self._close = self._close or is_early or self._downstream.must_close
        status = 504 if outcome == ledger.TIMEOUT else 502
        self._downstream.write(error_response(status, self._close, not self.answers_head))
        self._answered()

    def _answered(self) -> None:
        if self._state is not states.DONE_EARLY:
            self._downstream.exchange_ended(self, self._close)
            return
        # Closing now would reset the connection under the answer: read on until the request
        # ends or the idle timeout passes.
        self._exchange.abandon()
        self._pending = []
        self._downstream.resume_reading()
        self._downstream.wait_for_request()
