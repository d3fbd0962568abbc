"""The open pages that get events: few, each served the newest event, and cut when they do not read.

An event is encoded once and written to each viewer. While a viewer is slow it misses events, so it
holds at most one of each kind, and nobody waits for it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

MOST_VIEWERS = 8
LONGEST_WRITE_S = 10.0
"""A viewer that takes nothing for so long is cut."""
_SEND_BUFFER_BYTES = 1 << 16
"""The kernel's own would hold minutes of events for a viewer that does not read."""


class Viewers:
    """Everyone who watches; `publish` wakes them all."""

    def __init__(self) -> None:
        self._seated: set[asyncio.Transport] = set()
        self._published = asyncio.Event()
        self._is_closed = False

    @property
    def number(self) -> int:
        """How many are there; one that has gone gives its seat back at once."""
        return sum(not transport.is_closing() for transport in self._seated)

    def publish(self) -> None:
        """Let every viewer that waits fetch the newest event."""
        self._published.set()
        self._published = asyncio.Event()

    def close(self) -> None:
        """End every stream."""
        self._is_closed = True
        self.publish()

    @property
    def is_full(self) -> bool:
        return self.number >= MOST_VIEWERS

    @contextmanager
    def seat(self, transport: asyncio.Transport) -> Iterator[None]:
        """Count a viewer while it is served."""
        self._seated.add(transport)
        try:
            yield
        finally:
            self._seated.remove(transport)

    async def serve(
        self,
        transport: asyncio.Transport,
        write: Callable[[bytes], Awaitable[None]],
        newest: Callable[[], Sequence[bytes]],
    ) -> None:
        """Write to one viewer until it goes, is too slow, or the port closes.

        `newest` returns the newest event of each kind. An event that this viewer already has is
        not written again.
        """
        transport.set_write_buffer_limits(high=_SEND_BUFFER_BYTES)
        if (connection := transport.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        written: Sequence[bytes] = ()
        try:
            while not self._is_closed and not transport.is_closing():
                published, events = self._published, newest()
                for event in events:
                    if not any(event is each for each in written):
                        async with asyncio.timeout(LONGEST_WRITE_S):
                            await write(event)
                written = events
                await published.wait()
        except TimeoutError:
            transport.abort()
        except ConnectionError:
            pass
