"""A peak that a few seconds decide: an error of the recording, an attack, a retry of all clients.

The highest values are a spike if they last at most 10 s in all (or one bucket of at most a minute)
and everything else is below two thirds of the highest. Nobody knows whether they come again, and no
autoscaler reacts to them: what is sized for them stands idle for the rest of the time.

Scatter is no spike: the highest value has to be six standard deviations above the rest,

    highest - rest > 6 sqrt(I rest / T)

with the index of dispersion I = 2 and the averaging time T. At 1 rps, a second of 3 is scatter.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_SECONDS = 10
WIDEST_BUCKET_S = 60
"""A wider bucket is no moment."""
RATIO = 1.5
DEVIATIONS = 6.0
DISPERSION = 2.0
LONG_ENOUGH_S = 3_600
"""In less time, the seconds of the peak are too large a part of all."""


@dataclass(frozen=True, slots=True)
class Spike:
    """The few seconds that decide a peak, and the demand without them."""

    duration_s: int
    """How long they are together."""
    rest_rps: float
    """The highest value of all others, as observed; 0 if there was no other request."""


def spike_of(demand: NDArray[np.float64], resolution_s: int, averaging_s: float) -> Spike | None:
    """Return the seconds that decide the highest value of `demand`; None if no few of them do.

    `demand` is rps by bucket with NaN in gaps, and at least one value above 0.
    """
    if resolution_s > WIDEST_BUCKET_S:
        return None
    highest = float(np.nanmax(demand))
    is_high = demand > highest / RATIO
    count = int(np.count_nonzero(is_high))
    if count > max(1, MOST_SECONDS // resolution_s):
        return None
    if np.count_nonzero(~np.isnan(demand)) * resolution_s < LONG_ENOUGH_S:
        return None
    rest = float(np.nanmax(np.where(is_high, 0.0, demand)))
    # Where nobody came, one request in the window is what scatters.
    scatter = math.sqrt(DISPERSION * max(rest, 1 / averaging_s) / averaging_s)
    if highest - rest <= DEVIATIONS * scatter:
        return None
    return Spike(count * resolution_s, rest)
