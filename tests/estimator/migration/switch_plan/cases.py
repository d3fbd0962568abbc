"""The table and the series that the tests of a switch share.

The rows are those of sizing/replicas.py: one replica serves 272.8 rps. The series is two weeks in
buckets of five minutes: 1000 rps from 9:00 to 18:00 UTC, with a rise from 5:00 on, and 50 rps else;
or 1000 rps all the time.
"""

from datetime import UTC, datetime
from functools import cache

import numpy as np

from estimator.migration.order.moves import Move, Routing, Sites, moves_of
from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Attachment, Backend
from estimator.migration.switch_plan.plan import SwitchPlan, Wanted, plan_switch
from estimator.model.policy import Policy
from estimator.series.rps import RpsSeries
from estimator.table.load_points import Component, Kind, LoadPoint, Resources, Table

MONDAY = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
WEEK = 7 * 86_400
STEP_S = 300
TUESDAY_10 = MONDAY + 2 * WEEK + 34 * 3_600
STEPS = (1, 25, 100)
LEAN = Policy(min_replicas=1)
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


@cache
def planned(policy: Policy = LEAN, is_flat: bool = False, at: int = TUESDAY_10) -> SwitchPlan:
    """Return the plan of three steps of half an hour for that series."""
    return plan_switch(recorded(is_flat=is_flat), table(), policy, Wanted(STEPS, 1800, UTC, at))


def moves(routing: Routing | None = Routing.VIRTUAL_SERVICE) -> tuple[Move, ...]:
    """Return the move of the series' route by the gateway's routes, or by Apache."""
    old, new = Backend.of("10.0.0.7:8080"), Backend.of("api.shop:80")
    routes = routing or Routing.VIRTUAL_SERVICE
    sites = Sites(old, new, old, new, Attachment("shop"), routing=routes, percents=STEPS)
    return (moves_of(MovedPath.of("/api/*"), sites)[0 if routing is None else 1],)
