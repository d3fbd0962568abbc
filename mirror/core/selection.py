"""Which requests get a shadow leg, and how many.

The ratio is kept by an integer accumulator: reproducible, exact over any run of requests, and free
of the clusters that a random draw has. Above 1 a request gets several legs (amplification).
"""

from collections.abc import Collection

from mirror.core.http1 import RequestHead

METHOD = "method"
RATIO = "ratio"
UPGRADE = "upgrade"

_PARTS = 1_000_000


class Selector:
    """Decides for one request after the other; one of these for each worker."""

    __slots__ = ("_accumulated", "_methods", "_step")

    def __init__(self, methods: Collection[str], ratio: float) -> None:
        self._methods = frozenset(method.encode() for method in methods)
        self._step = round(ratio * _PARTS)
        self._accumulated = 0

    def refusal(self, head: RequestHead) -> str | None:
        """Why this request may have no shadow leg, or None."""
        if head.method not in self._methods:
            return METHOD
        return UPGRADE if head.wants_upgrade else None

    def copies(self) -> int:
        """How many shadow legs the next eligible request gets; 0 leaves it out by ratio."""
        copies, self._accumulated = divmod(self._accumulated + self._step, _PARTS)
        return copies
