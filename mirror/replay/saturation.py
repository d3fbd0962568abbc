"""Which rate to try next, to find the highest one that the upstream holds.

Owns the search, and no clock: it doubles until a rate is not held, then halves the gap between the
highest rate held and the lowest not held, on a logarithmic scale.
"""

import math
from dataclasses import dataclass

CLOSE_RATIO = 1.05
"""The search ends where the two rates are this near."""
MOST_STEPS = 40
"""More doublings than that, 100 rps would be 100 million million."""
LEAST_ACHIEVED_RATIO = 0.98
"""Of the offered rate: below it requests pile up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a rate must keep to be held."""

    p99_ms: float | None
    """From the intended start; None: any."""
    error_ratio: float
    """Of the requests due: everything but an answer of 1xx, 2xx, 3xx or 4xx."""

    def broken(self, p99_ms: float | None, error_ratio: float, achieved_ratio: float) -> str | None:
        """What is broken, in words, or None."""
        if error_ratio > self.error_ratio:
            return f"errors {error_ratio:.2%}, the limit is {self.error_ratio:.2%}"
        if achieved_ratio < LEAST_ACHIEVED_RATIO:
            return f"only {achieved_ratio:.1%} of the offered rate was achieved"
        if self.p99_ms is not None and p99_ms is not None and p99_ms > self.p99_ms:
            return f"p99 {p99_ms:.1f} ms, the limit is {self.p99_ms:g} ms"
        return None


class Search:
    """Ask for `next_rps`, tell whether it was held, until that is None."""

    def __init__(self, first_rps: float) -> None:
        self.held_rps: float | None = None
        """Highest rate held; None before one was."""
        self.broken_rps: float | None = None
        """Lowest rate not held."""
        self._first_rps = first_rps
        self._steps = 0

    @property
    def next_rps(self) -> float | None:
        if self._steps == MOST_STEPS:
            return None
        if self.broken_rps is None:
            return self._first_rps if self.held_rps is None else self.held_rps * 2
        if self.held_rps is None:
            # Not even the first: downwards, until one is or the rate is no rate any more.
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
