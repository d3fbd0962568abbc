"""How the memory of a container goes with rps, and with the order of the rows.

    constant  memory does not follow rps: the largest measured amount stands
    rising    M(x) = max(largest measured, a + b x + r)
    growing   memory follows the order of the rows, whatever their rps: a leak, a cache or a heap

A line a + b x is fitted to the rows by least squares, and r >= 0 is the largest residual above it,
so that no row lies above the result: too little memory ends a process. Memory is rising if the line
rises over the rows by more than a tenth of the largest amount and explains nine tenths of the
variance. It is growing if that is so for the number of the row instead, and rps explains less than
half. (The table has no instants; people write rows in the order of their runs.)

| symbol | meaning | unit |
|---|---|---|
| x | rps per replica | requests/s |
| M | memory of one container of one replica | bytes |

Worked: 100, 300 and 500 MiB at 100, 300 and 500 rps rise by 1 MiB for each rps; M(599) is 599 MiB.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimator.model.evidence.load_curve import isotonic_means

_Floats = NDArray[np.float64]

RISE_RATIO = 0.1
"""Share of the largest amount by which memory must change to follow anything."""
EXPLAINED_RATIO = 0.9
"""Share of the variance that a line must explain."""
UNEXPLAINED_RATIO = 0.5
MIN_LOADS = 3
"""Two points are on a line whatever they are."""


@dataclass(frozen=True, slots=True)
class MemoryCurve:
    """The memory of one container over rps per replica. `follow` makes it."""

    highest_bytes: float
    """The largest measured amount."""
    highest_rps: float
    """The most rps per replica of a row."""
    slope: float
    """Bytes for each rps per replica; 0 unless memory is rising."""
    intercept: float
    grows: bool
    """Whether memory follows the order of the rows instead of rps."""

    @property
    def rises(self) -> bool:
        return self.slope > 0

    def bytes_at(self, rps: float) -> float:
        """Return the memory at this rps per replica; never less than was measured."""
        if not self.rises:
            return self.highest_bytes
        return max(self.highest_bytes, self.intercept + self.slope * rps)


def follow(rps: Sequence[float], memory: Sequence[float]) -> MemoryCurve:
    """Return the curve through the rows, in the order of the table."""
    x, y = np.asarray(rps, float), np.asarray(memory, float)
    highest, end = float(y.max()), float(x.max())
    loads = len(isotonic_means(x, y)[0])
    intercept, slope, explained = _line(x, y)
    spread = float(x.max() - x.min())
    if (
        loads >= MIN_LOADS
        and explained >= EXPLAINED_RATIO
        and slope * spread > RISE_RATIO * highest
    ):
        above = max(0.0, float(np.max(y - intercept - slope * x)))
        return MemoryCurve(highest, end, slope, intercept + above, grows=False)
    order = np.arange(len(y), dtype=float)
    _, growth, by_order = _line(order, y)
    grows = (
        len(y) >= MIN_LOADS
        and by_order >= EXPLAINED_RATIO
        and growth * (len(y) - 1) > RISE_RATIO * highest
        and explained < UNEXPLAINED_RATIO
    )
    return MemoryCurve(highest, end, 0.0, highest, grows)


def _line(x: _Floats, y: _Floats) -> tuple[float, float, float]:
    """Return intercept and slope of the least-squares line, and the share that it explains."""
    dx, dy = x - x.mean(), y - y.mean()
    across, variance = float(np.sum(dx * dx)), float(np.sum(dy * dy))
    if across <= 0 or variance <= 0:
        return float(y.mean()), 0.0, 0.0
    slope = float(np.sum(dx * dy)) / across
    return float(y.mean() - slope * x.mean()), slope, slope * slope * across / variance
