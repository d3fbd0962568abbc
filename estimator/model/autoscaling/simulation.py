"""A simulated HPA control loop over a measured series.

Every `sync_s` (15 s) the loop reads cpu of the ready replicas, as metrics-server last measured it,
and asks for

    ratio   = utilisation(rps seen / ready) / target
    desired = replicas                 where |ratio - 1| <= tolerance (0.1)
    desired = ceil(ratio * ready)      otherwise; while replicas start and ratio > 1, those count
                                       with no usage, and nothing happens within the tolerance
    up      = at most max(replicas * (1 + up_percent), replicas + up_pods) a period
    down    = the highest desired of the last `stabilisation_s` (300 s)

within minReplicas and maxReplicas; a new replica serves `pod_start_s` after it was asked for.
Replicas that are beyond their limit are **saturated**; what they cannot serve is not queued, so the
next second begins anew. Gaps of the series hold the last value and count as neither.

| symbol | meaning | unit |
|---|---|---|
| utilisation | cpu used over cpu requested, all containers | fraction |
| seen | mean demand over a scrape interval, as old as one | requests/s |
| limit | rps that the busiest replica can take | requests/s |

Worked: 10 replicas, target 0.5, utilisation 0.9: ratio 1.8, desired 18. At 0.55 nothing happens.

Source: kubernetes/pkg/controller/podautoscaler (replica_calculator.go, horizontal.go).
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimator.model.figure import Figure
from estimator.model.plots import ReplicasPlot, thin

_Floats = NDArray[np.float64]

SYNC_S = 15
TOLERANCE = 0.1
STABILISATION_S = 300
SCALE_UP_PERCENT = 100
SCALE_UP_PODS = 4
SCALE_UP_PERIOD_S = 15
MOST_SATURATIONS = 10
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """The demand to follow."""

    demand: _Floats
    """Rps of each bucket, growth and events included; NaN in gaps."""
    start: int
    resolution_s: int


@dataclass(frozen=True, slots=True, eq=False)
class Pod:
    """What one replica does with its share of the demand."""

    rps: _Floats
    """Rising grid from 0, requests/s."""
    utilisation: _Floats
    """Cpu used over cpu requested at each; never falling."""
    limit_rps: float
    """What the busiest replica can take."""
    imbalance: float

    low: _Floats | None = None
    """Utilisation if cpu is as low as may be; None without an interval."""
    high: _Floats | None = None

    def utilisation_at(self, rps: float) -> float:
        return float(np.interp(rps, self.rps, self.utilisation))

    def rps_at(self, utilisation: float) -> float:
        """Return the largest rps at which it is used so much, at most the end of the grid."""
        return _inverse(self.rps, self.utilisation, utilisation)

    def rps_range_at(self, utilisation: float) -> tuple[float, float] | None:
        """Return the same if cpu is as high, and as low, as may be; None without an interval."""
        if self.low is None or self.high is None:
            return None
        return (
            _inverse(self.rps, self.high, utilisation),
            _inverse(self.rps, self.low, utilisation),
        )


def _inverse(rps: _Floats, share: _Floats, utilisation: float) -> float:
    place = int(np.searchsorted(share, utilisation, side="right"))
    if place >= len(rps):
        return float(rps[-1])
    if place == 0:
        return 0.0
    part = (utilisation - share[place - 1]) / (share[place] - share[place - 1])
    return float(rps[place - 1] + part * (rps[place] - rps[place - 1]))


@dataclass(frozen=True, slots=True)
class Loop:
    """One HorizontalPodAutoscaler and how fast its world is."""

    min_replicas: int
    max_replicas: int
    target: float
    """Utilisation, 0 to 1."""
    scrape_s: float
    pod_start_s: float


@dataclass(frozen=True, slots=True)
class Saturation:
    """One stretch of time in which replicas were beyond their performance limit."""

    second: int
    """Unix time of its start."""
    duration_s: int
    replicas: int
    """Ready at its worst moment."""
    needed: int
    """To stay within the limit at that moment."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What the loop did, step by step."""

    ready: NDArray[np.int64]
    """Shape (steps,)."""
    desired: NDArray[np.int64]
    """Replicas asked for."""
    seen_rps: _Floats
    saturations: tuple[Saturation, ...]
    """All of them, in their order."""

    @property
    def saturated_s(self) -> int:
        return sum(one.duration_s for one in self.saturations)

    @property
    def needed(self) -> int:
        """The most replicas that a saturated moment needed; 0 without one."""
        return max((one.needed for one in self.saturations), default=0)

    @property
    def pod_hours(self) -> float:
        """Of all replicas asked for: one that starts is paid for too."""
        return float(self.desired.sum()) * SYNC_S / 3600


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the recommended HPA would have done."""

    highest_replicas: Figure
    lowest_replicas: Figure
    saturated: Figure
    """Seconds in which a replica was beyond its performance limit."""
    pod_hours: Figure
    """Over the series."""
    fixed_pod_hours: Figure
    """Of the fixed replica count over the same time."""
    saved: Figure
    """1 - pod_hours / fixed_pod_hours, as ratio; negative where the HPA costs more."""
    changes: Figure
    """How often the HPA changed the replica count."""
    saturations: tuple[Saturation, ...]
    """The ten longest."""
    plot: ReplicasPlot


def simulate(load: Load, pod: Pod, loop: Loop) -> Run:
    """Run the loop over the whole load; linear in its length."""
    filled = _held(load.demand)
    seen = _seen(filled, load.resolution_s, loop.scrape_s)
    ready, desired = _follow(seen.tolist(), pod, loop)
    saturations = _saturations(load, ready, pod)
    return Run(ready, desired, seen, saturations)


def _held(demand: _Floats) -> _Floats:
    """Return the demand with gaps holding the last value (the first one, before it)."""
    seen = ~np.isnan(demand)
    place = np.where(seen, np.arange(len(demand)), -1)
    place = np.maximum.accumulate(place)
    place[place < 0] = int(np.argmax(seen))
    return np.asarray(demand[place])


def _seen(demand: _Floats, resolution_s: int, scrape_s: float) -> _Floats:
    """Return, at each sync, the mean over the scrape interval that ended one interval ago."""
    total = np.concatenate(([0.0], np.cumsum(demand) * resolution_s))
    edges = np.arange(len(total)) * float(resolution_s)
    instants = np.arange(0.0, edges[-1], SYNC_S)
    # Before there was a whole interval, the first one stands; a shorter series is one interval.
    ends = np.clip(instants - scrape_s, min(scrape_s, edges[-1]), edges[-1])
    begins = np.maximum(ends - scrape_s, 0.0)
    spent = np.interp(ends, edges, total) - np.interp(begins, edges, total)
    return np.asarray(spent / (ends - begins))


def _follow(seen: list[float], pod: Pod, loop: Loop) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ready and desired replicas at each step.

    In terms of rps, not of utilisation: within the tolerance nothing needs to be looked up, which
    is nearly always.
    """
    tolerated_low = pod.rps_at(loop.target * (1 - TOLERANCE))
    tolerated_high = pod.rps_at(loop.target * (1 + TOLERANCE))
    window = STABILISATION_S // SYNC_S
    start_steps = max(1, math.ceil(loop.pod_start_s / SYNC_S))
    least, most = loop.min_replicas, loop.max_replicas
    current = min(most, max(least, _wanted(seen[0], least, pod, loop)))
    ready = current
    starting: deque[list[int]] = deque()  # [step at which they are ready, how many]
    recent: deque[int] = deque([current] * window, maxlen=window)
    all_ready, all_desired = [0] * len(seen), [0] * len(seen)
    for step, rps in enumerate(seen):
        while starting and starting[0][0] <= step:
            ready += starting.popleft()[1]
        share = rps / ready
        # At the minimum and quiet, nothing can change either: most of a night.
        if tolerated_low <= share <= tolerated_high or (share < tolerated_low and current == least):
            wanted = current
        else:
            wanted = math.ceil(pod.utilisation_at(share) / loop.target * ready - 1e-9)
            if share > tolerated_high and ready < current and wanted <= current * (1 + TOLERANCE):
                wanted = current
            wanted = min(most, max(least, wanted))
        recent.append(wanted)
        if wanted > current:
            bound = max(current + current * SCALE_UP_PERCENT // 100, current + SCALE_UP_PODS)
            added = min(wanted, bound) - current
            starting.append([step + start_steps, added])
            current += added
        elif wanted < current and (highest := max(recent)) < current:
            removed = current - highest
            current = highest
            # Those that are not ready go first.
            while removed and starting:
                taken = min(removed, starting[-1][1])
                starting[-1][1] -= taken
                removed -= taken
                if not starting[-1][1]:
                    starting.pop()
            ready -= removed
        all_ready[step], all_desired[step] = ready, current
    return np.array(all_ready), np.array(all_desired)


def _wanted(rps: float, ready: int, pod: Pod, loop: Loop) -> int:
    """Return where the loop comes to rest at a steady demand, begun from so many replicas."""
    at_target = pod.rps_at(loop.target)
    return math.ceil(rps / at_target) if at_target > 0 else ready


def _saturations(load: Load, ready: NDArray[np.int64], pod: Pod) -> tuple[Saturation, ...]:
    """Return every stretch beyond the limit, at the finer of the series' and the loop's steps."""
    fine = min(load.resolution_s, SYNC_S)
    count = len(load.demand) * load.resolution_s // fine

    def at(first: int, last: int) -> tuple[_Floats, NDArray[np.int64]]:
        second = np.arange(first, last) * fine
        rps = load.demand[second // load.resolution_s] * pod.imbalance
        return rps, ready[np.minimum(second // SYNC_S, len(ready) - 1)]

    beyond = np.zeros(count, dtype=np.bool_)
    # In pieces: a year of seconds must not be held four times over.
    for first in range(0, count, _PIECE):
        rps, running = at(first, min(count, first + _PIECE))
        beyond[first : first + _PIECE] = rps > running * pod.limit_rps * (1 + 1e-9)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], beyond, [False])).astype(np.int8)))
    found = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        rps, running = at(first, last)
        needed = np.ceil(rps / pod.limit_rps - 1e-9)
        worst = int(np.argmax(needed - running))
        found.append(
            Saturation(
                second=load.start + first * fine,
                duration_s=(last - first) * fine,
                replicas=int(running[worst]),
                needed=int(needed.max()),
            )
        )
    return tuple(found)


