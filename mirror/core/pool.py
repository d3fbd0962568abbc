"""Which connection of an upstream serves which leg.

The pool decides and remembers; it opens and closes nothing. Its callers do what it answers, and
tell it what came of that, so no await can leave it half changed. The pool counts a connection from
the moment it asks for one (opening), so no burst of legs opens more than the ceiling.
"""

from collections import deque
from enum import Enum
from typing import Generic, TypeVar

Connection = TypeVar("Connection")
Leg = TypeVar("Leg")


class Assignment(Enum):
    """What to do for a leg that got no idle connection."""

    OPEN = "open"
    """Open a connection; the leg waits meanwhile."""
    WAIT = "wait"
    """The leg waits until a connection is free."""
    REFUSED = "refused"
    """No connection is free and the queue is full."""


OPEN = Assignment.OPEN
WAIT = Assignment.WAIT
REFUSED = Assignment.REFUSED


class Pool(Generic[Connection, Leg]):
    """Connections to one upstream, each of which serves one leg at a time."""

    __slots__ = (
        "_idle",
        "_max_connections",
        "_max_idle",
        "_max_waiting",
        "_next_idle",
        "_open",
        "_opening",
        "_waiting",
    )

    def __init__(self, max_connections: int | None, max_waiting: int, max_idle: int) -> None:
        """`max_connections` None means no ceiling: each leg without an idle connection opens one.

        `max_waiting` bounds the legs that wait beyond those for which a connection is opening.
        """
        self._max_connections = max_connections
        self._max_waiting = max_waiting
        self._max_idle = max_idle
        self._open = 0
        """Connections open or opening."""
        self._opening = 0
        self._idle: list[Connection] = []
        """Connections that serve no leg, in the order in which they became idle."""
        # The warmest connection serves next; the coldest may time out at the upstream.
        self._next_idle = -1
        # Legs for which a connection is opening wait here with the others. Whichever connection is
        # free first takes the oldest leg, so a slow connect holds up no particular leg.
        self._waiting: deque[Leg] = deque()

    @property
    def connections(self) -> int:
        """Number of connections, open or opening."""
        return self._open

    @property
    def waiting(self) -> int:
        """Number of legs that wait, beyond those for which a connection is opening."""
        return max(0, len(self._waiting) - self._opening)

    def __repr__(self) -> str:
        return f"<Pool open={self._open} idle={len(self._idle)} waiting={len(self._waiting)}>"

    def assign(self, leg: Leg, fresh: bool = False) -> Connection | Assignment:
        """Return an idle connection for `leg`, or what to do instead.

        `fresh` asks for a new connection: a leg is sent again after an idle connection turned out
        to be closed (RFC 9112, section 9.3.1), and others may be as stale.
        """
        if self._idle and not fresh:
            return self._idle.pop(self._next_idle)
        if self._may_open():
            self._waiting.append(leg)
            self._count_opening()
            return OPEN
        if len(self._waiting) - self._opening < self._max_waiting:
            self._waiting.append(leg)
            return WAIT
        return REFUSED

    def to_open(self) -> int:
        """Return how many connections to open, so that every waiting leg has one opening."""
        number = 0
        while len(self._waiting) > self._opening and self._may_open():
            self._count_opening()
            number += 1
        return number

    def connected(self, connection: Connection) -> Leg | None:
        """An opening connection is ready: return the leg it serves first, or None if it is idle."""
        self._opening -= 1
        return self._next_leg(connection)

    def connect_failed(self) -> list[Leg]:
        """A connect failed: return the legs that fail with it.

        One connect costs one leg, the oldest. With no other connection left to serve them, all
        waiting legs fail: they would only time out.
        """
        self._open -= 1
        self._opening -= 1
        if self._open:
            return [self._waiting.popleft()] if self._waiting else []
        failed = list(self._waiting)
        self._waiting.clear()
        return failed

    def released(self, connection: Connection) -> Leg | None:
        """A connection has served its leg: return the next one, or None if it is idle now."""
        return self._next_leg(connection)

    def is_surplus(self) -> bool:
        """Say whether to close a connection that has served its leg, instead of keeping it idle."""
        return not self._waiting and len(self._idle) >= self._max_idle

    def closed(self, connection: Connection) -> None:
        """Record that a connection is gone; `to_open` says whether to open another."""
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)

    def withdraw(self, leg: Leg) -> None:
        """Stop `leg` from waiting; a leg that does not wait is no error."""
        if leg in self._waiting:
            self._waiting.remove(leg)

    @property
    def idle(self) -> tuple[Connection, ...]:
        """Connections that serve no leg."""
        return tuple(self._idle)

    def _may_open(self) -> bool:
        return self._max_connections is None or self._open < self._max_connections

    def _count_opening(self) -> None:
        self._open += 1
        self._opening += 1

    def _next_leg(self, connection: Connection) -> Leg | None:
        if self._waiting:
            return self._waiting.popleft()
        self._idle.append(connection)
        return None
