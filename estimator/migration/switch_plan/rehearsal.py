"""The steps of a switch, simulated over every recorded week with the HPA of each component.

    demand(t) = (share(t) * recorded(t - k weeks) + served(t - k weeks)) * factor
    share(t)  = 0 before the first step

once with minReplicas raised for each step (planned), and once with the HPA left as it is (alone).
`alone` is what flagger and picchu ran into: the new side stands at its minimum, because nobody
asked it for more, and the step arrives faster than pods start (fluxcd/flagger#1209,
Medium/picchu#648). Both serve the same requests, so the difference is what the raised minimum does.
Copies of the mirror are not in it: the pins count the hours in which they come (plan.py).

Seconds at saturation (simulation.py) are counted in the step in which they pass, and in the hour
after the last one, in which the minimum is as it was. The most of all weeks counts, for each step
and in all, so the sum over the steps may exceed the total.

| symbol | meaning | unit |
|---|---|---|
| recorded | demand of the component's moving routes at the same time of the week | requests/s |
| served | the same of its routes that the new side serves already | requests/s |
| factor | averaging window, growth and event (demand/scenario.py) | fraction |

Worked: replicas that take 100 rps each and use 1 % of their request per rps, at most 150 %; an HPA
from 2 at 50 %; pods that start in 60 s. A step from 0 to 1000 rps finds 2 replicas. After 30 s the
loop has measured it and asks for 6, which are ready after 90 s. With them it asks for 12, which are
ready after 150 s: 150 s at saturation. With a minimum of 20 there are none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from estimator.migration.switch_plan.timetable import Timetable
from estimator.model.autoscaling.simulation import SYNC_S, HpaLoop, HpaRun, Load, Pod, simulate
from estimator.model.demand.hours import is_seen, same_times
from estimator.model.demand.scenario import Observed

AFTER_S = 3_600
"""How long after the last step the simulation goes on."""


@dataclass(frozen=True, slots=True, eq=False)
class Switched:
    """One component and the traffic that moves to it."""

    observed: Observed
    factor: float
    """The expected over the recorded demand."""
    pod: Pod
    loop: HpaLoop
    """The HPA that nobody changes."""
    released: int
    """The minimum after the last step, or the count where there is no HPA."""
    pins: tuple[int, ...]
    """The raised minimum of each step."""
    lead_s: float
    """How long before a step its minimum is raised."""
    has_hpa: bool = True
    """False: the plan sets the count itself, and nothing adds to it."""
    served: Observed | None = None
    """What the new side serves already."""


@dataclass(frozen=True, slots=True)
class Saturated:
    """Seconds in which a replica was beyond its performance limit."""

    steps: tuple[int, ...]
    """In each step, the most of all weeks."""
    after: int
    """In the hour after the last step."""
    total: int
    """From the first step on, the most of all weeks."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the simulation of one component showed."""

    planned: Saturated
    alone: Saturated
    times: int
    """Recorded weeks, or days, that it ran over."""
    days: int
    """How far apart they are: 7, or 1 where no week was recorded."""


@dataclass(frozen=True, slots=True)
class Worst:
    """The most of all components, by step and in all: they may be saturated in the same seconds."""

    alone: Saturated
    planned: Saturated
    named: str
    """The component with the most seconds, planned or otherwise alone."""


def worst_of(rehearsals: Sequence[tuple[str, Rehearsal]]) -> Worst | None:
    """Return the most of all components, which come with their names; None without any."""
    if not rehearsals:
        return None
    named, _ = max(rehearsals, key=lambda pair: (pair[1].planned.total, pair[1].alone.total))
    return Worst(
        alone=_most([rehearsal.alone for _, rehearsal in rehearsals]),
        planned=_most([rehearsal.planned for _, rehearsal in rehearsals]),
        named=named,
    )


def _most(each: Sequence[Saturated]) -> Saturated:
    steps = zip(*(saturated.steps for saturated in each), strict=True)
    return Saturated(
        tuple(max(seconds) for seconds in steps),
        max(saturated.after for saturated in each),
        max(saturated.total for saturated in each),
    )


