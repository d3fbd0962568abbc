"""What the downstream connections of one worker share: their limits, their list and their end.

This module does not know requests: connection.py reads them, sink.py and inline.py answer them.
"""

import asyncio
from typing import Protocol

from mirror.config import Config
from mirror.proxy.tee import Tee

# A worker only moves forward through these states.
SERVING, RETIRING, DRAINING = range(3)


class AcceptedConnection(Protocol):
    """What the acceptor needs of a connection."""

    expires_at: float

    @property
    def is_idle(self) -> bool:
        """Whether no exchange is in progress."""

    def expire(self) -> None:
        """Handle a passed deadline."""

    def close(self) -> None:
        """Send what was written, then close."""

    def abort(self) -> None:
        """Close at once."""


class Acceptor:
    """All downstream connections of one worker."""

    def __init__(self, config: Config, tee: Tee) -> None:
        self.tee = tee
        self.max_head_bytes = config.max_head_bytes
        self.head_timeout_s = config.timeouts.head
        self.idle_timeout_s = config.timeouts.idle
        self._max_connections = config.max_connections
        self.connections: set[AcceptedConnection] = set()
        self.stage = SERVING
        """RETIRING: every response announces that its connection closes. DRAINING: in addition,
        no connection waits for a request."""
        self.now = asyncio.get_running_loop().time

    def tick(self, now: float) -> None:
        """Check every deadline: storing a number per request is cheaper than keeping a queue in
        order."""
        for connection in [c for c in self.connections if c.expires_at <= now]:
            connection.expire()

    def admits(self) -> bool:
        """Say whether one more connection fits the limit, and count it as refused if not."""
        if len(self.connections) < self._max_connections:
            return True
        self.tee.connection_refused()
        return False

    def retire(self) -> None:
        """Let each connection close after a response that announces it; an idle connection stays
        until its timeout."""
        self.stage = RETIRING

    def drain(self) -> None:
        """Close idle connections; the others close at the end of their exchange."""
        self.stage = DRAINING
        for connection in list(self.connections):
            if connection.is_idle:
                connection.close()

    def cut(self) -> None:
        """Abort every connection: their exchanges end as if the downstream had left."""
        for connection in list(self.connections):
            connection.abort()
