"""A simulated HPA control loop over a measured series.

Every `sync_s` (15 s) the loop reads cpu of the ready replicas, as metrics-server last measured it,
and asks for

    ratio   = utilisation(rps seen / ready) / target
    desired = replicas                 where |ratio - 1| <= tolerance (0.1)
    desired = ceil(ratio * ready)      otherwise; while replicas start and ratio > 1, those count
                                       with no usage, and nothing happens within the tolerance
    up      = at most max(replicas * (1 + up_percent), replicas + up_pods) a period
    down    = the highest desired of the last `stabilisation_s` (300 s)

within minReplicas and maxReplicas; a new replica serves `pod_start_s` after the loop asked for it.
Below a minimum that was raised the loop asks for that minimum at once, beyond any limit of `up`.
Replicas beyond their limit are **saturated**. What they cannot serve is not queued, so each second
starts afresh. In gaps of the series the last value holds, and they count as neither.

| symbol | meaning | unit |
|---|---|---|
| utilisation | cpu used over cpu requested, of what the HPA reads (metric.py) | fraction |
| seen | mean demand over the scrape interval before the last | requests/s |
| limit | rps that the busiest replica can take | requests/s |

Worked: 10 replicas, target 0.5, utilisation 0.9: ratio 1.8, desired 18. At 0.55 nothing happens.

Source: kubernetes/pkg/controller/podautoscaler (replica_calculator.go, horizontal.go).
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]

SYNC_S = 15
TOLERANCE = 0.1
STABILISATION_S = 300
SCALE_UP_PERCENT = 100
SCALE_UP_PODS = 4
SCALE_UP_PERIOD_S = 15
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
    """How one replica responds to its share of the demand."""

    rps: _Floats
    """Rising grid from 0, requests/s."""
    utilisation: _Floats
    """Cpu used over cpu requested, of what the HPA reads, at each point of the grid; never
    falling."""
    limit_rps: float
    """The rps that the busiest replica can take."""
    imbalance: float

    low: _Floats | None = None
    """Utilisation at the lower bound of cpu; None without an interval."""
    high: _Floats | None = None
    """Utilisation at the upper bound of cpu; None without an interval."""
    container: str = ""
    """The container whose cpu and request these are; empty for all of them."""

    def utilisation_at(self, rps: float) -> float:
        return float(np.interp(rps, self.rps, self.utilisation))

    def rps_at(self, utilisation: float) -> float:
        """Return the largest rps with at most this utilisation, up to the end of the grid."""
        return _inverse(self.rps, self.utilisation, utilisation)

    def rps_range_at(self, utilisation: float) -> tuple[float, float] | None:
        """Return the same at the upper and the lower bound of cpu; None without an interval."""
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
class HpaLoop:
    """One HorizontalPodAutoscaler, with the delays of metrics and of starting pods."""

    min_replicas: int
    max_replicas: int
    target: float
    """Utilisation, 0 to 1."""
    scrape_s: float
    pod_start_s: float
    stabilisation_s: int = STABILISATION_S


@dataclass(frozen=True, slots=True)
class Saturation:
    """One stretch of time in which replicas were beyond their performance limit."""

    second: int
    """Unix time of its start."""
    duration_s: int
    replicas: int
    """Ready replicas at its worst moment."""
    needed: int
    """Replicas that would have stayed within the limit at that moment."""
    rejected: float = 0.0
    """Requests beyond the limit of all replicas, if each got as much as the busiest."""


@dataclass(frozen=True, slots=True, eq=False)
class HpaRun:
    """What the loop did, step by step."""

    ready: NDArray[np.int64]
    """Shape (steps,)."""
    desired: NDArray[np.int64]
    """Replicas that the loop asked for."""
    seen_rps: _Floats
    saturations: tuple[Saturation, ...]
    """Every stretch, in order of time."""

    @property
    def saturated_s(self) -> int:
        return sum(stretch.duration_s for stretch in self.saturations)

    @property
    def needed(self) -> int:
        """The most replicas that a saturated moment needed; 0 if none was saturated."""
        return max((stretch.needed for stretch in self.saturations), default=0)

    @property
    def pod_hours(self) -> float:
        """Pod-hours of all replicas that the loop asked for, starting ones included."""
        return float(self.desired.sum()) * SYNC_S / 3600

    @property
    def changes(self) -> int:
        """How often the loop changed the replica count."""
        return int(np.count_nonzero(np.diff(self.desired)))

    @property
    def changes_per_day(self) -> float:
        """The same over a day; a series below a day counts as one."""
        return self.changes / max(1.0, len(self.desired) * SYNC_S / 86_400)

    def saved_ratio(self, fixed_replicas: int) -> float:
        """Return the share of the pod-hours of a fixed count that the loop does without."""
        return 1 - float(self.desired.sum()) / (fixed_replicas * len(self.desired))


def simulate(load: Load, pod: Pod, loop: HpaLoop, minima: Sequence[int] = ()) -> HpaRun:
    """Run the loop over the whole load; linear in its length.

    `minima` is minReplicas at each sync, where somebody changes it meanwhile; its last value holds.
    None of them may be above maxReplicas.
    """
    filled = _held(load.demand)
    scraped = _seen(filled, load.resolution_s, loop.scrape_s)
    ready, desired = _follow(scraped.tolist(), pod, loop, minima)
    saturations = _saturations(load, ready, pod)
    return HpaRun(ready, desired, scraped, saturations)


def _held(demand: _Floats) -> _Floats:
    """Return the demand with gaps holding the last value (the first one, before it)."""
    is_observed = ~np.isnan(demand)
    if is_observed.all():
        return demand
    place = np.arange(len(demand))
    place[~is_observed] = -1
    np.maximum.accumulate(place, out=place)
    place[place < 0] = int(np.argmax(is_observed))
    return np.asarray(demand[place])


def _seen(demand: _Floats, resolution_s: int, scrape_s: float) -> _Floats:
    """Return, at each sync, the mean over the scrape interval that ended one interval ago."""
    total = np.zeros(len(demand) + 1)
    np.cumsum(demand, out=total[1:])
    total *= resolution_s
    edges = np.arange(len(total), dtype=np.float64)
    edges *= resolution_s
    instants = np.arange(0.0, edges[-1], SYNC_S)
    # Before the first whole interval ends, that interval stands; a shorter series is one interval.
    ends = np.clip(instants - scrape_s, min(scrape_s, edges[-1]), edges[-1])
    begins = np.maximum(ends - scrape_s, 0.0)
    spent = np.interp(ends, edges, total) - np.interp(begins, edges, total)
    return np.asarray(spent / (ends - begins))


def _follow(
    scraped: list[float], pod: Pod, loop: HpaLoop, minima: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ready and desired replicas at each step.

    The loop compares rps and not utilisation: within the tolerance, which is nearly always, it then
    looks nothing up.
    """
    tolerated_low = pod.rps_at(loop.target * (1 - TOLERANCE))
    tolerated_high = pod.rps_at(loop.target * (1 + TOLERANCE))
    window = loop.stabilisation_s // SYNC_S
    start_steps = max(1, math.ceil(loop.pod_start_s / SYNC_S))
    least, most = minima[0] if minima else loop.min_replicas, loop.max_replicas
    current = min(most, max(least, _wanted(scraped[0], least, pod, loop)))
    ready = current
    starting: deque[list[int]] = deque()  # [step at which they are ready, how many]
    recent: deque[int] = deque([current] * window, maxlen=window)
    all_ready, all_desired = [0] * len(scraped), [0] * len(scraped)
    for step, rps in enumerate(scraped):
        while starting and starting[0][0] <= step:
            ready += starting.popleft()[1]
        share = rps / ready
        if step < len(minima):
            least = minima[step]
        # At the minimum with little load nothing can change either, which is most of a night.
        is_low = share < tolerated_low and current == least and not minima
        if is_low or tolerated_low <= share <= tolerated_high:
            asked = current
        else:
            asked = asked_for(pod.utilisation_at(share) / loop.target, ready, current)
        # Below the minimum nothing else counts. What is remembered is what was asked for, so that
        # the count may fall at once where a minimum is lowered.
        desired = least if current < least else min(most, max(least, asked))
        recent.append(asked)
        if desired > current:
            bound = current + max(current * SCALE_UP_PERCENT // 100, SCALE_UP_PODS)
            added = min(desired, max(bound, least)) - current
            starting.append([step + start_steps, added])
            current += added
        elif desired < current and (highest := max(least, *recent)) < current:
            removed = current - highest
            current = highest
            # Replicas that are not ready yet are removed first.
            while removed and starting:
                cancelled = min(removed, starting[-1][1])
                starting[-1][1] -= cancelled
                removed -= cancelled
                if not starting[-1][1]:
                    starting.pop()
            ready -= removed
        all_ready[step], all_desired[step] = ready, current
    return np.array(all_ready), np.array(all_desired)


def asked_for(ratio: float, ready: int, current: int) -> int:
    """Return the replicas that a sync asks for, before minimum and maximum.

    `ratio` is the mean utilisation of the ready replicas over the target.
    """
    if abs(ratio - 1) <= TOLERANCE:
        return current
    # Above the target, replicas that are not ready count with no usage.
    if ratio > 1 and ready < current and ratio * ready <= current * (1 + TOLERANCE):
        return current
    return math.ceil(ratio * ready - 1e-9)


def _wanted(rps: float, ready: int, pod: Pod, loop: HpaLoop) -> int:
    """Return the replicas at which the loop comes to rest under a steady demand."""
    at_target = pod.rps_at(loop.target)
    return math.ceil(rps / at_target) if at_target > 0 else ready


def _saturations(load: Load, ready: NDArray[np.int64], pod: Pod) -> tuple[Saturation, ...]:
    """Return every stretch beyond the limit, in the finer of the steps of series and loop."""
    fine = min(load.resolution_s, SYNC_S)
    count = len(load.demand) * load.resolution_s // fine

    def at(first: int, last: int) -> tuple[_Floats, NDArray[np.int64]]:
        second = np.arange(first, last) * fine
        rps = load.demand[second // load.resolution_s] * pod.imbalance
        return rps, ready[np.minimum(second // SYNC_S, len(ready) - 1)]

    beyond = np.zeros(count, dtype=np.bool_)
    # In pieces, so that memory does not hold a year of seconds four times.
    for first in range(0, count, _PIECE):
        rps, running = at(first, min(count, first + _PIECE))
        beyond[first : first + _PIECE] = rps > running * pod.limit_rps * (1 + 1e-9)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], beyond, [False])).astype(np.int8)))
    stretches = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        rps, running = at(first, last)
        needed = np.ceil(rps / pod.limit_rps - 1e-9)
        worst = int(np.argmax(needed - running))
        stretches.append(
            Saturation(
                second=load.start + first * fine,
                duration_s=(last - first) * fine,
                replicas=int(running[worst]),
                needed=int(needed.max()),
                rejected=float((rps - running * pod.limit_rps).sum() * fine / pod.imbalance),
            )
        )
    return tuple(stretches)
