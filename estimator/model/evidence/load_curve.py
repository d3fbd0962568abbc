"""Cpu of one container as a function of rps per replica, inside the measured range.

Two steps. **Isotonic regression** (pool adjacent violators): rows at the same x are averaged, then
neighbours that fall are averaged until none does, because more rps never costs less cpu, and a row
that says so is noise. Two x within 2 % count as the same: no load generator reaches a rate to the
last digit twice, and the slope between two such rows is noise. Then **PCHIP**, the monotone
piecewise cubic of Fritsch and Carlson, goes through the means. SciPy calculates both.

    with h = x_(k+1) - x_k, m the slope at a row, t = (x - x_k) / h:
    y(x) =   y_k     (1 + 2t) (1 - t)^2  +  h m_k     t (1 - t)^2
           + y_(k+1) t^2 (3 - 2t)        -  h m_(k+1) t^2 (1 - t)

| symbol | meaning | unit |
|---|---|---|
| x | rps per replica | requests/s |
| y | cpu of one container of one replica | millicores |
| m | slope of the curve at a row | millicores per rps |

The curve is valid from the smallest to the largest measured x. Below, the cpu of the smallest row
stands: an upper bound, because the curve rises. Above, prediction.py extrapolates with bounds.

Worked: through (0, 0), (1, 1), (3, 2) the slopes are 7/6, 9/13 and 1/6; y(0.5) = 0.559295 and
y(2) = 1.631410. On 20 Istio load series PCHIP met left-out rows with a median error of 4.1 %,
straight lines between rows with 6.5 %, one fitted line with 11.4 %.

Sources: F. N. Fritsch, R. E. Carlson, SIAM J. Numer. Anal. 17 (1980) 238; weights of F. N. Fritsch,
J. Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300. `scipy.interpolate.PchipInterpolator`,
`scipy.optimize.isotonic_regression`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.optimize import isotonic_regression

from estimator.model.figure import digits
from estimator.table.same_load import load_starts

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LoadCurve:
    """A fitted curve. `fit` makes it."""

    x: _Floats
    """Shape (n,), rps per replica, strictly rising, n >= 1."""
    y: _Floats
    """Shape (n,), millicores, never falling."""
    cubic: PchipInterpolator | None
    """The curve through the rows; None with a single row."""

    @property
    def lowest_rps(self) -> float:
        return float(self.x[0])

    @property
    def highest_rps(self) -> float:
        return float(self.x[-1])

    def millicores_at(self, rps: float) -> float:
        """Return the cpu at this rps per replica; below the range, the cpu of the lowest row.

        Raises AssertionError above the range, which is a bug of the caller.
        """
        assert rps <= self.highest_rps, f"{rps} rps is above the curve, {self.highest_rps}"
        if rps <= self.lowest_rps:
            return float(self.y[0])
        return float(self.millicores_at_each([rps])[0])

    def millicores_at_each(self, rps: ArrayLike) -> _Floats:
        """Return the cpu at each rps per replica, with the values of the ends outside the range."""
        points = np.clip(np.asarray(rps, dtype=np.float64), self.lowest_rps, self.highest_rps)
        if self.cubic is None:
            return np.full(points.shape, self.y[0])
        row = np.clip(np.searchsorted(self.x, points, side="left") - 1, 0, len(self.x) - 2)
        # Rounding may leave the interval by an ulp, and miss the last row by one; the mathematics
        # never does.
        value = np.clip(self.cubic(points), self.y[row], self.y[row + 1])
        return np.where(points == self.highest_rps, self.y[-1], value)

    def arithmetic_at(self, rps: float) -> tuple[str, str]:
        """Return the formula for the cpu at this rps, and the same with its numbers."""
        if rps <= self.lowest_rps or self.cubic is None:
            return "c(x) = y of the smallest row", digits(float(self.y[0]))
        row = min(int((self.x < rps).sum()) - 1, len(self.x) - 2)
        slopes = self.cubic(self.x, nu=1)
        width = float(self.x[row + 1] - self.x[row])
        h, t = digits(width), digits((rps - float(self.x[row])) / width)
        y0, y1 = (digits(float(value)) for value in self.y[row : row + 2])
        m0, m1 = (digits(float(value)) for value in slopes[row : row + 2])
        formula = (
            "y_k (1 + 2t) (1 - t)^2 + h m_k t (1 - t)^2 + y_(k+1) t^2 (3 - 2t)"
            " - h m_(k+1) t^2 (1 - t), t = (x - x_k) / h"
        )
        numbers = (
            f"{y0} * (1 + 2 * {t}) * (1 - {t})^2 + {h} * {m0} * {t} * (1 - {t})^2"
            f" + {y1} * {t}^2 * (3 - 2 * {t}) - {h} * {m1} * {t}^2 * (1 - {t})"
        )
        return formula, numbers

    def highest_rps_within(self, millicores: float) -> float | None:
        """Return the largest rps per replica in range whose cpu is at most this, by bisection.

        Returns None if even the lowest row uses more.
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
    """Return the curve through at least one row; the rows may come in any order."""
    x, y = isotonic_means(rps, millicores)
    return LoadCurve(x, y, PchipInterpolator(x, y) if len(x) > 1 else None)


def isotonic_means(rps: ArrayLike, millicores: ArrayLike) -> tuple[_Floats, _Floats]:
    """Return the mean x of the rows at the same rps, rising, and least-squares y that never fall.

    Worked: y = 1, 3, 2, 4 at x = 1, 2, 3, 4 becomes 1, 2.5, 2.5, 4.
    """
    # Nobody measures to a billionth, and much smaller steps would overflow as divisors.
    x = np.asarray(rps, dtype=np.float64).round(9)
    y = np.asarray(millicores, dtype=np.float64).round(9)
    # Sorted, so that the order of the rows cannot change the last bit of a sum.
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    starts = load_starts(x.tolist())
    sizes = np.diff([*starts, len(x)])
    means = np.add.reduceat(y, starts) / sizes
    fitted = isotonic_regression(means, weights=sizes)
    return np.add.reduceat(x, starts) / sizes, fitted.x
