"""The rps series, and the demand of a set of routes in it.

Invariant: a gap (nobody looked) is never a zero (nobody came). A bucket in which no route has a
value is a gap. If at least one route has a value, the recorder was alive, so a route without a
value had no request there: Datadog keeps no points for silence.

This module knows nothing of files, HTTP or components.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

ALL_ROUTES = "*"
"""Stands for all routes, `other` included."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest demand of a set of routes, and its time."""

    rps: float
    second: int
    """Unix time of the start of the bucket."""


@dataclass(frozen=True, slots=True, eq=False)
class KnownSeconds:
    """The seconds of some buckets, for which a source was queried at a finer resolution."""

    start: int
    """Unix time of the start of a bucket."""
    rps: NDArray[np.float64]
    """Shape (routes, seconds) over whole buckets; NaN if a route has no value."""


@dataclass(frozen=True, slots=True, eq=False)
class RpsSeries:
    """Requests per second by route, on a regular grid of buckets."""

    source: str
    """The source in words, for the report."""
    start: int
    """Unix time of the first bucket."""
    resolution_s: int
    routes: tuple[str, ...]
    """Route tags, in the order of the rows of `rps`."""
    rps: NDArray[np.float64]
    """Shape (routes, buckets); NaN if a route has no value."""
    averaging_s: int | None = None
    """Each value is a mean over this many seconds, or the highest such mean in its bucket; None
    means the whole bucket."""
    caveats: tuple[str, ...] = ()
    """What this source cannot know; the report lists it among its assumptions."""
    repairs: tuple[str, ...] = ()
    """What was wrong in the source and was corrected in `rps`, each with its count; the report
    lists it among its assumptions."""
    warnings: tuple[str, ...] = ()
    """What a reader has to know before any number, such as lines that were left out; the report
    says it first. A warning does not lower the confidence."""
    doubts: tuple[str, ...] = ()
    """Why no answer from this series must be relied on alone, such as lines that were left out; any
    of them makes the confidence low."""
    details: tuple[KnownSeconds, ...] = ()
    """Buckets of maxima whose seconds are known. There, the demand of several routes is the highest
    sum and not the sum of their maxima."""
    is_observed: NDArray[np.bool_] = field(init=False, repr=False)
    """Shape (buckets,); False in gaps."""

    def __post_init__(self) -> None:
        self.rps.setflags(write=False)  # a later change would not reach `is_observed`
        object.__setattr__(self, "is_observed", ~np.isnan(self.rps).all(axis=0))

    @property
    def duration_s(self) -> int:
        """Time from the start of the first bucket to the end of the last."""
        buckets: int = self.rps.shape[1]
        return buckets * self.resolution_s

    @property
    def observed_s(self) -> int:
        """Duration without gaps."""
        return int(self.is_observed.sum()) * self.resolution_s

    @property
    def completeness_ratio(self) -> float:
        """Observed time divided by duration, from 0 to 1."""
        return self.observed_s / self.duration_s if self.duration_s else 0.0

    def demand(self, routes: Iterable[str]) -> NDArray[np.float64]:
        """Return the rps of these route tags together, shape (buckets,); NaN in gaps.

        `*` stands for all routes. Tags that the series does not have add nothing.
        """
        rows = self.rows_of(routes)
        total = np.zeros(self.rps.shape[1])
        # Row by row: memory holds one sum beside the series, whatever the number of routes.
        for row in rows:
            np.add(total, self.rps[row], out=total, where=~np.isnan(self.rps[row]))
        total[~self.is_observed] = np.nan
        self._refine(total, rows)
        return total

    def rows_of(self, routes: Iterable[str]) -> list[int]:
        """Return the rows of `rps` that these route tags stand for, in ascending order."""
        tags = set(routes)
        return [row for row, route in enumerate(self.routes) if ALL_ROUTES in tags or route in tags]

    def _refine(self, total: NDArray[np.float64], rows: list[int]) -> None:
        """Replace sums of maxima over these rows in `total` by the maxima of sums in `details`."""
        for detail in self.details:
            seconds = detail.rps[rows]
            peaks = np.nansum(seconds, axis=0).reshape(-1, self.resolution_s).max(axis=1)
            is_known = ~np.isnan(seconds).all(axis=0).reshape(-1, self.resolution_s).all(axis=1)
            places = (detail.start - self.start) // self.resolution_s + np.arange(len(peaks))
            is_known &= (places >= 0) & (places < len(total))
            places, peaks = places[is_known], peaks[is_known]
            is_observed = ~np.isnan(total[places])
            total[places[is_observed]] = peaks[is_observed]

    def peak(self, routes: Iterable[str]) -> Peak | None:
        """Return the highest bucket of `demand`, the first of equals; None without observed time.

        This is the maximum of the sum and not the sum of the maxima, because routes that peak in
        different seconds do not need their capacity at once.
        """
        demand = self.demand(routes)
        if np.isnan(demand).all():
            return None
        index = int(np.nanargmax(demand))
        return Peak(rps=float(demand[index]), second=self.start + index * self.resolution_s)
