from dataclasses import replace
from datetime import UTC

import numpy as np
import pytest

from estimator.migration.switch_plan.rehearsal import (
    Rehearsal,
    Saturated,
    Switched,
    rehearse,
    worst_of,
)
from estimator.migration.switch_plan.timetable import Timetable
from estimator.model.autoscaling.simulation import HpaLoop, Pod
from estimator.model.demand.scenario import Observed

WEEK = 7 * 86_400
START = 1_700_000_000 // WEEK * WEEK
# Each rps uses 1 % of the request; a replica takes 100 rps.
RPS = np.linspace(0, 150, 151)
POD = Pod(RPS, RPS / 100, 100, 1.0)
LOOP = HpaLoop(2, 40, 0.5, scrape_s=15, pod_start_s=60)
HOLD_S = 1800


def observed(rps: float, weeks: int = 2, resolution_s: int = 15) -> Observed:
    demand = np.full(weeks * WEEK // resolution_s, float(rps))
    return Observed("all routes", demand, START, resolution_s, 1, rps, START)


def switched(rps: float, pins: tuple[int, ...], **more: object) -> Switched:
    part = Switched(observed(rps), 1.0, POD, LOOP, LOOP.min_replicas, pins, lead_s=375)
    return replace(part, **more)  # type: ignore[arg-type]


def timetable(*percents: int) -> Timetable:
    return Timetable(START + 3 * WEEK, HOLD_S, percents, UTC)


def test_worked_step_of_the_docstring() -> None:
    rehearsal = rehearse(switched(1000, (20,)), timetable(100))
    assert rehearsal is not None
    assert (rehearsal.alone.total, rehearsal.planned.total) == (150, 0)
    assert rehearsal.alone.steps == (150,)
    assert rehearsal.times == 2


def test_forty_pods_meet_the_load_of_817() -> None:
    # Medium/picchu#648: 504s while the HPA went from 40 pods to 817, doubling at best.
    loop = HpaLoop(40, 1700, 0.9, scrape_s=15, pod_start_s=60)
    rehearsal = rehearse(switched(73_000, (817,), loop=loop, released=40), timetable(100))
    assert rehearsal is not None
    assert rehearsal.alone.total > 300
    assert rehearsal.planned.total == 0


def test_each_step_counts_its_own_seconds() -> None:
    rehearsal = rehearse(switched(1000, (2, 11, 20)), timetable(10, 50, 100))
    assert rehearsal is not None
    # 100 rps on 2 replicas are no problem, 500 are, and 1000 are again for the 10 replicas of 500.
    assert rehearsal.alone.steps == (0, 90, 0)
    assert rehearsal.alone.total == 90
    assert rehearsal.planned.steps == (0, 0, 0)


def test_minimum_that_is_too_low_is_seen() -> None:
    # Three replicas take 300 rps until the HPA has added some.
    rehearsal = rehearse(switched(1000, (3,)), timetable(100))
    assert rehearsal is not None
    assert rehearsal.planned.total > 60


def test_count_without_an_hpa_is_added_to_by_nobody() -> None:
    part = switched(1000, (3,), has_hpa=False, released=20)
    rehearsal = rehearse(part, timetable(100))
    assert rehearsal is not None
    # All of the hold; 15 s after it the count of 20 is asked for, and 60 s later it is ready.
    assert rehearsal.planned.steps == (HOLD_S,)
    assert rehearsal.planned.after == 60


def test_worst_week_counts() -> None:
    part = switched(1000, (20,))
    part.observed.demand[: WEEK // 15] = 100.0
    rehearsal = rehearse(part, timetable(100))
    assert rehearsal is not None
    assert (rehearsal.alone.total, rehearsal.alone.steps, rehearsal.times) == (150, (150,), 2)


def test_growth_reaches_the_simulation() -> None:
    rehearsal = rehearse(switched(100, (2,), factor=10.0), timetable(100))
    assert rehearsal is not None
    assert rehearsal.alone.total == 150


@pytest.mark.parametrize("resolution_s", [1, 10, 60])
def test_resolution_does_not_change_the_story(resolution_s: int) -> None:
    series = observed(1000, resolution_s=resolution_s)
    rehearsal = rehearse(switched(1000, (20,), observed=series), timetable(100))
    assert rehearsal is not None
    assert rehearsal.alone.total == pytest.approx(150, abs=15)
    assert rehearsal.planned.total == 0


def test_time_that_was_not_recorded_is_not_simulated() -> None:
    part = switched(1000, (20,), observed=observed(1000, weeks=1))
    part.observed.demand[:] = np.nan
    assert rehearse(part, timetable(100)) is None


def test_minimum_is_raised_ahead_of_each_step() -> None:
    # With a lead of 15 s the pods, which start in 60 s, come 45 s after the step.
    late = rehearse(switched(1000, (20,), lead_s=15.0), timetable(100))
    assert late is not None
    assert late.planned.total == 45


def test_components_are_not_added_up() -> None:
    nothing = Saturated((0, 0), 0, 0)
    gateway = Rehearsal(nothing, Saturated((90, 10), 0, 100), 2, 7)
    pod = Rehearsal(nothing, Saturated((20, 60), 5, 85), 2, 7)
    worst = worst_of([("gateway", gateway), ("pod", pod)])
    assert worst is not None
    assert (worst.alone, worst.planned) == (Saturated((90, 60), 5, 100), nothing)
    assert worst.named == "gateway"
    assert worst_of([]) is None


def test_what_is_served_already_counts_before_the_first_step() -> None:
    # 900 rps keep 18 replicas running, which take the 800 of the step too.
    busy = rehearse(switched(800, (20,), served=observed(900)), timetable(100))
    assert busy is not None and busy.alone.total == 0
    alone = rehearse(switched(800, (20,)), timetable(100))
    assert alone is not None and alone.alone.total > 0
