"""Collects the writes of one turn of the event loop and does them together.

A write to a sleeping peer wakes it, which costs more than the write itself (see the profile in
benchmarks/README.md). Of several writes in a row only the first wakes a peer. A worker therefore
keeps the small writes of a turn and does them together: after MOST_WRITES of them or at the end of
the turn, whichever comes first. No write waits longer than it takes to read that many requests, and
under light load no write waits at all.
"""

import asyncio

MOST_WRITES = 16
DIRECT_BYTES = 8192
"""A larger write is done at once, because keeping it would hold memory."""


class Outbox:
    """The writes that wait for the end of the turn; with `most_writes` 1 none waits."""

    __slots__ = ("_call_soon", "_kept", "_most_writes")

    def __init__(self, most_writes: int = MOST_WRITES) -> None:
        self._most_writes = most_writes
        self._kept: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._call_soon = asyncio.get_running_loop().call_soon

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write to a transport within this turn. Call `flush` before you close a transport."""
        kept = self._kept
        kept.append((transport, data))
        count = len(kept)
        if count >= self._most_writes or len(data) >= DIRECT_BYTES:
            self.flush()
        elif count == 1:
            self._call_soon(self.flush)

    def flush(self) -> None:
        """Do all kept writes in their order; skip those to closed transports."""
        kept = self._kept
        if kept:
            self._kept = []
            for transport, data in kept:
                if not transport.is_closing():
                    transport.write(data)
