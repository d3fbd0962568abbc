"""Which rate to try next, to find the highest one that the upstream holds.

Owns the search, and no clock. The rate doubles until one is not held; then the gap between the
highest rate held and the lowest rate not held is halved on a logarithmic scale.
"""

import math
from dataclasses import dataclass

CLOSE_RATIO = 1.05
"""The search ends when the two rates differ by less than this factor."""
MOST_STEPS = 40
"""After 40 doublings, 100 rps would be 100 million million."""
LEAST_ACHIEVED_RATIO = 0.98
"""Share of the offered rate below which requests pile up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits within which a rate is held."""

    p99_ms: float | None
    """Highest p99 from the intended start; None: no limit."""
    error_ratio: float
    """Highest share of the requests due that end otherwise than with 1xx to 4xx."""

    def broken(self, p99_ms: float | None, error_ratio: float, achieved_ratio: float) -> str | None:
        """Return which limit is broken, in words, or None."""
        if error_ratio > self.error_ratio:
            return f"errors {error_ratio:.2%}, the limit is {self.error_ratio:.2%}"
        if achieved_ratio < LEAST_ACHIEVED_RATIO:
            return f"only {achieved_ratio:.1%} of the offered rate was achieved"
        if self.p99_ms is not None and p99_ms is not None and p99_ms > self.p99_ms:
            return f"p99 {p99_ms:.1f} ms, the limit is {self.p99_ms:g} ms"
        return None


class Search:
    """Try `next_rps`, `tell` whether it was held, and repeat until it is None."""

    def __init__(self, first_rps: float) -> None:
        self.held_rps: float | None = None
        """Highest rate held so far, or None."""
        self.broken_rps: float | None = None
        """Lowest rate not held so far, or None."""
        self._first_rps = first_rps
        self._steps = 0

    @property
    def next_rps(self) -> float | None:
        if self._steps == MOST_STEPS:
            return None
        if self.broken_rps is None:
            return self._first_rps if self.held_rps is None else self.held_rps * 2
        if self.held_rps is None:
            # Not even the first rate was held: halve it, down to 1 rps.
            return self.broken_rps / 2 if self.broken_rps > 1 else None
        if self.broken_rps <= self.held_rps * CLOSE_RATIO:
            return None
        return math.sqrt(self.held_rps * self.broken_rps)

    def tell(self, rate_rps: float, is_held: bool) -> None:
        self._steps += 1
        if is_held:
            self.held_rps = rate_rps
        else:
            self.broken_rps = rate_rps
