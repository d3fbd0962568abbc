"""Connections whose responses nobody gets: many requests in one write, only outcomes read.

Nobody waits for these legs, so what the loop brings in one turn is sent together: a connection
carries several requests behind each other, and one read of the socket brings several answers.
That is done only where it changes nothing for the upstream but the number of packets: not on a
connection that has answered nothing yet, not to an upstream that takes longer than SLOW_S, not
behind a request that may have a body in its answer that the parser cannot foresee (HEAD), and
only for requests that RFC 9110 calls idempotent.

The parser checks framing as strictly as elsewhere; it calls back once a response and not once a
field, because of a response nothing but its status is kept.
"""

import math
from collections.abc import Callable, Sequence
from time import perf_counter

import httptools

from mirror.core import ledger
from mirror.core.batch_pool import BatchPool
from mirror.core.ledger import STATUS_CLASSES
from mirror.errors import RemoteProtocolError
from mirror.proxy.upstream.connection import Origin, Upstream, UpstreamConnection, log_bug
from mirror.proxy.upstream.outbox import Outbox

SLOW_S = 0.010
"""An upstream that needs longer for one answer gets one request at a time on each connection:
behind a slow answer the next ones would only wait, and run into their timeout."""

_READ_BYTES = 16 << 20
"""Most bytes of answers that are read between two ticks: at ten ticks a second 160 MB/s, which
takes 5 % of a core. Beyond it the answers wait, and not whoever shares the loop with them."""

NOT_ANSWERED = -1
"""In place of a latency."""


class DiscardingLeg:
    """One request whose response is discarded."""

    __slots__ = ("data", "expires_at", "generation", "is_alone", "is_head", "route")

    data: bytes
    """The whole request."""
    route: str
    """What it is counted under."""
    is_head: bool
    """The request's method is HEAD: its response has no body."""
    is_alone: bool
    """Not to share its connection with another request before it is answered."""
    expires_at: float
    generation: int
    """Its owner's."""


class DiscardingUpstream(Upstream):
    """An upstream whose answers are counted; `ended` hears the one outcome of each leg.

    With it comes the latency: the microseconds from writing the request (behind others, where the
    connection carries several) to the end of its answer, or NOT_ANSWERED.
    """

    def __init__(
        self,
        origin: Origin,
        pool: "BatchPool[DiscardingConnection, DiscardingLeg]",
        most_legs: int,
        ended: Callable[[Sequence[DiscardingLeg], str, int], None],
        outbox: Outbox | None = None,
    ) -> None:
        """`most_legs` is how many requests a connection may carry unanswered."""
        super().__init__(origin, pool, outbox)
        self._batches = pool
        self.most_legs = most_legs
        self.ended = ended
        self.spoiled: Callable[[DiscardingLeg], None] = lambda leg: None
        """More came behind the answer of this leg, and costs the connection; `ended` follows."""
        # Not the loop's clock, which counts milliseconds.
        self.now: Callable[[], float] = perf_counter
        self._in_use: set[DiscardingConnection] = set()
        self._unread_bytes = _READ_BYTES
        """Left of what may be read until the next tick."""
        self._paused: list[DiscardingConnection] = []

    @property
    def room(self) -> int:
        """How many legs `send` takes now."""
        return self._batches.room

    def send(self, legs: list[DiscardingLeg]) -> None:
        """Send these legs, at most as many as there is room for, now or as soon as possible."""
        self._batches.wait(legs)
        self._deal()

    def tick(self, now: float) -> None:
        """Cut what has lasted too long, and read on where too much came."""
        super().tick(now)
        self._unread_bytes = _READ_BYTES
        paused, self._paused = self._paused, []
        for connection in paused:
            connection.resume_reading()
        expired = self._batches.expired(now)
        if expired:
            self.ended(expired, ledger.TIMEOUT, NOT_ANSWERED)
        for connection in [c for c in self._in_use if c.legs[0].expires_at <= now]:
            connection.cut(now)
        self._open_missing()  # what answered since the last dealing made the window larger

    def cut(self) -> None:
        """Abort every leg, and close all connections."""
        self.ended(self._batches.expired(math.inf), ledger.ABORTED, NOT_ANSWERED)
        for connection in list(self._in_use):
            connection.cut(-math.inf)
        self.close()

    # --- for its connections ---

    def released(self, connection: "DiscardingConnection") -> None:
        if self.has_moved(connection):
            connection.close()
            self._in_use.discard(connection)
            return
        legs = self._batches.next_batch(connection)
        if legs:
            connection.send(legs)
        else:
            self._in_use.discard(connection)

    def came(self, connection: "DiscardingConnection", size_bytes: int) -> None:
        """So much of an answer was read."""
        self._unread_bytes -= size_bytes
        if self._unread_bytes < 0:
            self._paused.append(connection)
            connection.pause_reading()

    def first_answered(self) -> None:
        """A connection has answered for the first time."""
        self._batches.answered()

    def lost(self, connection: "DiscardingConnection") -> None:
        self._in_use.discard(connection)

    def send_again(self, legs: list[DiscardingLeg]) -> None:
        """Legs that the upstream said it would not process; they keep their deadlines."""
        self._batches.put_back(legs)
        self._deal()

    # --- Upstream ---

    def make_connection(self) -> "DiscardingConnection":
        return DiscardingConnection(self)

    def connect_failed(self) -> None:
        self.ended(self._batches.connect_failed(), ledger.CONNECT_FAILED, NOT_ANSWERED)

    def connected(self, connection: UpstreamConnection) -> None:
        assert isinstance(connection, DiscardingConnection)
        legs = self._batches.opened(connection)
        if legs:
            self._in_use.add(connection)
            connection.send(legs)
        self._open_missing()

    # --- inside ---

    def _deal(self) -> None:
        for connection, legs in self._batches.deal():
            self._in_use.add(connection)
            connection.send(legs)
        self._open_missing()

    def _open_missing(self) -> None:
        for _ in range(self._batches.to_open()):
            self.open()


