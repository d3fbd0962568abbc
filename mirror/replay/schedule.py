"""Which request is due when, and in which step: all that a replay does, decided before it starts.

Owns the offsets from the start and the bounds of each step. A shard is every n-th request of the
one schedule, at the instants it has in it, so that n of them together send exactly that schedule.
Must never know of answers, nor of a clock.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mirror.errors import InputError
from mirror.replay import pacing
from mirror.replay.pacing import Arrivals
from mirror.replay.requests import Request, RequestList

UNSTEADY_RATIO = 0.2
"""The first part of a step is not measured as steady: connections open, caches fill."""
MOST_UNSTEADY_S = 62.0
"""Istio's benchmark runner leaves out that much; so does `estimate table import`."""

Entries = Iterator[tuple[float, Request]]
"""Offset from the start in seconds, in order, and the request."""


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a schedule; seconds from its start. The end may be infinite: at its last
    request."""

    rate_rps: float | None
    """None: the recorded timing."""
    begins_s: float
    ends_s: float

    @property
    def steady_from_s(self) -> float:
        unsteady_s = (self.ends_s - self.begins_s) * UNSTEADY_RATIO
        return self.begins_s + min(unsteady_s, MOST_UNSTEADY_S)


@dataclass(frozen=True, slots=True)
class Shard:
    """Every `of`-th request, beginning with the one at `index` (from 0)."""

    index: int = 0
    of: int = 1

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


class Schedule:
    """A shard's requests with their offsets, the steps, and how long all that lasts."""

    def __init__(self, entries: Entries, steps: Sequence[Step], shard: Shard) -> None:
        self.steps = steps
        self.window_s = steps[-1].ends_s
        """Infinite until the end of a long list is known."""
        self.entries = itertools.islice(self._watched(entries), shard.index, None, shard.of)

    def _watched(self, entries: Entries) -> Entries:
        window_s = self.window_s
        if math.isfinite(window_s):
            yield from itertools.takewhile(lambda entry: entry[0] < window_s, entries)
            return
        last_s, number = 0.0, 0
        for entry in entries:
            last_s = entry[0]
            number += 1
            yield entry
        self.window_s = pacing.span_s(last_s, number)


def stepped(
    requests: RequestList,
    rates_rps: Sequence[float],
    hold_s: float,
    shard: Shard,
    arrivals: Arrivals = Arrivals.EVEN,
) -> Schedule:
    """Each rate for `hold_s`; the requests begin again at their end."""
    steps = [
        Step(rate_rps, place * hold_s, (place + 1) * hold_s)
        for place, rate_rps in enumerate(rates_rps)
    ]
    offsets = pacing.stepped(rates_rps, hold_s, arrivals)
    entries = zip(offsets, requests.cycle(), strict=False)
    return Schedule(entries, steps, shard)


def constant(
    requests: RequestList,
    rate_rps: float,
    duration_s: float | None,
    is_looped: bool,
    shard: Shard,
    arrivals: Arrivals = Arrivals.EVEN,
) -> Schedule:
    """One rate, for `duration_s`, or to the end of the list where that comes first or is None."""
    ends_s = math.inf if duration_s is None else duration_s
    count = None
    if is_looped:
        chosen: Iterator[Request] = requests.cycle()
    else:
        chosen = (request for _, request in requests.lap())
        if requests.is_whole:
            count = len(requests.held)
            ends_s = min(ends_s, count / rate_rps)
    entries = zip(pacing.constant(rate_rps, count, arrivals), chosen, strict=False)
    return Schedule(entries, [Step(rate_rps, 0.0, ends_s)], shard)


def original(
    requests: RequestList, speed: float, duration_s: float | None, is_looped: bool, shard: Shard
) -> Schedule:
    """The recorded timing, `speed` times as fast: (t - t_first) / speed. InputError where it is
    to be looped and has no two different instants."""
    ends_s = math.inf if duration_s is None else duration_s
    if requests.is_whole:
        held = requests.held
        span_s = pacing.span_s((held[-1][0] - held[0][0]) / speed, len(held))
        if is_looped and span_s <= 0:
            raise InputError("a loop needs two requests at different times")
        if not is_looped:
            ends_s = min(ends_s, span_s)
    if ends_s == 0:
        ends_s = math.inf  # all at one instant: it lasts no time, and all of it is due
    return Schedule(_laps(requests, speed, is_looped), [Step(None, 0.0, ends_s)], shard)


def _laps(requests: RequestList, speed: float, is_looped: bool) -> Entries:
    begins_s = 0.0
    while True:
        last_s, number = 0.0, 0
        for time_s, request in requests.lap():
            last_s = time_s / speed
            number += 1
            yield begins_s + last_s, request
        if not is_looped:
            return
        begins_s += pacing.span_s(last_s, number)
