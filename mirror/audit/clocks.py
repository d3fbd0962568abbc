"""How far the clocks of two hosts are apart, from the times of the same requests in two logs.

With ids, the median of the differences is an estimate that one slow request does not move. Without
ids only the shapes of two series can be compared: where one fits the other better when it is
shifted, that is a doubt and no proof, because every minute of steady traffic looks like the next.
"""

from array import array
from dataclasses import dataclass
from math import sqrt
from statistics import median

MOST_SAMPLES = 10_000
"""Differences that are kept of each pair of logs."""
APART_S = 1.0
"""Clocks that differ by less put a request into the neighbouring second at most."""

_MOST_LAG_S = 60
_MOST_COMPARED_S = 3600
_LEAST_CORRELATION = 0.5
_LEAST_GAIN = 0.2
"""A shift counts if the shapes agree that well with it, and by so much better than without."""


@dataclass(frozen=True, slots=True)
class Offset:
    """How much later the other log is, in seconds."""

    seconds: float
    samples: int

    @property
    def is_apart(self) -> bool:
        return abs(self.seconds) >= APART_S


def offset_of(differences: list[float]) -> Offset | None:
    """Return the median difference; None without any."""
    return Offset(median(differences), len(differences)) if differences else None


def lag_by_shape(logged: "array[int]", seen: "array[int]") -> int | None:
    """Return by how many seconds `seen` seems to lag behind `logged`; None where it does not.

    A negative lag says that it is ahead. Pearson's correlation is compared for every shift of up to
    a minute, over the first hour.
    """
    size = min(len(logged), _MOST_COMPARED_S)
    if size < 4 * _MOST_LAG_S:
        return None
    inner = logged[_MOST_LAG_S : size - _MOST_LAG_S]
    if min(inner) == max(inner):
        return None
    scores = {
        lag: _correlation(inner, seen[_MOST_LAG_S + lag : size - _MOST_LAG_S + lag])
        for lag in range(-_MOST_LAG_S, _MOST_LAG_S + 1)
    }
    best = max(scores, key=lambda lag: (scores[lag], -abs(lag)))
    is_clear = scores[best] >= _LEAST_CORRELATION and scores[best] - scores[0] >= _LEAST_GAIN
    return best if is_clear and abs(best) > APART_S else None


def _correlation(left: "array[int]", right: "array[int]") -> float:
    size = len(left)
    mean_left, mean_right = sum(left) / size, sum(right) / size
    product = sum(x * y for x, y in zip(left, right, strict=True)) / size - mean_left * mean_right
    spread_left = sum(x * x for x in left) / size - mean_left**2
    spread_right = sum(y * y for y in right) / size - mean_right**2
    if spread_left <= 0 or spread_right <= 0:
        return 0.0
    return product / sqrt(spread_left * spread_right)
