"""Which connection of an upstream sends which legs, where nobody waits for their responses.

Legs gather while one turn of the event loop lasts, and are then dealt out to idle connections: a
connection that has proven itself gets several at once (HTTP/1.1 pipelining, RFC 9112 9.3.2), which
saves most of the socket calls. As in core/pool.py, the pool decides and remembers, and opens,
sends and closes nothing.
"""

from typing import Protocol, TypeVar

from mirror.core.pool import Pool

MOST_OPENING = 32
"""Connections that open at a time: a burst must not become a storm of connects."""


class Sender(Protocol):
    """What the pool asks of a connection."""

    @property
    def most_legs(self) -> int:
        """How many legs it may be given at once, now."""


class BatchLeg(Protocol):
    is_alone: bool
    """Nothing may share its connection before it is answered."""
    expires_at: float
    """All wait equally long: the order of arrival is the order of expiry."""


Connection = TypeVar("Connection", bound=Sender)
Leg = TypeVar("Leg", bound=BatchLeg)


class BatchPool(Pool[Connection, Leg]):
    """Connections to one upstream, each with the legs that it sends together."""

    __slots__ = ()

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
        assert self._max_connections is not None
        missing = min(
            len(self._waiting) - self._opening,
            self._max_connections - self._open,
            MOST_OPENING - self._opening,
        )
        if missing <= 0:
            return 0
        self._open += missing
        self._opening += missing
        return missing

    def expired(self, now: float) -> list[Leg]:
        """The legs that waited past their deadline, oldest first; they wait no more."""
        legs = []
        while self._waiting and self._waiting[0].expires_at <= now:
            legs.append(self._waiting.popleft())
        return legs

    def put_back(self, legs: list[Leg]) -> None:
        """Legs that were dealt out and not sent after all are the first of the next dealing."""
        self._waiting.extendleft(reversed(legs))

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
