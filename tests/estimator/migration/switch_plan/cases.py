"""The table and the series that the tests of a switch share.

The rows are those of sizing/replicas.py: one replica serves 272.8 rps. The series is two weeks in
buckets of a minute: 1000 rps from 9:00 to 18:00 UTC, with a rise from 5:00 on, and 50 rps else; or
1000 rps all the time.
"""

from datetime import UTC, datetime

import numpy as np

from estimator.series.rps import RpsSeries
from estimator.table.load_points import Component, Kind, LoadPoint, Resources, Table

MONDAY = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
WEEK = 7 * 86_400
STEP_S = 60
POINTS = tuple(
    LoadPoint(n, 1, rps, {"app": Resources(rps, 2**27)}, p99_ms=30 + rps / 100, error_ratio=0)
    for n, rps in enumerate((100.0, 300.0, 500.0), 1)
)
REQUESTS = {"app": Resources(500, 2**28)}


def table(*routes: str, kind: Kind = Kind.POD) -> Table:
    return Table("t.yaml", (Component("api", kind, routes or ("/api/_",), REQUESTS, POINTS),))


def recorded(weeks: float = 2, is_flat: bool = False, **others: float) -> RpsSeries:
    """Return the series; `others` are further routes of a steady rps."""
    seconds = np.arange(0, int(weeks * WEEK), STEP_S) % 86_400
    rising = np.interp(seconds / 3600, [5, 9], [50.0, 1000.0])
    rows = [np.where(is_flat, 1000.0, np.where(seconds < 18 * 3600, rising, 50.0))]
    rows += [np.full(len(seconds), rps) for rps in others.values()]
    routes = ("/api/_", *(f"/{name}" for name in others))
    return RpsSeries("a test", MONDAY, STEP_S, routes, np.array(rows), averaging_s=1)
