"""When each request of a replay is due, in seconds after its start.

Owns the schedules. Each is absolute: an instant is worked out from the start, never from the
instant before, so lateness and rounding do not add up however long a replay runs. GoReplay sleeps
for the gap between two requests and needed over 15 minutes for a capture of 190 seconds.

Open loop: no schedule knows of answers.
"""

import itertools
from collections.abc import Iterator, Sequence


def original(times_s: Sequence[float], speed: float) -> list[float]:
    """The recorded timing, `speed` times as fast: (t - t_first) / speed, sorted.

    t in Unix seconds, `speed` above 0. Recorded at 100.0, 100.5 and 102.0 and replayed with speed
    2, requests are due at 0, 0.25 and 1 s.
    """
    ordered = sorted(times_s)
    return [(time_s - ordered[0]) / speed for time_s in ordered]


def constant(rate_rps: float) -> Iterator[float]:
    """Evenly spaced, without end: the i-th request is due at i / rate_rps."""
    return (index / rate_rps for index in itertools.count())


def span_s(offsets: Sequence[float]) -> float:
    """How long a schedule lasts, the gap after its last request included.

    That gap is the mean of the others: n requests have n - 1 gaps, and n / span is their rate. A
    schedule without two different instants lasts 0.
    """
    if len(offsets) < 2:
        return 0.0
    return offsets[-1] * len(offsets) / (len(offsets) - 1)


def looped(offsets: Sequence[float]) -> Iterator[float]:
    """The schedule over and over; raises ValueError where it has no two different instants."""
    period_s = span_s(offsets)
    if period_s <= 0:
        raise ValueError("a loop needs two requests at different times")
    return (lap * period_s + offset for lap in itertools.count() for offset in offsets)
