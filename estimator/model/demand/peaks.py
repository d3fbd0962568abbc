"""Statistics of peaks: what averaging hides, daily maxima, return levels.

Within a window of mean m rps the rps over tau seconds scatter with variance I m / tau, so a mean
over T hides peaks. The highest tau-mean u that a series of windows w (each T long) is expected to
hold solves

    sum_w (T / tau) P(rps over tau > u | m_w) = 1           by bisection

with the normal tail where m tau >= 10 and, below, the negative binomial of the same mean and
variance.

    I_T = T var(y - moving mean of 5 min) / mean(y)         for rates y averaged over T
    I_tau = I_T (tau / T)^g,  g = log(I_3T / I_T) / log 3   for bursts that last; g >= 0

| symbol | meaning | unit |
|---|---|---|
| m, u | mean of a window, peak sought | requests/s |
| T, tau | averaging window of the series, window in which demand must be met | seconds |
| I | index of dispersion: variance over mean of counts; 1 is Poisson | |

On 20 days of a public one-second trace with I of the first day, T = 60, tau = 1: true peak over
this estimate 1.02 in the median and 1.21 at worst; over the naive maximum 1.24 and 1.47.

The lag of a mean behind the end of its window is not added: in the highest window the slope changes
its sign.

Worked: one window of m = 100 rps, T = 60, tau = 1, I = 2: sqrt(I m / tau) = 14.14, 60 P = 1 at
z = 2.1280, u = 130.1.

Return level (Gumbel, moments): sigma = s sqrt(6) / pi, mu = mean - 0.5772 sigma, exceeded once in N
days: x_N = mu - sigma ln(-ln(1 - 1/N)). This module knows nothing about components.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtr

_Floats = NDArray[np.float64]

DEFAULT_DISPERSION = 2.0
"""Slightly above the values of public traces (1.35 to 1.85)."""
MOVING_MEAN_S = 300
FINE_ENOUGH_S = 10
"""Means over longer times hide the scatter."""
LONG_ENOUGH_S = 3_600
_ROLL_UP = 3
FEWEST_DAYS = 14
_NORMAL_FROM = 10.0
# Requests in tau: below this the normal tail is too light by a factor of 3 or more.
_BINS = 1_024
_DAY_S = 86_400
_EULER = 0.5772156649


@dataclass(frozen=True, slots=True)
class Gumbel:
    """Gumbel distribution of the daily maxima."""

    location: float
    scale: float
    days: int

    def level(self, days: float) -> float:
        """Return the rps that is exceeded once in `days` days; `days` is above 1."""
        return self.location - self.scale * math.log(-math.log1p(-1 / days))

    def level_error(self, days: float) -> float:
        """Return the standard error of that level for a fit by moments.

        var = sigma^2 (1 + 1.1396 k + 1.1 k^2) pi^2 / (6 n), with k the frequency factor
        -(sqrt(6) / pi) (0.5772 + ln(-ln(1 - 1/N))).
        """
        factor = -math.sqrt(6) / math.pi * (_EULER + math.log(-math.log1p(-1 / days)))
        spread = self.scale * math.pi / math.sqrt(6)
        return spread * math.sqrt((1 + 1.1396 * factor + 1.1 * factor**2) / self.days)


def dispersion(demand: _Floats, averaging_s: float, window_s: float = 1) -> float | None:
    """Return I over `window_s` of a demand averaged over `averaging_s`; None if it is unknown.

    This needs an hour of buckets of at most ten seconds, without a gap longer than the moving mean.
    Gaps are left out. The result is at least 1, because a series calmer than Poisson was averaged.
    """
    if averaging_s > FINE_ENOUGH_S:
        return None
    measured = _dispersion(demand, averaging_s)
    if measured is None or averaging_s <= window_s:
        return measured
    # Lasting bursts make I grow with the window, I ~ T^(2H-1). Two roll-ups give the exponent.
    blocks = demand[: len(demand) // _ROLL_UP * _ROLL_UP].reshape(-1, _ROLL_UP)
    longer = _dispersion(blocks.mean(axis=1), averaging_s * _ROLL_UP)
    if longer is None:
        return measured
    growth = max(0.0, math.log(longer / measured) / math.log(_ROLL_UP))
    return float(max(1.0, measured * (window_s / averaging_s) ** growth))


def _dispersion(demand: _Floats, averaging_s: float) -> float | None:
    width = round(MOVING_MEAN_S / averaging_s)
    is_observed = ~np.isnan(demand)
    longest_s = FINE_ENOUGH_S * _ROLL_UP
    if averaging_s > longest_s or is_observed.sum() * averaging_s < LONG_ENOUGH_S or width < 3:
        return None
    filled = np.where(is_observed, demand, 0.0)
    mean = float(filled.sum() / is_observed.sum())
    if mean <= 0:
        return None
    means, counts = _window_sums(filled, width), _window_sums(is_observed, width)
    is_complete = is_observed[width // 2 : width // 2 + len(means)] & (counts >= width * 0.9)
    if not is_complete.any():
        return None
    centre = filled[width // 2 : width // 2 + len(means)]
    # In place: a small file may hold a month of seconds, 24 MB in each array.
    means /= np.maximum(counts, 1, out=counts)
    residual = np.subtract(centre, means, out=means)[is_complete]
    # The moving mean contains the value itself, which removes 1/width of its variance.
    variance = float(np.mean(np.square(residual, out=residual))) / (1 - 1 / width)
    return max(1.0, averaging_s * variance / float(np.mean(centre[is_complete])))


def _window_sums(values: _Floats | NDArray[np.bool_], width: int) -> NDArray[Any]:
    running: NDArray[Any] = np.zeros(
        len(values) + 1, dtype=np.int32 if values.dtype == np.bool_ else np.float64
    )
    np.cumsum(values, out=running[1:])
    sums: NDArray[Any] = running[width:] - running[:-width]
    return sums


def expected_peak(demand: _Floats, averaging_s: float, window_s: float, scatter: float) -> float:
    """Return the highest mean over `window_s` that the whole series is expected to contain.

    `demand` holds means over `averaging_s`, NaN in gaps; `scatter` is I. The result is never below
    the highest value, and equals it where averaging hides nothing.
    """
    highest = float(np.nanmax(demand))
    # Below one request in a million windows there is nothing to correct.
    if averaging_s <= window_s or highest * averaging_s < 1e-6:
        return highest
    # Windows below half of the highest contribute nothing visible. The others are counted in narrow
    # bins, each taken at its upper edge: a month of buckets then costs no more than a day, and the
    # peak is at most a thousandth too high.
    counts, edges = np.histogram(
        demand[demand >= highest / 2], bins=_BINS, range=(highest / 2, highest)
    )
    means, windows = edges[1:][counts > 0], counts[counts > 0]
    draws = averaging_s / window_s
    low, high = highest, highest + 12 * math.sqrt(scatter * highest / window_s) + 30 / window_s
    for _ in range(60):
        middle = (low + high) / 2
        if draws * float(windows @ _tail(middle, means, window_s, scatter)) > 1:
            low = middle
        else:
            high = middle
    return high


def _tail(level: float, means: _Floats, window_s: float, scatter: float) -> _Floats:
    """Return P(rps over the window > level) for each mean."""
    counts = means * window_s
    with_normal = ndtr(-(level * window_s - counts) / np.sqrt(scatter * counts))
    few = counts < _NORMAL_FROM
    if not few.any():
        return np.asarray(with_normal)
    # P(X > k) of a negative binomial of mean c and variance I c; I -> 1 is Poisson.
    excess = max(scatter, 1.0001) - 1
    exact = betainc(level * window_s + 1, counts / excess, excess / (1 + excess))
    return np.where(few, exact, with_normal)


def daily_maxima(demand: _Floats, start: int, resolution_s: int) -> list[tuple[int, float]]:
    """Return (start, highest rps) of each UTC day of which at least half was observed."""
    days = []
    last = start + (len(demand) - 1) * resolution_s
    midnights = np.arange(start // _DAY_S + 1, last // _DAY_S + 1) * _DAY_S
    edges = np.unique(-((start - midnights) // resolution_s))
    for part, first in zip(np.split(demand, edges), [0, *edges.tolist()], strict=True):
        observed = part[~np.isnan(part)]
        if len(observed) * resolution_s * 2 >= _DAY_S:
            midnight = (start + first * resolution_s) // _DAY_S * _DAY_S
            days.append((midnight, float(observed.max())))
    return days


def gumbel(maxima: list[float]) -> Gumbel | None:
    """Return the law of daily maxima; None with fewer than 14 of them."""
    if len(maxima) < FEWEST_DAYS:
        return None
    values = np.array(maxima)
    scale = float(np.std(values, ddof=1)) * math.sqrt(6) / math.pi
    return Gumbel(float(values.mean()) - _EULER * scale, scale, len(maxima))
