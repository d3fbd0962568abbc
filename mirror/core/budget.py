"""What the shadow may hold of a worker: bytes, and attempts to reach it while it is away.

Production is never limited here. Over a limit the shadow leg is shed, with the reason.
"""

UNAVAILABLE = "unavailable"
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


class Reachability:
    """Back-off after failed connects: while it lasts, legs are shed instead of tried.

    The wait doubles from 0.1 s to 5 s with every failed round and is forgotten by a success.
    """

    FIRST_WAIT_S = 0.1
    LONGEST_WAIT_S = 5.0

    __slots__ = ("_retry_at", "_wait_s")

    def __init__(self) -> None:
        self._wait_s = 0.0
        self._retry_at = 0.0

    @property
    def is_up(self) -> bool:
        return self._wait_s == 0.0

    def admits(self, now: float) -> bool:
        return self._wait_s == 0.0 or now >= self._retry_at

    def connected(self) -> None:
        self._wait_s = 0.0
        self._retry_at = 0.0

    def failed(self, now: float) -> None:
        """Failures of one round (connects that ran side by side) count once."""
        if now < self._retry_at:
            return
        self._wait_s = min(max(self._wait_s * 2, self.FIRST_WAIT_S), self.LONGEST_WAIT_S)
        self._retry_at = now + self._wait_s
