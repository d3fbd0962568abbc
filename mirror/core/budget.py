"""How many bytes of a worker the shadow may hold.

Production is never limited here. Beyond a limit the shadow leg is shed, with the reason.
"""

BREAKER_OPEN = "breaker_open"
BODY_TOO_LARGE = "body_too_large"
BUFFER_FULL = "buffer_full"
WAITING_FULL = "waiting_full"
DOWNSTREAM_LOST = "downstream_lost"

PIECE_BYTES = 96
"""Overhead of one piece of a body: a client may send one byte at a time."""
LEG_BYTES = 1024
"""Overhead of one leg in addition to its request."""
CONNECTION_BYTES = 16 << 10
TLS_CONNECTION_BYTES = 320 << 10
"""Cost of a connection to the shadow. Measured: 2.7 kB, or 50 kB with TLS, while it awaits an
answer; uvloop lets the buffer of TLS data grow to 256 KiB."""
DOWNSTREAM_BYTES = 8 << 10
"""Cost of a connection from a client. Measured: 4 kB, with its parser and its place in the loop."""
FIELD_BYTES = 128
"""Cost of a field beyond its bytes: two objects of 33 bytes and their places, as allocated."""


def head_bytes(max_head_bytes: int, most_fields: int) -> int:
    """Return the most bytes that an incomplete head holds.

    Its bytes count twice: as received, to read it again if the parser refuses it, and as fields.
    """
    return 2 * max_head_bytes + most_fields * FIELD_BYTES


def heads_ceiling_bytes(connections: int, head_bytes: int) -> int:
    """Return the most bytes that clients can make a worker hold by heads that they do not end."""
    return connections * (DOWNSTREAM_BYTES + head_bytes)


def ceiling_bytes(
    buffer_bytes: int, connections: int, most_legs: int, is_tls: bool, head_bytes: int
) -> int:
    """Return the most bytes that the shadow can make a worker hold, whatever the shadow does.

    Requests count twice: their pieces are still held while they are joined for a leg, and the
    transport holds them while the shadow does not read. `most_legs` counts legs in flight and
    waiting. tests/conformance/test_memory_ceiling.py compares a worker with this ceiling.
    """
    connection_bytes = TLS_CONNECTION_BYTES if is_tls else CONNECTION_BYTES
    per_connection = connection_bytes + head_bytes
    return 2 * buffer_bytes + connections * per_connection + most_legs * LEG_BYTES


class ByteBudget:
    """The bytes of requests that are held for the shadow: being read, waiting or in flight."""

    __slots__ = ("ceiling_bytes", "held_bytes")

    def __init__(self, ceiling_bytes: int) -> None:
        self.ceiling_bytes = ceiling_bytes
        self.held_bytes = 0

    def admit(self, size_bytes: int) -> bool:
        """Reserve `size_bytes`; return False, and reserve nothing, where they do not fit."""
        if self.held_bytes + size_bytes > self.ceiling_bytes:
            return False
        self.held_bytes += size_bytes
        return True

    def release(self, size_bytes: int) -> None:
        self.held_bytes -= size_bytes
