"""A pool whose connections start slowly, for an upstream that need not be there.

An upstream that accepts connections and answers on none would cost one connect per leg, and would
be held by all of them. So the number of connections without an answer is bounded by a window, as
TCP bounds what it sends before it is acknowledged (RFC 5681, section 3.1): each connection that
answers for the first time makes the window one larger, and one that ends without an answer sets it
back to where it began. docs/adr/0028 has the measurements.
"""

from typing import Protocol, TypeVar

from mirror.core.pool import Pool

WINDOW = 32
"""Connections that may be opening, and at first may be without an answer. A burst of requests must
not become a storm of connects on the core that serves production."""


class AnsweringConnection(Protocol):
    """What the pool reads of a connection."""

    @property
    def has_answered(self) -> bool:
        """Whether `answered` was called for it."""


class ExpiringLeg(Protocol):
    expires_at: float
    """All legs of a pool may last equally long, so they expire in the order of their arrival."""


Connection = TypeVar("Connection", bound=AnsweringConnection)
Leg = TypeVar("Leg", bound=ExpiringLeg)


class SlowStartPool(Pool[Connection, Leg]):
    """Connections to one upstream, of which few may be without an answer."""

    __slots__ = ("_answered", "_first_window", "_window")

    def __init__(self, max_connections: int, max_waiting: int, window: int = WINDOW) -> None:
        """A `window` of `max_connections` bounds nothing: all may open at once."""
        super().__init__(max_connections, max_waiting, max_connections)
        # The oldest serves next, so that all connections, and with them all nodes and Pods behind
        # one address, are used evenly.
        self._next_idle = 0
        self._first_window = window
        self._window = window
        self._answered = 0
        """Open connections that have answered."""

    def answered(self) -> None:
        """Record that a connection has answered for the first time."""
        self._answered += 1
        # Growth that nothing uses proves nothing: once every connection has answered, the next
        # burst begins with the first window again (RFC 5681, section 4.1, restarts after idleness).
        has_unanswered = self._open > self._answered
        self._window = self._window + 1 if has_unanswered else self._first_window

    def closed(self, connection: Connection) -> None:
        if connection.has_answered:
            self._answered -= 1
        else:
            self._window = self._first_window
        super().closed(connection)

    def connect_failed(self) -> list[Leg]:
        self._window = self._first_window
        return super().connect_failed()

    def expired(self, now: float) -> list[Leg]:
        """Remove and return the legs that waited past their deadline, oldest first."""
        legs = []
        while self._waiting and self._waiting[0].expires_at <= now:
            legs.append(self._waiting.popleft())
        return legs

    def _may_open(self) -> bool:
        return (
            super()._may_open()
            and self._opening < self._first_window
            and self._open - self._answered < self._window
        )