def summarise(load: Load, run: Run, pod: Pod, fixed_replicas: int) -> Simulation:
    """Return the figures and the plot of a run, beside a fixed replica count."""
    steps = len(run.ready)
    fixed = fixed_replicas * steps * SYNC_S / 3600
    changes = int(np.count_nonzero(np.diff(run.desired)))
    longest = sorted(run.saturations, key=lambda one: (-one.duration_s, one.second))
    told = "simulated over the series, with growth and events"
    saturated = "a replica beyond its performance limit or its whole cpu request; gaps not counted"
    return Simulation(
        highest_replicas=Figure(int(run.desired.max()), "replicas", told),
        lowest_replicas=Figure(int(run.desired.min()), "replicas", told),
        saturated=Figure(
            run.saturated_s,
            "seconds",
            saturated,
            formula="seconds at saturation of this HPA over its own series",
            numbers=f"simulated in {SYNC_S} s steps",
        ),
        pod_hours=Figure(run.pod_hours, "pod-hours", f"{told}; starting replicas included"),
        fixed_pod_hours=Figure(fixed, "pod-hours", f"{fixed_replicas} replicas all the time"),
        saved=Figure(1 - run.pod_hours / fixed, "ratio", "1 - pod-hours over those of the fixed"),
        changes=Figure(changes, "changes", "of the replica count"),
        saturations=tuple(longest[:MOST_SATURATIONS]),
        plot=_plot(load, run, pod),
    )


def _plot(load: Load, run: Run, pod: Pod) -> ReplicasPlot:
    last = len(load.demand) - 1
    place = np.minimum(np.arange(len(run.ready)) * SYNC_S // load.resolution_s, last)
    # Of buckets finer than a step, the highest in it; coarser ones stand in every step.
    if load.resolution_s < SYNC_S:
        demand = np.fmax.reduceat(load.demand, place)
    else:
        demand = load.demand[place]
    ready = run.ready.astype(np.float64)
    share = np.interp(run.seen_rps / ready, pod.rps, pod.utilisation)
    highest, _, width = thin(demand)
    beyond = np.zeros(len(ready))
    for one in run.saturations:
        first = (one.second - load.start) // SYNC_S
        beyond[first : first + max(1, -(-one.duration_s // SYNC_S))] = 1
    return ReplicasPlot(
        start=load.start,
        bin_s=width * SYNC_S,
        demand_rps=highest,
        replicas=-thin(-ready)[0],
        desired=thin(run.desired.astype(np.float64))[0],
        utilisation=thin(share)[0],
        saturated=thin(beyond)[0] > 0,
    )
