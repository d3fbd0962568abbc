"""What the shadow may hold of a worker, in bytes.

Production is never limited here. Over a limit the shadow leg is shed, with the reason.
"""

BREAKER_OPEN = "breaker_open"
BODY_TOO_LARGE = "body_too_large"
BUFFER_FULL = "buffer_full"
WAITING_FULL = "waiting_full"
DOWNSTREAM_LOST = "downstream_lost"


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
