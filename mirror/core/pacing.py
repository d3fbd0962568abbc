"""When each request of a replay is due, in seconds after its start.

Owns the schedules. Each is absolute: an instant is worked out from the start, never from the
instant before, so lateness and rounding do not add up however long a replay runs. GoReplay sleeps
for the gap between two requests and needed over 15 minutes for a capture of 190 seconds.

Open loop: no schedule knows of answers.
"""

import itertools
import math
from collections.abc import Iterator, Sequence


def constant(rate_rps: float) -> Iterator[float]:
    """Evenly spaced, without end: the i-th request is due at i / rate_rps."""
    return (index / rate_rps for index in itertools.count())


def stepped(rates_rps: Sequence[float], hold_s: float) -> Iterator[float]:
    """Each rate for `hold_s`, one after the other, evenly spaced.

    Step k begins at k * hold_s; its i-th request is due at k * hold_s + i / rate. Held for 2 s
    each, rates 1 and 2 make requests due at 0, 1, 2, 2.5, 3 and 3.5 s.
    """
    for step, rate_rps in enumerate(rates_rps):
        for index in range(math.ceil(round(rate_rps * hold_s, 6))):
            yield step * hold_s + index / rate_rps


def span_s(last_s: float, count: int) -> float:
    """How long a schedule lasts, the gap after its last request included.

    That gap is the mean of the others: n requests have n - 1 gaps, and n / span is their rate. A
    schedule without two different instants lasts 0.
    """
    return last_s * count / (count - 1) if count > 1 else 0.0
