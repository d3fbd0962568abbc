"""Compares two results: how much slower or worse the second is, and whether that is noise.

mirror/noise.py says what is noise. Wilson's interval (1927) bounds a share of errors, with the same
confidence.
"""

import math

from mirror.errors import InputError
from mirror.formats.replay_result import PartResult, ReplayResult
from mirror.noise import Bounded, Difference, Z, bounded_percentile
from mirror.replay.measurement import Histogram
from mirror.replay.result import measure_of, served_of

RATIOS = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


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
        Difference(where, f"{name} ms", _percentile(first, ratio), _percentile(second, ratio))
        for name, ratio in RATIOS.items()
    ]


def _percentile(histogram: Histogram, ratio: float) -> Bounded:
    return bounded_percentile(histogram.buckets, ratio, histogram.max_us)


def _errors(part: PartResult) -> Bounded:
    """Return the share of the requests due that did not end with 2xx or 3xx."""
    good = served_of(part.outcomes)
    due = max(part.due, 1)
    share = 1 - good / due if part.due else 0.0
    middle = (share + Z * Z / (2 * due)) / (1 + Z * Z / due)
    spread = Z * math.sqrt(share * (1 - share) / due + Z * Z / (4 * due * due)) / (1 + Z * Z / due)
    return Bounded(share, max(middle - spread, 0.0), middle + spread)
