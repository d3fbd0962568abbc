"""Which connection of an upstream sends which legs, where nobody waits for their responses.

Legs gather while one turn of the event loop lasts, and are then dealt out to idle connections: a
connection that has proven itself gets several at once (HTTP/1.1 pipelining, RFC 9112 9.3.2), which
saves most of the socket calls. As in core/pool.py, the pool decides and remembers, and opens,
sends and closes nothing.

An upstream that accepts connections and answers on none costs a connect per leg, and holds them
all. So connections start slowly, as what TCP sends does (RFC 5681 3.1): at first WINDOW of them may
be without an answer, each first answer makes it one more, one that ends without an answer makes it
WINDOW again.
"""

from typing import Protocol, TypeVar

from mirror.core.pool import Assignment, Pool

WINDOW = 32
"""Connections that open at a time, and at first may be without an answer: a burst must not become
a storm of connects."""


class Sender(Protocol):
    """What the pool asks of a connection."""

    @property
    def most_legs(self) -> int:
        """How many legs it may be given at once, now."""

    @property
    def has_answered(self) -> bool:
        """Whether `answered` was said of it."""


class BatchLeg(Protocol):
    is_alone: bool
    """Nothing may share its connection before it is answered."""
    expires_at: float
    """All wait equally long: the order of arrival is the order of expiry."""


Connection = TypeVar("Connection", bound=Sender)
Leg = TypeVar("Leg", bound=BatchLeg)


class BatchPool(Pool[Connection, Leg]):
    """Connections to one upstream, each with the legs that it sends together."""

    __slots__ = ("_answered", "_window")

    def __init__(self, max_connections: int, max_waiting: int, max_idle: int) -> None:
        super().__init__(max_connections, max_waiting, max_idle)
        self._answered = 0
        """Open connections that have answered."""
        self._window = WINDOW
        """How many may be open or opening that have not."""

    @property
    def room(self) -> int:
        """How many more legs may wait."""
        assert self._max_connections is not None
        free = len(self._idle) + self._max_connections - self._open
        return max(0, self._max_waiting + free - len(self._waiting))

    def wait(self, legs: list[Leg]) -> None:
        self._waiting.extend(legs)

    def deal(self) -> list[tuple[Connection, list[Leg]]]:
        """Give the waiting legs to idle connections, to as few as they need."""
        batches = []
        while self._waiting and self._idle:
            connection = self._idle.pop()
            batches.append((connection, self._take(connection.most_legs)))
        return batches

    def next_batch(self, connection: Connection) -> list[Leg]:
        """What a connection that is free sends next; with nothing to send it is idle."""
        legs = self._take(connection.most_legs)
        if not legs:
            self._idle.append(connection)
        return legs

    def opened(self, connection: Connection) -> list[Leg]:
        """As `next_batch`, for a connection that was opening."""
        self._opening -= 1
        return self.next_batch(connection)

    def to_open(self) -> int:
        """How many connections to open now: one for each leg that waits, within the ceilings."""
        if not self._waiting:
            return 0
        missing = max(0, self._missing())
        self._open += missing
        self._opening += missing
        return missing

    def answered(self) -> None:
        """A connection has answered for the first time."""
        self._answered += 1
        has_others = self._open > self._answered
        self._window = self._window + 1 if has_others else WINDOW

    def closed(self, connection: Connection) -> Assignment | None:
        if connection.has_answered:
            self._answered -= 1
        else:
            self._window = WINDOW
        return super().closed(connection)

    def connect_failed(self) -> list[Leg]:
        self._window = WINDOW
        return super().connect_failed()

    def expired(self, now: float) -> list[Leg]:
        """The legs that waited past their deadline, oldest first; they wait no more."""
        legs = []
        while self._waiting and self._waiting[0].expires_at <= now:
            legs.append(self._waiting.popleft())
        return legs

    def put_back(self, legs: list[Leg]) -> None:
        """Legs that were dealt out and not sent after all are the first of the next dealing."""
        self._waiting.extendleft(reversed(legs))

    def _missing(self) -> int:
        assert self._max_connections is not None
        return min(
            super()._missing(),
            self._max_connections - self._open,
            WINDOW - self._opening,
            self._window - (self._open - self._answered),
        )

    def _take(self, most: int) -> list[Leg]:
        waiting = self._waiting
        if not waiting:
            return []
        legs = [waiting.popleft()]
        if legs[0].is_alone:
            return legs
        while waiting and len(legs) < most and not waiting[0].is_alone:
            legs.append(waiting.popleft())
        return legs
