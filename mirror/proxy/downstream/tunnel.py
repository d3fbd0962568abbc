"""Two connections that speak another protocol after an upgrade: bytes pass through uninterpreted.

Each side gets the bytes of the other at once. If one side does not take them, the other is no
longer read. The end of one direction (half-close) is passed on where the transport supports it. The
previous owners of the connections are told when they are lost, and clean up.
"""

import asyncio


def join(
    client: tuple[asyncio.Transport, asyncio.BaseProtocol],
    other: tuple[asyncio.Transport, asyncio.BaseProtocol],
) -> None:
    """Write everything that arrives at one of the two transports to the other, from now on."""
    sides = _Side(client[1], other[0]), _Side(other[1], client[0])
    for (transport, _), side, opposite in zip((client, other), sides, reversed(sides), strict=True):
        side.opposite = opposite
        transport.set_protocol(side)
        transport.resume_reading()


class _Side(asyncio.Protocol):
    """One direction: everything that arrives here is written to `peer`."""

    __slots__ = ("_has_ended", "_owner", "_peer", "opposite")

    opposite: "_Side"

    def __init__(self, owner: asyncio.BaseProtocol, peer: asyncio.Transport) -> None:
        self._owner = owner
        self._peer = peer
        self._has_ended = False

    def data_received(self, data: bytes) -> None:
        if not self._peer.is_closing():
            self._peer.write(data)

    def eof_received(self) -> bool:
        """Return False to close this connection: nothing is left, or half-close is impossible."""
        self._has_ended = True
        if self._peer.is_closing():
            return False
        if self.opposite._has_ended:
            self._peer.close()  # both directions have ended, and no transport closes by itself
            return False
        if self._peer.can_write_eof():
            self._peer.write_eof()
            return True
        return False

    def pause_writing(self) -> None:
        if not self._peer.is_closing():
            self._peer.pause_reading()

    def resume_writing(self) -> None:
        if not self._peer.is_closing():
            self._peer.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.connection_lost(exc)
