"""The demand that reaches a component: the sum of its routes in the series.

Sums are shared, because several components and phases need the same ones.
"""

from collections.abc import Iterable
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from estimator.errors import Refusal, Refused
from estimator.model.demand.scenario import Observed
from estimator.series.rps import ALL_ROUTES, RpsSeries

MOST_KEPT = 8
"""Most sums of several routes that are kept when nobody holds them; a single route is cheap to read
again."""


class Traffic:
    """The demand of sets of routes in one series."""

    def __init__(self, series: RpsSeries) -> None:
        self.series = series
        self._kept: list[NDArray[np.float64]] = []
        self._known: WeakValueDictionary[tuple[int, ...], NDArray[np.float64]] = (
            WeakValueDictionary()
        )

    def carried(self, routes: Iterable[str], paths: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of a component's routes that are among the paths; all without paths."""
        if not paths:
            return tuple(routes)
        chosen = set(routes)
        return tuple(path for path in paths if ALL_ROUTES in chosen or path in chosen)

    def demand(self, routes: Iterable[str]) -> NDArray[np.float64]:
        """Return `RpsSeries.demand` of these route tags as a read-only array."""
        routes = tuple(routes)
        rows = tuple(self.series.rows_of(routes))
        known = self._known.get(rows)
        if known is not None:
            return known
        total = self.series.demand(routes)
        total.setflags(write=False)
        self._known[rows] = total
        if len(rows) > 1 and len(self._kept) < MOST_KEPT:
            self._kept.append(total)
        return total

    def peak(self, route: str) -> float:
        """Return the highest rps of one route; 0 if it had none."""
        return float(np.nanmax(self.demand([route]), initial=0.0))

    def has(self, routes: tuple[str, ...]) -> bool:
        """Say whether any of these routes had a request."""
        if ALL_ROUTES in routes:
            return True
        return any(self.peak(route) > 0 for route in routes if route in self.series.routes)

    def observed(self, name: str, routes: tuple[str, ...]) -> Observed:
        """Return the demand of these routes. Raises Refused, naming `name`, without a request."""
        series = self.series
        demand = self.demand(routes)
        if not (demand > 0).any():
            reason = f"none of its routes ({', '.join(routes)}) had a request in the series"
            advice = f"The series has the routes {', '.join(series.routes)}; correct its routes, or"
            raise Refused([Refusal(name, reason, f"{advice} leave the component out")])
        place = int(np.nanargmax(demand))
        return Observed(
            what="all routes" if ALL_ROUTES in routes else ", ".join(routes),
            demand=demand,
            start=series.start,
            resolution_s=series.resolution_s,
            averaging_s=series.averaging_s or series.resolution_s,
            peak_rps=float(demand[place]),
            peak_second=series.start + place * series.resolution_s,
        )
