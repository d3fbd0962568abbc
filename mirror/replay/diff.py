"""Compares two results: how much slower or worse the second is, and whether that is noise.

The noise of a percentile is that of its rank: of n requests, those below the q-quantile number
n q +- z sqrt(n q (1 - q)), and what stands at these two ranks bounds it, whatever the distribution
(David and Nagaraja, Order Statistics, 7.1). A share of errors is bounded by Wilson's interval
(1927). Each holds with 97.5 % confidence, so the ratio of two lies between the quotients of their
bounds with at least 95 %; a difference is beyond noise where 1 lies outside.

That takes requests for independent, which neighbours in time are not: between two runs of the same
system more differs than this sees. A difference within noise is none; one beyond it by a few
percent is to be measured again.
"""

import math
from dataclasses import dataclass

from mirror.errors import InputError
from mirror.formats.replay_result import PartResult, ReplayResult
from mirror.replay.measurement import Histogram
from mirror.replay.result import measure_of

RATIOS = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
Z = 2.2414
"""Of the normal distribution, 97.5 % on both sides."""
RESOLUTION = 1 / 128
"""Width of a histogram's bucket relative to its values: what differs by less is equal."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A number and where it lies with 97.5 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of two results."""

    where: str
    """`total`, or which step."""
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
        """By more than allowed, and not by chance."""
        return self.is_beyond_noise and self.ratio > max_ratio


def compare(before: ReplayResult, after: ReplayResult) -> list[Difference]:
    """Latency from the intended start, and errors: in all and of each step at the same rate.

    Raises InputError where one of them is invalid.
    """
    for name, result in (("first", before), ("second", after)):
        if not result.is_valid:
            raise InputError(f"the {name} result is invalid: {result.invalid_reason}")
    pairs: list[tuple[str, PartResult, PartResult]] = [("total", before, after)]
    if len(before.steps) > 1:
        pairs += [
            (f"{one.rate_rps:g} rps", one, two)
            for one, two in zip(before.steps, after.steps, strict=False)
            if one.rate_rps is not None and one.rate_rps == two.rate_rps
        ]
    found = []
    for where, one, two in pairs:
        found += _latencies(where, one, two)
        found.append(Difference(where, "errors", _errors(one), _errors(two)))
    return found


def _latencies(where: str, before: PartResult, after: PartResult) -> list[Difference]:
    try:
        one, two = (measure_of(part).from_intended for part in (before, after))
    except ValueError as error:
        raise InputError(f"histograms: {error}") from error
    if not one.buckets or not two.buckets:
        return []
    return [
        Difference(where, f"{name} ms", _percentile(one, ratio), _percentile(two, ratio))
        for name, ratio in RATIOS.items()
    ]


def _percentile(histogram: Histogram, ratio: float) -> Bounded:
    """In milliseconds. A rank beyond the last request has no bound."""
    number = sum(histogram.buckets.values())
    spread = Z * math.sqrt(ratio * (1 - ratio) / number)
    low = histogram.percentile_ms(max(ratio - spread, 0.0))
    high = histogram.percentile_ms(ratio + spread) if ratio + spread <= 1 else math.inf
    value = histogram.percentile_ms(ratio)
    assert low is not None and high is not None and value is not None
    return Bounded(value, low, high)


def _errors(part: PartResult) -> Bounded:
    """Requests due without an answer of 2xx or 3xx, as a share."""
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
