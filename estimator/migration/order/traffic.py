"""How much traffic each path has, from the rps series."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estimator.series.rps import RpsSeries


@dataclass(frozen=True, slots=True)
class Traffic:
    """The traffic of the route tags that move together."""

    peak_rps: float
    """Highest value of the series: a mean over `averaging_s` seconds."""
    peak_second: int | None
    """Unix time of that bucket; None if there was no request."""
    share_ratio: float
    """The share of all requests of the series, from 0 to 1."""
    averaging_s: int = 1
    """A mean over more than a second hides higher seconds."""


def traffic_by_tag(series: RpsSeries) -> dict[str, Traffic]:
    """Return the traffic of every route tag of a series that has observed time."""
    sums: Sequence[float] = np.nansum(series.rps, axis=1).tolist()
    total = sum(sums)
    averaging_s = series.averaging_s or series.resolution_s
    traffic: dict[str, Traffic] = {}
    for tag, requests in zip(series.routes, sums, strict=True):
        peak = series.peak([tag])
        if peak is None or not requests:
            traffic[tag] = Traffic(0.0, None, 0.0, averaging_s)
        else:
            traffic[tag] = Traffic(peak.rps, peak.second, requests / total, averaging_s)
    return traffic