def rehearse(part: Switched, timetable: Timetable, days: int = 7) -> Rehearsal | None:
    """Return the seconds at saturation with and without raised minima; None if no week is recorded.

    `days` is how far apart the recorded times are: 7, or 1 where no week was recorded.
    """
    whole = timetable.whole
    seconds = [
        second
        for second in same_times(part.observed, whole, days)
        if is_seen(part.observed, second, whole.duration_s)
    ]
    if not seconds:
        return None
    loads = [_load(part, second, timetable) for second in seconds]
    loop, minima = _planned_loop(part), _minima(part, timetable)
    planned = [simulate(load, part.pod, loop, minima) for load in loads]
    alone = [simulate(load, part.pod, part.loop) for load in loads]
    return Rehearsal(
        _saturated(planned, seconds, timetable),
        _saturated(alone, seconds, timetable),
        len(seconds),
        days,
    )


def _lead_s(part: Switched) -> int:
    """Return the lead in whole syncs, so that a step begins with one."""
    return math.ceil(part.lead_s / SYNC_S) * SYNC_S


def _before_s(part: Switched) -> int:
    """Return how long before the first step the simulation begins: a sync before its pin."""
    return _lead_s(part) + SYNC_S


def _planned_loop(part: Switched) -> HpaLoop:
    loop = part.loop
    most = max(loop.max_replicas, part.released, *part.pins)
    # Without an HPA nothing may add replicas: no utilisation reaches this target.
    target = loop.target if part.has_hpa else math.inf
    return HpaLoop(
        loop.min_replicas, most, target, loop.scrape_s, loop.pod_start_s, loop.stabilisation_s
    )


def _load(part: Switched, second: int, timetable: Timetable) -> Load:
    """Return the demand from before the first step to the hour after, for one recorded week."""
    observed, before_s = part.observed, _before_s(part)
    # No coarser than a sync, so that a step begins where it should.
    step_s = min(observed.resolution_s, SYNC_S)
    since = np.arange(-before_s, timetable.end - timetable.start + AFTER_S, step_s)
    recorded = _recorded(observed, second + since)
    number = np.minimum(since // timetable.hold_s, len(timetable.percents) - 1)
    share = np.where(since < 0, 0.0, np.array(timetable.percents)[number] / 100)
    demand = np.where(since < 0, 0.0, recorded * share)
    if part.served is not None:
        demand = demand + _recorded(part.served, second + since)
    return Load(demand * part.factor, second - before_s, step_s)


def _recorded(observed: Observed, seconds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the demand at these Unix times; NaN where none was recorded."""
    place = (seconds - observed.start) // observed.resolution_s
    is_recorded = (place >= 0) & (place < len(observed.demand))
    recorded = np.full(len(seconds), np.nan)
    recorded[is_recorded] = observed.demand[place[is_recorded]]
    return recorded


def _minima(part: Switched, timetable: Timetable) -> list[int]:
    """Return minReplicas at each sync: raised one lead before each step, lowered after the last."""
    lead_s = _lead_s(part)
    end = timetable.end - timetable.start
    steps = len(part.pins)
    minima = [part.loop.min_replicas]
    for since in range(-lead_s, end + AFTER_S, SYNC_S):
        step = min(steps - 1, (since + lead_s) // timetable.hold_s)
        minima.append(part.released if since >= end else part.pins[step])
    return minima


def _saturated(runs: Sequence[HpaRun], seconds: Sequence[int], timetable: Timetable) -> Saturated:
    """Return the seconds at saturation of one run for each week, which begins at its second."""
    steps = len(timetable.percents)
    by_week = np.zeros((len(runs), steps + 1), dtype=np.int64)
    for week, (run, start) in enumerate(zip(runs, seconds, strict=True)):
        edges = [start + step * timetable.hold_s for step in range(steps + 1)]
        edges.append(edges[-1] + AFTER_S)
        for stretch in run.saturations:
            last = stretch.second + stretch.duration_s
            for part, (begin, end) in enumerate(pairwise(edges)):
                by_week[week, part] += max(0, min(last, end) - max(stretch.second, begin))
    highest = by_week.max(axis=0).tolist()
    return Saturated(tuple(highest[:steps]), highest[steps], int(by_week.sum(axis=1).max()))
