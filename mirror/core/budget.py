"""What the shadow may hold of a worker, in bytes.

Production is never limited here. Over a limit the shadow leg is shed, with the reason.
"""

BREAKER_OPEN = "breaker_open"
BODY_TOO_LARGE = "body_too_large"
BUFFER_FULL = "buffer_full"
WAITING_FULL = "waiting_full"
DOWNSTREAM_LOST = "downstream_lost"


PIECE_BYTES = 96
"""What a piece of a body costs beside its bytes: a client may send one byte at a time."""
LEG_BYTES = 1024
"""What a leg costs beside its request."""
CONNECTION_BYTES = 16 << 10
TLS_CONNECTION_BYTES = 320 << 10
"""What a connection to the shadow costs: 2.7 and 50 kB while it awaits an answer (measured), and
uvloop lets what it reads of TLS grow to 256 KiB."""


def ceiling_bytes(buffer_bytes: int, connections: int, most_legs: int, is_tls: bool) -> int:
    """What the shadow can make a worker hold, at most, whatever the shadow does.

    The requests count twice: joined for their leg while their pieces are still held, and in the
    transport while the shadow does not read. `most_legs` is of those in flight and waiting.
    tests/conformance/test_memory_ceiling.py holds a worker against it.
    """
    connection_bytes = TLS_CONNECTION_BYTES if is_tls else CONNECTION_BYTES
    return 2 * buffer_bytes + connections * connection_bytes + most_legs * LEG_BYTES


class ByteBudget:
    """Bytes of requests held for the shadow: being read, waiting or in flight."""

    __slots__ = ("ceiling_bytes", "held_bytes")

    def __init__(self, ceiling_bytes: int) -> None:
        self.ceiling_bytes = ceiling_bytes
        self.held_bytes = 0

    def admit(self, size_bytes: int) -> bool:
        """Take `size_bytes`, or take nothing and answer False."""
        if self.held_bytes + size_bytes > self.ceiling_bytes:
            return False
        self.held_bytes += size_bytes
        return True

    def release(self, size_bytes: int) -> None:
        self.held_bytes -= size_bytes
