"""When each request of a replay is due, in seconds after its start.

Owns the schedules. Each is absolute: an instant is worked out from the start, never from the
instant before, so lateness and rounding do not add up however long a replay runs. GoReplay sleeps
for the gap between two requests and needed over 15 minutes for a capture of 190 seconds.

Open loop: no schedule knows of answers.

Poisson arrivals keep their number. A rate is cut into spans of a second, each gets as many requests
as when they are evenly spaced, and they are due at random instants of it: that is how the arrivals
of a Poisson process lie when their number is given. They are the same at every run, so shards and
repetitions send one schedule.
"""

import enum
import itertools
import math
import random
from collections.abc import Iterator, Sequence


class Arrivals(enum.StrEnum):
    """How the requests of one rate follow each other."""

    EVEN = "even"
    """The i-th is due at i / rate."""
    POISSON = "poisson"
    """Each without regard to the others, as from many users."""


def constant(
    rate_rps: float, count: int | None = None, arrivals: Arrivals = Arrivals.EVEN
) -> Iterator[float]:
    """`count` requests at this rate; None: without end."""
    return _offsets(rate_rps, count, math.inf, arrivals)


def stepped(
    rates_rps: Sequence[float], hold_s: float, arrivals: Arrivals = Arrivals.EVEN
) -> Iterator[float]:
    """Each rate for `hold_s`, one after the other.

    Step k begins at k * hold_s; evenly spaced its i-th request is due at k * hold_s + i / rate.
    Held for 2 s each, rates 1 and 2 then make requests due at 0, 1, 2, 2.5, 3 and 3.5 s.
    """
    for step, rate_rps in enumerate(rates_rps):
        count = math.ceil(round(rate_rps * hold_s, 6))
        for offset_s in _offsets(rate_rps, count, hold_s, arrivals):
            yield step * hold_s + offset_s


def _offsets(
    rate_rps: float, count: int | None, most_s: float, arrivals: Arrivals
) -> Iterator[float]:
    if arrivals is Arrivals.POISSON:
        return _poisson(rate_rps, count, most_s)
    indices = itertools.count() if count is None else range(count)
    return (index / rate_rps for index in indices)


def _poisson(rate_rps: float, count: int | None, most_s: float) -> Iterator[float]:
    """Requests due before `most_s`."""
    dice = random.Random(0)
    a_second = math.ceil(rate_rps)
    for first in itertools.count(0, a_second):
        number = a_second if count is None else min(a_second, count - first)
        if number <= 0:
            return
        begins_s, ends_s = first / rate_rps, min((first + number) / rate_rps, most_s)
        yield from sorted(dice.uniform(begins_s, ends_s) for _ in range(number))


def span_s(last_s: float, count: int) -> float:
    """How long a schedule lasts, the gap after its last request included.

    That gap is the mean of the others: n requests have n - 1 gaps, and n / span is their rate. A
    schedule without two different instants lasts 0.
    """
    return last_s * count / (count - 1) if count > 1 else 0.0
