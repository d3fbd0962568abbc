"""What one turn of the event loop writes, written together at its end.

A write to a peer that sleeps wakes it, which costs more than the write itself (the profile in
benchmarks/README.md). Peers that are written to back to back are awake from the
first write on, so a worker keeps the small writes of a turn and does them in one go: after
MOST_WRITES of them, or at the end of the turn, whichever comes first. So nothing waits longer
than it takes to read as many requests, and nothing waits at all where there is little to do.
"""

import asyncio

MOST_WRITES = 16
DIRECT_BYTES = 8192
"""A larger write goes out at once: it has its own work, and would hold memory here."""


class Outbox:
    """The writes that wait for the end of the turn; `most_writes` 1 keeps none."""

    __slots__ = ("_call_soon", "_kept", "_most_writes")

    def __init__(self, most_writes: int = MOST_WRITES) -> None:
        self._most_writes = most_writes
        self._kept: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._call_soon = asyncio.get_running_loop().call_soon

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """As transport.write, soon; whoever closes a transport calls `flush` before."""
        kept = self._kept
        kept.append((transport, data))
        count = len(kept)
        if count >= self._most_writes or len(data) >= DIRECT_BYTES:
            self.flush()
        elif count == 1:
            self._call_soon(self.flush)

    def flush(self) -> None:
        """Do all writes that are kept, in their order; those to closed transports are void."""
        kept = self._kept
        if kept:
            self._kept = []
            for transport, data in kept:
                if not transport.is_closing():
                    transport.write(data)
