"""Which connection of an upstream serves which leg.

The pool decides and remembers; it opens and closes nothing. Its callers do what it answers, and
tell it what became of that, so no await can leave it half changed. A connection is known to the
pool from the moment it is asked for (opening), so that no burst opens more than the ceiling.

Idle connections are reused last in, first out: the warmest first, the coldest may time out.
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
    """The leg waits for a connection of another leg."""
    REFUSED = "refused"
    """Nothing is free and the queue is full."""


OPEN = Assignment.OPEN
WAIT = Assignment.WAIT
REFUSED = Assignment.REFUSED


class Pool(Generic[Connection, Leg]):
    """Connections to one upstream; `max_connections` None means as many as there are legs."""

    __slots__ = (
        "_idle",
        "_max_connections",
        "_max_idle",
        "_max_waiting",
        "_open",
        "_opening",
        "_waiting",
    )

    def __init__(self, max_connections: int | None, max_waiting: int, max_idle: int) -> None:
        self._max_connections = max_connections
        self._max_waiting = max_waiting
        self._max_idle = max_idle
        self._open = 0
        self._opening = 0
        self._idle: list[Connection] = []
        self._waiting: deque[Leg] = deque()

    def __repr__(self) -> str:
        return f"<Pool open={self._open} idle={len(self._idle)} waiting={len(self._waiting)}>"

    @property
    def open_count(self) -> int:
        """Connections open or opening."""
        return self._open

    def assign(self, leg: Leg, fresh: bool = False) -> Connection | Assignment:
        """An idle connection for `leg`, or what to do instead; `fresh` refuses an idle one."""
        if self._idle and not fresh:
            return self._idle.pop()
        if self._max_connections is None or self._open < self._max_connections:
            self._waiting.append(leg)
            return self._ask_to_open()
        if len(self._waiting) < self._max_waiting:
            self._waiting.append(leg)
            return WAIT
        return REFUSED

    def connected(self, connection: Connection) -> Leg | None:
        """An opening connection is ready: the leg that it serves first, or None: it is idle."""
        self._opening -= 1
        return self._next_leg(connection)

    def connect_failed(self) -> list[Leg]:
        """An opening connection could not be opened: the legs that fail with it.

        The one that has waited longest; all of them where no other connection is left to serve.
        """
        self._open -= 1
        self._opening -= 1
        if self._open:
            return [self._waiting.popleft()] if self._waiting else []
        failed = list(self._waiting)
        self._waiting.clear()
        return failed

    def released(self, connection: Connection) -> Leg | None:
        """A connection has served its leg: the leg that it serves next, or None: it is idle."""
        return self._next_leg(connection)

    def is_surplus(self) -> bool:
        """Whether a connection that has served its leg is better closed than kept idle."""
        return not self._waiting and len(self._idle) >= self._max_idle

    def closed(self, connection: Connection) -> Assignment | None:
        """A connection is gone; OPEN asks for another where more legs wait than are opening."""
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        return self._ask_to_open() if self._missing() > 0 else None

    def withdraw(self, leg: Leg) -> None:
        """`leg` waits no more; one that does not wait is no error."""
        if leg in self._waiting:
            self._waiting.remove(leg)

    @property
    def idle(self) -> tuple[Connection, ...]:
        """Connections that serve no leg."""
        return tuple(self._idle)

    def _missing(self) -> int:
        """How many more connections should be opening for the legs that wait."""
        return len(self._waiting) - self._opening

    def _ask_to_open(self) -> Assignment:
        self._open += 1
        self._opening += 1
        return OPEN

    def _next_leg(self, connection: Connection) -> Leg | None:
        if self._waiting:
            return self._waiting.popleft()
        self._idle.append(connection)
        return None
