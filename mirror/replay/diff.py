"""Compares two results: how much slower or worse the second is, and whether that is noise.

The noise of a percentile is that of its rank. Of n requests, n q +- z sqrt(n q (1 - q)) lie below
the q-quantile, and the values at these two ranks bound it, whatever the distribution (David and
Nagaraja, Order Statistics, 7.1). Wilson's interval (1927) bounds a share of errors. Each bound
holds with 97.5 % confidence, so the ratio of two numbers lies between the quotients of their bounds
with at least 95 %. A difference is beyond noise where this interval does not contain 1.

The interval assumes independent requests. Neighbours in time are not independent, so two runs of
one system may differ by more. Measure again where a difference is only a few percent beyond noise.
"""

import math
from dataclasses import dataclass

from mirror.errors import InputError
from mirror.formats.replay_result import PartResult, ReplayResult
from mirror.replay.measurement import Histogram
from mirror.replay.result import measure_of

RATIOS = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
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
    """`total`, or the rate of a step."""
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


def compare(before: ReplayResult, after: ReplayResult) -> list[Difference]:
    """Compare latency from the intended start, and errors: in total, and by step at one rate.

    Raises InputError if one of the results is invalid.
    """
    for name, result in (("first", before), ("second", after)):
        if not result.is_valid:
            raise InputError(f"the {name} result is invalid: {result.invalid_reason}")
    pairs: list[tuple[str, PartResult, PartResult]] = [("total", before, after)]
    if len(before.steps) > 1:
        pairs += [
            (f"{step.rate_rps:g} rps", step, other)
            for step, other in zip(before.steps, after.steps, strict=False)
            if step.rate_rps is not None and step.rate_rps == other.rate_rps
        ]
    differences = []
    for where, part, other in pairs:
        differences += _latencies(where, part, other)
        differences.append(Difference(where, "errors", _errors(part), _errors(other)))
    return differences


def _latencies(where: str, before: PartResult, after: PartResult) -> list[Difference]:
    try:
        first, second = (measure_of(part).from_intended for part in (before, after))
    except ValueError as error:
        raise InputError(f"histograms: {error}") from error
    if not first.buckets or not second.buckets:
        return []
    return [
        Difference(
            where, f"{name} ms", bounded_percentile(first, ratio), bounded_percentile(second, ratio)
        )
        for name, ratio in RATIOS.items()
    ]


def bounded_percentile(histogram: Histogram, ratio: float) -> Bounded:
    """Return a percentile in ms of at least one time; above the last rank it has no upper bound."""
    number = sum(histogram.buckets.values())
    spread = Z * math.sqrt(ratio * (1 - ratio) / number)
    low = histogram.percentile_ms(max(ratio - spread, 0.0))
    high = histogram.percentile_ms(ratio + spread) if ratio + spread <= 1 else math.inf
    value = histogram.percentile_ms(ratio)
    assert low is not None and high is not None and value is not None
    return Bounded(value, low, high)


def _errors(part: PartResult) -> Bounded:
    """Return the share of the requests due that did not end with 2xx or 3xx."""
    good = part.outcomes.get("2xx", 0) + part.outcomes.get("3xx", 0)
    due = max(part.due, 1)
    share = 1 - good / due if part.due else 0.0
    middle = (share + Z * Z / (2 * due)) / (1 + Z * Z / due)
    spread = Z * math.sqrt(share * (1 - share) / due + Z * Z / (4 * due * due)) / (1 + Z * Z / due)
    return Bounded(share, max(middle - spread, 0.0), middle + spread)


def _quotient(above: float, below: float) -> float:
    if below > 0:
        return above / below
    return math.inf if above > 0 else 1.0
