"""How far a measured number may be off by chance, and whether two of them differ beyond that.

The noise of a percentile is that of its rank. Of n requests, n q +- z sqrt(n q (1 - q)) lie below
the q-quantile, and the values at these two ranks bound it, whatever the distribution (David and
Nagaraja, Order Statistics, 7.1). Each bound holds with 97.5 % confidence, so the ratio of two
numbers lies between the quotients of their bounds with at least 95 %. A difference is beyond noise
where this interval does not contain 1.

The interval assumes independent requests. Neighbours in time are not independent, so two runs of
one system may differ by more. Measure again where a difference is only a few percent beyond noise.
"""

import math
from dataclasses import dataclass

from mirror.core.latency import MOST_US, Buckets, percentile_us

Z = 2.2414
"""Quantile of the normal distribution for 97.5 % on both sides."""
RESOLUTION = 1 / 128
"""Relative width of a histogram's bucket: values that differ by less are equal."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A number, and the interval that contains it with 97.5 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of two results."""

    where: str
    """What the numbers are of, such as `total` or the rate of a step."""
    name: str
    before: Bounded
    after: Bounded

    @property
    def ratio(self) -> float:
        return _quotient(self.after.value, self.before.value)

    @property
    def low(self) -> float:
        return _quotient(self.after.low, self.before.high)

    @property
    def high(self) -> float:
        return _quotient(self.after.high, self.before.low)

    @property
    def is_beyond_noise(self) -> bool:
        return self.low > 1 + RESOLUTION or self.high < 1 - RESOLUTION

    def is_worse(self, max_ratio: float) -> bool:
        """Return whether the second is worse by more than `max_ratio`, beyond noise."""
        return self.is_beyond_noise and self.ratio > max_ratio


def bounded_percentile(buckets: Buckets, ratio: float, longest_us: int = MOST_US) -> Bounded:
    """Return a percentile in ms of at least one latency, of which none is above `longest_us`.

    Above the last rank it has no upper bound.
    """
    spread = Z * math.sqrt(ratio * (1 - ratio) / sum(buckets.values()))

    def percentile_ms(share: float) -> float:
        return min(percentile_us(buckets, share), longest_us) / 1000

    high = percentile_ms(ratio + spread) if ratio + spread <= 1 else math.inf
    return Bounded(percentile_ms(ratio), percentile_ms(max(ratio - spread, 0.0)), high)


def _quotient(above: float, below: float) -> float:
    if below > 0:
        return above / below
    return math.inf if above > 0 else 1.0
