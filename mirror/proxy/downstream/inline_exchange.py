"""One inline exchange: relay a request to the primary and its response to the client.

Bodies stream in both directions: what one side sends is written to the other at once, and if one
side does not take it, the other is no longer read. The tee takes its copy on the way; nothing here
waits for it. core/exchange_states.py defines the states of an exchange.
"""

from collections.abc import Callable
from time import perf_counter

from mirror.core import exchange_states as states
from mirror.core import ledger
from mirror.core.comparison.answer import NOT_ANSWERED, Answer
from mirror.core.comparison.envoy_reply import location_in
from mirror.core.exchange_states import ENDED, after
from mirror.core.http1 import (
    CHUNKED,
    NONE,
    UNTIL_CLOSE,
    Framing,
    chunk,
    error_response,
    last_chunk,
)
from mirror.core.ledger import STATUS_CLASSES
from mirror.core.request_head import RequestHead
from mirror.core.response_head import ResponseHead, downstream_framing
from mirror.proxy.downstream.connection import NEVER, DownstreamConnection
from mirror.proxy.downstream.tunnel import join
from mirror.proxy.exchange import Exchange
from mirror.proxy.tee import Tee
from mirror.proxy.upstream.relaying import RelayingConnection, RelayingUpstream

# RFC 9110, section 9.2.2: such a request without a body may be retried on a new connection.
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})


class Primary:
    """The primary, shared by all exchanges of a worker."""

    def __init__(self, upstream: RelayingUpstream, tee: Tee, timeout_s: float) -> None:
        self.upstream = upstream
        self.tee = tee
        self.timeout_s = timeout_s
        """Longest time from the end of the request to the response head, and between reads."""


