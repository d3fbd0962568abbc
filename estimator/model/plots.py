"""The data of every plot: arrays thinned to a bounded number of points, with extremes kept.

A month of ten-second buckets has 259,200 points; a page needs a thousand. Each bin keeps its
highest value and its mean, never a sample from the middle, so thinning loses no peak. Gaps stay
gaps (NaN). The report draws these arrays and computes nothing.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MOST_POINTS = 1_000
"""Most points of one curve over time: more than a plot has pixels, fewer than burden a page."""


@dataclass(frozen=True, slots=True)
class MarkedPeak:
    """A peak to mark in a plot."""

    second: int
    """Unix time of the start of its bucket."""
    rps: float
    label: str
    """`highest`, or `highest of 2026-11-03`."""


@dataclass(frozen=True, slots=True, eq=False)
class DemandPlot:
    """Rps over time, as observed (before growth and events)."""

    start: int
    """Unix time of the first bin."""
    bin_s: float
    highest_rps: Floats
    """Shape (bins,); NaN if nothing was observed."""
    mean_rps: Floats
    peaks: tuple[MarkedPeak, ...]
    """The highest peak of all, and the peaks of the ten highest days."""


@dataclass(frozen=True, slots=True)
class PlottedRow:
    """A row of the table in the plot of a load curve."""

    row: int
    rps: float
    """Per replica."""
    value: float
    """Millicores, or ms."""
    verdict: str
    """`ok` or the rule that excluded it."""
    is_used: bool


@dataclass(frozen=True, slots=True, eq=False)
class CurvePlot:
    """A load curve with its bounds, its rows and its range."""

    quantity: str
    """`cpu of <container>` or `p99`."""
    unit: str
    """`millicores` or `ms`."""
    rps: Floats
    """Shape (n,), per replica, from 0 to the limit of extrapolation."""
    value: Floats
    low: Floats
    """NaN if there is no interval."""
    high: Floats
    lowest_row_rps: float
    highest_row_rps: float
    """Beyond it the curve is extrapolated: draw it dashed."""
    rows: tuple[PlottedRow, ...]
    budget: float | None
    """The horizontal line that must not be crossed: target utilisation x request, or the SLO."""
    chosen_rps: float | None
    """The vertical line: rps per replica at the peak."""


@dataclass(frozen=True, slots=True, eq=False)
class ReplicasPlot:
    """Replicas and utilisation over time in the simulated control loop."""

    start: int
    bin_s: float
    replicas: Floats
    """Ready replicas, the lowest of each bin."""
    desired: Floats
    """Replicas that the HPA wanted, the highest of each bin."""
    utilisation: Floats
    """Cpu used over cpu requested (may exceed 1), of what the HPA reads, the highest of each
    bin."""
    saturated: NDArray[np.bool_]
    """Whether in some second of the bin a replica was beyond its performance limit."""


def thin(values: Floats, most: int = MOST_POINTS) -> tuple[Floats, Floats, int]:
    """Return the highest and the mean of each bin, and the number of values in a bin.

    NaN values are ignored; a bin of only NaN is NaN. Worked: 1, 5, 2, 2 in two bins has the highest
    values 5, 2 and the means 3, 2, with 2 values in a bin.
    """
    width = max(1, -(-len(values) // most))
    bins = -(-len(values) // width)
    padded = np.full(bins * width, np.nan)
    padded[: len(values)] = values
    table = padded.reshape(bins, width)
    is_seen = ~np.isnan(table)
    count = is_seen.sum(axis=1)
    highest = np.where(is_seen, table, -np.inf).max(axis=1)
    total = np.where(is_seen, table, 0.0).sum(axis=1)
    empty = count == 0
    highest[empty] = np.nan
    mean = np.divide(total, count, out=np.full(bins, np.nan), where=~empty)
    return highest, mean, width
