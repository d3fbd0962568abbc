"""Which request is due when, and in which step: all that a replay does, decided before it starts.

Owns the offsets from the start and the bounds of each step. Every offset is computed from the
start, never from the offset before, so lateness and rounding do not add up however long a replay
runs. (GoReplay sleeps for the gap between two requests, and needed over 15 minutes for a capture of
190 seconds.) A shard is every n-th request of the one schedule, at its own instants, so n shards
together send exactly that schedule. Open loop: this module knows no response, and no clock.

Poisson arrivals keep their number. A rate is cut into spans of a second, each gets as many requests
as with even spacing, and they are due at random instants of the span: given its number, the
arrivals of a Poisson process lie like that. The instants are the same at every run, so shards and
repetitions send one schedule.
"""

import enum
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mirror.errors import InputError
from mirror.replay.requests import Request, RequestList

UNSTEADY_RATIO = 0.2
"""Share of a step before its steady part: connections open and caches fill."""
MOST_UNSTEADY_S = 62.0
"""Longest time before a steady part; Istio's benchmark runner leaves out as much."""

Entries = Iterator[tuple[float, Request]]
"""Offset from the start in seconds, in order, and the request."""


class Arrivals(enum.StrEnum):
    """How the requests of one rate follow each other."""

    EVEN = "even"
    """The i-th request is due at i / rate."""
    POISSON = "poisson"
    """Each request is due independently of the others, as with many users."""


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a schedule, in seconds from its start."""

    rate_rps: float | None
    """None: the recorded timing."""
    begins_s: float
    ends_s: float
    """Infinite: the step ends at its last request."""

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
    """A shard's requests with their offsets, the steps, and how long they last."""

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
        last_s, count = 0.0, 0
        for entry in entries:
            last_s = entry[0]
            count += 1
            yield entry
        self.window_s = span_s(last_s, count)


def stepped(
    requests: Iterator[Request],
    rates_rps: Sequence[float],
    hold_s: float,
    shard: Shard,
    arrivals: Arrivals = Arrivals.EVEN,
) -> Schedule:
    """Return a schedule of each rate for `hold_s` seconds; `requests` must not end before."""
    steps = [
        Step(rate_rps, place * hold_s, (place + 1) * hold_s)
        for place, rate_rps in enumerate(rates_rps)
    ]
    offsets = step_offsets(rates_rps, hold_s, arrivals)
    return Schedule(zip(offsets, requests, strict=False), steps, shard)


def constant(
    requests: RequestList,
    rate_rps: float,
    duration_s: float | None,
    is_looped: bool,
    shard: Shard,
    arrivals: Arrivals = Arrivals.EVEN,
) -> Schedule:
    """Return a schedule of one rate, which ends after `duration_s` or with the list.

    Whichever comes first ends it; None is no limit, and a looped list has no end.
    """
    ends_s = math.inf if duration_s is None else duration_s
    count = None
    if is_looped:
        chosen: Iterator[Request] = requests.cycle()
    else:
        chosen = (request for _, request in requests.lap())
        if requests.is_whole:
            count = len(requests.held)
            ends_s = min(ends_s, count / rate_rps)
    entries = zip(rate_offsets(rate_rps, count, math.inf, arrivals), chosen, strict=False)
    return Schedule(entries, [Step(rate_rps, 0.0, ends_s)], shard)


def original(
    requests: RequestList, speed: float, duration_s: float | None, is_looped: bool, shard: Shard
) -> Schedule:
    """Return a schedule of the recorded timing, `speed` times as fast: (t - t_first) / speed.

    Raises InputError if the list is looped and all its requests have one instant.
    """
    ends_s = math.inf if duration_s is None else duration_s
    if requests.is_whole:
        held = requests.held
        recorded_s = span_s((held[-1][0] - held[0][0]) / speed, len(held))
        if is_looped and recorded_s <= 0:
            raise InputError("a loop needs two requests at different times")
        if not is_looped:
            ends_s = min(ends_s, recorded_s)
    if ends_s == 0:
        ends_s = math.inf  # all requests have one instant: the step lasts no time, and all are due
    return Schedule(_laps(requests, speed, is_looped), [Step(None, 0.0, ends_s)], shard)


def _laps(requests: RequestList, speed: float, is_looped: bool) -> Entries:
    begins_s = 0.0
    while True:
        last_s, count = 0.0, 0
        for time_s, request in requests.lap():
            last_s = time_s / speed
            count += 1
            yield begins_s + last_s, request
        if not is_looped:
            return
        begins_s += span_s(last_s, count)


def step_offsets(
    rates_rps: Sequence[float], hold_s: float, arrivals: Arrivals = Arrivals.EVEN
) -> Iterator[float]:
    """Return the offsets in seconds of each rate for `hold_s`, one rate after the other.

    Step k begins at k hold_s; evenly spaced, its i-th request is due at k hold_s + i / rate. Held
    for 2 s each, rates 1 and 2 make requests due at 0, 1, 2, 2.5, 3 and 3.5 s.
    """
    for step, rate_rps in enumerate(rates_rps):
        count = math.ceil(round(rate_rps * hold_s, 6))
        for offset_s in rate_offsets(rate_rps, count, hold_s, arrivals):
            yield step * hold_s + offset_s


def rate_offsets(
    rate_rps: float, count: int | None, most_s: float, arrivals: Arrivals
) -> Iterator[float]:
    """Return the offsets in seconds of `count` requests at one rate; None: without end.

    Random ones lie below `most_s`; `count` even ones must fit.
    """
    if arrivals is Arrivals.POISSON:
        return _poisson(rate_rps, count, most_s)
    indices = itertools.count() if count is None else range(count)
    return (index / rate_rps for index in indices)


def _poisson(rate_rps: float, count: int | None, most_s: float) -> Iterator[float]:
    dice = random.Random(0)
    a_second = math.ceil(rate_rps)
    for first in itertools.count(0, a_second):
        number = a_second if count is None else min(a_second, count - first)
        if number <= 0:
            return
        begins_s, ends_s = first / rate_rps, min((first + number) / rate_rps, most_s)
        yield from sorted(dice.uniform(begins_s, ends_s) for _ in range(number))


def span_s(last_s: float, count: int) -> float:
    """Return how long a schedule lasts, the gap after its last request included.

    That gap is the mean of the others: n requests have n - 1 gaps, and n / span is their rate. A
    schedule whose requests have one instant lasts 0 s.
    """
    return last_s * count / (count - 1) if count > 1 else 0.0
