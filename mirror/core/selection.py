"""Which requests get a shadow leg, and how many.

The ratio is kept by an integer accumulator: reproducible, exact over any run of requests, and free
of the clusters that a random draw has. Above 1 a request gets several legs (amplification).
"""

from collections.abc import Collection

from mirror.core.request_head import RequestHead

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

    def choose(self, head: RequestHead) -> int | str:
        """How many shadow legs this request gets, or why it gets none."""
        if head.method not in self._methods:
            return METHOD
        if head.upgrade:
            return UPGRADE
        legs, self._accumulated = divmod(self._accumulated + self._step, _PARTS)
        return legs or RATIO