class PrimaryAnswer:
    """What is kept of the primary's response until the leg ends."""

    __slots__ = ("body_bytes", "location", "status")

    def __init__(self) -> None:
        self.status = 0
        self.location = ""
        self.body_bytes = 0
        """Bytes of the body that the primary has sent."""

    def begin(self, head: ResponseHead) -> None:
        self.status = status = head.status
        if 300 <= status < 400 and status != 304:
            self.location = location_in(head.end_to_end)

    def end(
        self, tee: Tee, exchange: Exchange, outcome: str, latency_us: int = NOT_ANSWERED
    ) -> None:
        """Count the only outcome of the leg, and compare it with the shadow's."""
        tee.primary_ended(exchange.route, exchange.uri, outcome, latency_us)
        if exchange.pair is None:
            return
        if outcome == ledger.ABORTED and self.status:
            # The client left during the answer: the status counts, as in a line of nginx's log.
            outcome = STATUS_CLASSES[self.status // 100]
            answer = Answer(self.status, outcome, location=self.location)
        else:
            status = self.status if outcome in STATUS_CLASSES else 0
            answer = Answer(status, outcome, latency_us, self.body_bytes, location=self.location)
        tee.comparing.primary_ended(exchange.pair, answer, exchange.head.start)


class InlineExchange(Exchange):
    """An exchange that we proxy, with its primary leg.

    It calls `ended(exchange, close)` when the response, or an error in its place, is written.
    """

    __slots__ = (
        "_answer",
        "_asked_at",
        "_body_framing",
        "_close",
        "_connection",
        "_downstream",
        "_ended",
        "_outcome",
        "_pending",
        "_primary",
        "_state",
        "_was_retried",
        "answers_head",
    )

    def __init__(
        self,
        primary: Primary,
        head: RequestHead,
        downstream: DownstreamConnection,
        ended: Callable[["InlineExchange", bool], None],
    ) -> None:
        Exchange.__init__(self, primary.tee, head)
        self._primary = primary
        self._downstream = downstream
        self._ended = ended
        self._state = states.UPLOADING
        self._connection: RelayingConnection | None = None
        self._pending: list[bytes] | None = None
        """Request body that was read before a connection was assigned."""
        self._body_framing: Framing = NONE
        self._outcome = ""
        self._answer = PrimaryAnswer()
        self._was_retried = False
        self._close = not head.keep_alive
        self._asked_at = 0.0
        """When the request was complete and its turn came; latency counts from here."""
        self.answers_head = head.method == b"HEAD"

    def __repr__(self) -> str:
        head = self.head
        return f"<InlineExchange {head.method!r} {head.target!r} {self._state.value}>"

    @property
    def is_last(self) -> bool:
        """Whether the client asked to close the connection after this exchange."""
        return not self.head.keep_alive

    @property
    def is_request_complete(self) -> bool:
        return self._state not in (states.UPLOADING, states.EARLY, states.DONE_EARLY)

    @property
    def is_uploading(self) -> bool:
        """Whether the request is incomplete and no answer has begun."""
        return self._state is states.UPLOADING

    @property
    def has_answered(self) -> bool:
        return self._state not in (states.UPLOADING, states.WAITING)

    # --- the request, from the downstream ---

    def start(self) -> None:
        """Begin the exchange, now that its turn has come."""
        if self.head.is_last_hop:
            self._answer_last_hop()
            return
        self._asked_at = perf_counter()
        self._primary.upstream.start(self)
        if self._pending and self._connection is None:
            self._downstream.pause_reading()

    def relay_body(self, data: bytes) -> None:
        if self._state in ENDED:
            return  # answered before it was read: see core/exchange_states.py, DONE_EARLY
        self.add_body(data)
        framed = chunk(data) if self.head.framing is CHUNKED else data
        if self._connection is not None:
            self._connection.write(framed)
            self._downstream.body_came(len(data))
        else:
            self._hold(framed)
            self._downstream.pause_reading()

    def end_request(self, trailers: list[bytes]) -> None:
        self._state = after(self._state, states.REQUEST_END)
        if self._state is states.DONE:
            self._ended(self, True)
            return
        if self.head.framing is CHUNKED:
            end = last_chunk(trailers)
            if self._connection is not None:
                self._connection.write(end)
            else:
                self._hold(end)
        if self.head.framing is not NONE:
            self._asked_at = perf_counter()
        if self._connection is not None:
            self._end_upload(self._connection)

    def leave(self) -> None:
        """End the exchange because the downstream left or sent a malformed request."""
        if self._state not in ENDED:
            is_tunnel = self._state is states.TUNNEL
            self._state = after(self._state, states.DOWNSTREAM_LOST)
            self._stop_leg()
            # Either side may end a tunnel, which is then a success.
            outcome = self._outcome if is_tunnel else ledger.ABORTED
            self._answer.end(self._primary.tee, self, outcome)
        self.abandon()

    # --- the leg, from relaying.py ---

    def on_assigned(self, connection: RelayingConnection) -> None:
        self._connection = connection
        head = self.head.to_primary()
        if self._pending:
            head = b"".join((head, *self._pending))
            self._pending = None
            self._downstream.resume_reading()
        connection.write(head)
        if self._downstream.is_write_paused:
            connection.pause_reading()
        if self._state is states.WAITING:
            self._end_upload(connection)
        else:
            self._downstream.wait_for_body()

    def on_informational(self, head: ResponseHead) -> None:
        if self.head.minor_version == 1:
            self._downstream.write(head.to_downstream(NONE, close=False))

    def on_response(
        self, head: ResponseHead | None, body: bytes, trailers: list[bytes], ended: bool
    ) -> None:
        if ended:
            self._connection = None  # already free, and perhaps serving another leg
        start = b"" if head is None else self._begin_response(head)
        self._answer.body_bytes += len(body)
        if self._body_framing is CHUNKED:
            body = chunk(body) if body else b""
            if ended:
                body += last_chunk(trailers)
        if start or body:
            self._downstream.write(start + body)
        if ended:
            is_whole = self._state is states.DOWNLOADING  # and no tunnel
            took_us = int((perf_counter() - self._asked_at) * 1e6) if is_whole else NOT_ANSWERED
            self._state = after(self._state, states.RESPONSE_END)
            self._answer.end(self._primary.tee, self, self._outcome, took_us)
            self._answered()
        else:
            self._wait_for_primary()

    def on_switched(self, head: ResponseHead, rest: bytes) -> None:
        connection = self._connection
        assert connection is not None
        if not self.head.upgrade:
            connection.abort()
            self.on_failure(ledger.PROTOCOL_ERROR, is_stale=False)
            return
        self._state = after(self._state, states.SWITCHED)
        self._outcome = STATUS_CLASSES[1]
        self._close = True
        self._downstream.set_deadline(NEVER)
        self._downstream.write(head.to_downstream(NONE, close=False) + rest)
        self._primary.tee.outbox.flush()
        join(
            (self._downstream.transport, self._downstream),
            (connection.transport, connection),
        )
        # The tunnel now handles back-pressure. A side that is already full will not report it
        # again.
        if self._downstream.is_write_paused:
            connection.pause_reading()
        held = self._downstream.take_held()
        if held:
            connection.transport.write(held)

    def on_failure(self, outcome: str, is_stale: bool) -> None:
        self._connection = None
        if self._state is states.TUNNEL:
            self.on_response(None, b"", [], ended=True)
        elif is_stale and self._state is states.WAITING and self._may_retry():
            self._was_retried = True
            self._primary.upstream.start(self, fresh=True)
        else:
            self._fail(outcome)

    def on_writable(self, writable: bool) -> None:
        if writable:
            self._downstream.resume_reading()
            if self.is_uploading:
                self._downstream.wait_for_body()
        else:
            self._downstream.pause_reading()

    # --- back-pressure of the response, and its deadline ---

    def pause_response(self) -> None:
        if self._connection is not None:
            self._connection.pause_reading()

    def resume_response(self) -> None:
        if self._connection is not None:
            self._connection.resume_reading()
            if self.has_answered:
                self._wait_for_primary()

    def time_out(self) -> None:
        """Handle the deadline: nothing moved for as long as the state may last."""
        if self._state is states.DONE_EARLY:
            self._ended(self, True)  # answered, but the rest of the request never came
            return
        self._stop_leg()
        self._fail(ledger.TIMEOUT)

    # --- inside ---

    def _hold(self, data: bytes) -> None:
        if self._pending is None:
            self._pending = []
        self._pending.append(data)

    def _begin_response(self, head: ResponseHead) -> bytes:
        self._state = after(self._state, states.RESPONSE_HEAD)
        downstream = self._downstream
        downstream.set_deadline(NEVER)
        self._outcome = STATUS_CLASSES[head.status // 100]
        self._answer.begin(head)
        self._body_framing = framing = downstream_framing(head, self.head)
        if framing is UNTIL_CLOSE or self._state is states.EARLY or downstream.must_close:
            self._close = True
        return head.to_downstream(framing, self._close)

    def _end_upload(self, connection: RelayingConnection) -> None:
        connection.end_request()
        if self._state is states.WAITING:
            self._wait_for_primary()

    def _wait_for_primary(self) -> None:
        """Cut an answer that makes no progress, as nginx's proxy_read_timeout does."""
        self._downstream.set_deadline(self._primary.timeout_s)

    def _answer_last_hop(self) -> None:
        """Answer TRACE or OPTIONS with Max-Forwards 0 ourselves (RFC 9110 7.6.2)."""
        self._state = after(self._state, states.RESPONSE_HEAD)
        if self._state is states.EARLY or self._downstream.must_close:
            self._close = True
        self._state = after(self._state, states.RESPONSE_END)
        self._downstream.write(self.head.to_last_answer(self._close))
        self._answer.status = 200
        self._answer.end(self._primary.tee, self, STATUS_CLASSES[2])
        self._answered()

    def _may_retry(self) -> bool:
        return not self._was_retried and _may_repeat(self.head)

    def _stop_leg(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()
        else:
            self._primary.upstream.withdraw(self)

    def _fail(self, outcome: str) -> None:
        self._state = after(self._state, states.PRIMARY_FAILED)
        self._downstream.set_deadline(NEVER)
        self._answer.end(self._primary.tee, self, outcome)
        if self._state is states.BROKEN:
            self.abandon()
            self._downstream.abort()
            return
        is_early = self._state is states.DONE_EARLY
        # What this client sent may have caused the primary's ambiguous answer, so neither
        # connection of the exchange is used again.
        is_last = is_early or outcome == ledger.PROTOCOL_ERROR
        self._close = self._close or is_last or self._downstream.must_close
        status = 504 if outcome == ledger.TIMEOUT else 502
        self._downstream.write(error_response(status, self._close, not self.answers_head))
        self._answered()

    def _answered(self) -> None:
        if self._state is not states.DONE_EARLY:
            self._ended(self, self._close)
            return
        # Closing now could reset the connection before the client has read the answer. Read on
        # until the request ends or the idle timeout passes.
        self.abandon()
        self._pending = None
        self._downstream.resume_reading()
        self._downstream.wait_for_request()


def _may_repeat(head: RequestHead) -> bool:
    return head.framing is NONE and head.method in _IDEMPOTENT