class DiscardingConnection(UpstreamConnection):
    """One socket to an upstream, with the legs that wait for their answers on it in order."""

    __slots__ = (
        "_answers",
        "_awaits_head",
        "_discarding",
        "_is_head",
        "_is_last",
        "_is_proven",
        "_most_quick_s",
        "_sent_at",
        "has_answered",
        "legs",
        "on_headers_complete",
    )

    def __init__(self, upstream: DiscardingUpstream) -> None:
        super().__init__(upstream)
        self._discarding = upstream
        self._awaits_head = [True]
        """Empty between the end of an answer's head and the end of the answer."""
        # C's own list.clear, because it is called for every answer.
        self.on_headers_complete: Callable[[], None] = self._awaits_head.clear
        self.has_answered = False
        self._is_proven = False
        """The last answers were quick and left the connection open."""
        # per batch
        self.legs: list[DiscardingLeg] = []
        self._is_head = False
        self._sent_at = 0.0
        self._most_quick_s = 0.0
        # per read
        self._answers: list[int] = []
        """Status of each answer that this read completed."""
        self._is_last = False
        """The upstream closes behind the last of them."""

    @property
    def most_legs(self) -> int:
        return self._discarding.most_legs if self._is_proven else 1

    def send(self, legs: list[DiscardingLeg]) -> None:
        self._sent_at = self._discarding.now()
        self._most_quick_s = SLOW_S * len(legs)
        self.legs = legs
        self._is_head = legs[0].is_head
        if self._is_head:
            self._parser = _HeadAnswer(self).parser
        self.write(legs[0].data if len(legs) == 1 else b"".join([leg.data for leg in legs]))

    def pause_reading(self) -> None:
        assert self._transport is not None
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def cut(self, now: float) -> None:
        """Close; the legs whose time is over end as a timeout, those behind them as aborted."""
        legs = self._take_legs()
        self.close()
        # Not always the first ones: of legs that were sent again the younger may come before.
        late = [leg for leg in legs if leg.expires_at <= now]
        behind = [leg for leg in legs if leg.expires_at > now]
        self._discarding.ended(late, ledger.TIMEOUT, NOT_ANSWERED)
        self._discarding.ended(behind, ledger.ABORTED, NOT_ANSWERED)

    # --- asyncio.Protocol ---

    def data_received(self, data: bytes) -> None:
        if not self.legs:
            self.close()  # nobody asked: a late or surplus response
            return
        self._discarding.came(self, len(data))
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if len(self._answers) == len(self.legs) and not self._is_head:
                self._discarding.spoiled(self.legs[-1])
            self._settle()
            self._fail_after(error)
            return
        except httptools.HttpParserUpgrade:  # a 101 that nobody asked for
            self._settle()
            self._fail(ledger.PROTOCOL_ERROR)
            return
        if not self._answers:
            return
        took_s = self._settle()
        if self._is_last:
            self._close_behind_last()
        elif not self.legs:
            if self._is_head:
                self._parser = httptools.HttpResponseParser(self)
            self._is_proven = took_s <= self._most_quick_s
            self._release()

    def eof_received(self) -> None:
        if not self.legs:  # theirs may be what ends the answer
            self.retire()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_legs(exc)
        super().connection_lost(exc)

    def _end_legs(self, exc: Exception | None) -> None:
        if (
            self.legs
            and not self._awaits_head
            and exc is None
            and not self._parser.should_keep_alive()
        ):
            # An answer without a length ends with its connection. (One that has a length, says
            # close, and is cut short is not told apart: its status is counted.)
            try:
                self.answered(self._parser.get_status_code(), keep_alive=False)
            except RemoteProtocolError:
                self._fail(ledger.PROTOCOL_ERROR)
                return
            self._settle()
            self._close_behind_last()
        else:
            self._fail(ledger.RESET)

    # --- httptools callbacks; on_headers_complete is the list's own clear ---

    def on_message_begin(self) -> None:
        if len(self._answers) == len(self.legs):
            raise RemoteProtocolError(502, "surplus")

    def on_message_complete(self) -> None:
        parser = self._parser
        self._awaits_head.append(True)
        self.answered(parser.get_status_code(), parser.should_keep_alive())

    def answered(self, status: int, keep_alive: bool) -> None:
        if 200 <= status <= 599:
            self._answers.append(status)
            self._is_last = not keep_alive
        elif not 100 <= status < 200:
            raise RemoteProtocolError(502, "status")

    # --- ends ---

    def _settle(self) -> float:
        """Tell the outcomes of the answers that this read completed, and how long they took."""
        answers, legs = self._answers, self.legs
        if answers and not self.has_answered:
            self.has_answered = True
            self._discarding.first_answered()
        took_s = self._discarding.now() - self._sent_at
        latency_us = int(took_s * 1e6)
        if len(answers) == 1 == len(legs):
            self.legs = []
            self._discarding.ended(legs, STATUS_CLASSES[answers[0] // 100], latency_us)
        else:
            outcomes: dict[str, list[DiscardingLeg]] = {}
            for leg, status in zip(legs, answers, strict=False):
                outcomes.setdefault(STATUS_CLASSES[status // 100], []).append(leg)
            self.legs = legs[len(answers) :]
            for outcome, ended in outcomes.items():
                self._discarding.ended(ended, outcome, latency_us)
        answers.clear()
        return took_s

    def _release(self) -> None:
        if self._is_write_paused:
            self.close()  # answered before it was read: what is unsent is of no use
            self._discarding.lost(self)
        else:
            self._discarding.released(self)

    def _close_behind_last(self) -> None:
        """RFC 9112 9.6: what was sent behind it was not processed, and is sent elsewhere."""
        legs = self._take_legs()
        self.close()
        self._discarding.send_again(legs)

    def _fail_after(self, error: Exception) -> None:
        """The parser, or a callback in it, raised."""
        log_bug(error)
        self._fail(ledger.PROTOCOL_ERROR)

    def _fail(self, outcome: str) -> None:
        legs = self._take_legs()
        self.close()
        self._discarding.ended(legs, outcome, NOT_ANSWERED)

    def _take_legs(self) -> list[DiscardingLeg]:
        legs, self.legs = self.legs, []
        self._discarding.lost(self)
        return legs


class _HeadAnswer:
    """Reads the answer to a HEAD, which ends with its head whatever length that announces."""

    def __init__(self, connection: DiscardingConnection) -> None:
        self._connection = connection
        self._has_ended = False
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        if self._has_ended:
            raise RemoteProtocolError(502, "surplus")

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        self._has_ended = status >= 200
        self._connection.answered(status, self.parser.should_keep_alive())

    def on_body(self, data: bytes) -> None:
        raise RemoteProtocolError(502, "surplus")
