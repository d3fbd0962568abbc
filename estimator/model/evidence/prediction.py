"""A load curve with its error: bounds inside the rows, bounded extrapolation beyond them.

**Inside** the rows the bounds are relative margins on the curve. Each row is left out in turn, the
curve is fitted to the others, and e_i = (y_i - y_(-i)(x_i)) / max(y_(-i)(x_i), y_max / 20) is kept
where the others enclose x_i. (The floor keeps rows next to idle, where one millicore may be half of
the value, from deciding for the peak.)

    m >= 9 rows (at confidence 0.9):  margin = the ceil(q (m + 1))-th smallest e   (conformal)
    1 <= m < that:  margin = t_(q, m + v) s sqrt(1 + 1 / (m + v))
                    s^2 = (sum e_i^2 + v s_0^2) / (m + v)       v = 1, s_0 = 0.061
    m = 0:          the assumed margin of the policy, and no interval

Few left-out rows may agree by chance. One more residual therefore joins them, with the error of 20
Istio load series (median 4.1 %, which is 0.061 as a standard deviation).

**Beyond** the largest row x_n, up to `limit` times it:

    value = y_n (x / x_n)^p, but between y_n + d_low (x - x_n) and y_n + d_high (x - x_n)
    high  = (y_n + d_high (x - x_n)) (1 + margin) + r(x) - r(x_n)
    low   = min(y_n (x / x_n)^0.75, y_n + d_low (x - x_n)) (1 - margin) - r(x) + r(x_n)
    r(x)  = t_(q, n-2) s sqrt(v(x))

p is the slope of the last four loads in logarithms. d_low and d_high are the two slopes that rows
can be continued with: of the last segment, and of the least-squares line weighted by 1/x (variance
grows with x; x floored at a twentieth of the largest), with intercept and slope held at 0 or above.
r is the reach of that line's prediction interval. The lower bound rises no faster than the flattest
power of 20 Istio load series. Nothing jumps at the last row. ADR 36 has the errors of this and of
other ways. Further out there is no evidence, and asking is a bug of the caller.

| symbol | meaning | unit |
|---|---|---|
| x, y | rps and cpu (or latency) of one replica | requests/s, millicores (ms) |
| q | confidence of each bound by itself | fraction |
| t_(q, k) | q quantile of Student's t with k degrees of freedom | |

Worked: rows (100, 100), (300, 300), (500, 500): one row can be left out, with e = 0;
s = sqrt(0.061^2 / 2) = 0.0431, t_(0.9, 2) = 1.8856, margin = 0.0431 * 1.8856 * sqrt(3/2) = 0.0996.

Sources: leave-one-out conformal, R. Barber et al., Ann. Statist. 49 (2021) 486; the prediction
interval of a weighted line is in any textbook on regression.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from estimator.model.evidence import load_curve
from estimator.model.evidence.load_curve import LoadCurve
from estimator.model.figure import digits

_Floats = NDArray[np.float64]

PRIOR_RESIDUALS = 1
PRIOR_ERROR = 0.061
"""Standard deviation of the relative error of left-out rows on 20 Istio load series."""
MOST_LEFT_OUT = 400
"""Most rows that are left out in turn; more would not change the rank of an error."""
_LOWEST_WEIGHT_SHARE = 0.05
# Without this floor an idle row would have an infinite weight and determine the line alone.
_LAST_LOADS = 4
# Fewer follow their noise, more the bend of the curve at small loads.
_FLATTEST_POWER = 0.75
# Of 20 Istio load series.
_NOTHING = 1e-9
# The load curve rounds to this; a value of 0 has no relative error.
_ONE_X_SHARE = 1e-6
# Rows this close together count as one x: their slope would be rounding noise, or divide by zero.


@dataclass(frozen=True, slots=True)
class Confidence:
    """The required confidence of bounds, and the limit of extrapolation."""

    share: float = 0.9
    """The share of new measurements below `high`, and the share above `low`."""
    limit: float = 1.5
    """The limit of extrapolation as a multiple of the largest row."""
    assumed_margin: float = 0.2
    """Relative margin where no row can be left out."""


@dataclass(frozen=True, slots=True)
class Band:
    """A predicted value with its bounds."""

    value: float
    low: float
    high: float
    is_extrapolated: bool


@dataclass(frozen=True, slots=True)
class _Line:
    """A weighted least-squares line a + b x with the terms of its prediction interval."""

    intercept: float
    slope: float
    spread: float
    """s, the standard deviation of a residual at x = 1."""
    covariance: tuple[float, float, float]
    """Variance of the intercept, covariance, variance of the slope; all over s^2."""
    quantile: float
    floor: float

    def reach(self, x: _Floats) -> _Floats:
        """Return how far the prediction interval reaches from the line."""
        c00, c01, c11 = self.covariance
        variance = np.maximum(x, self.floor) + c00 + 2 * c01 * x + c11 * x * x
        return np.asarray(self.quantile * self.spread * np.sqrt(variance))


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A load curve with its error, created by `predict`."""

    curve: LoadCurve
    margin_up: float
    """The relative margin above the curve, at least 0."""
    margin_down: float
    """The relative margin below the curve, from 0 to 1."""
    evidence: str
    """How the margins were determined, in words."""
    has_interval: bool
    """False if an assumed margin stands in."""
    power: float
    """The exponent of the continuation."""
    slopes: tuple[float, float]
    """The slopes of the two lines between which it stays."""
    line: _Line | None
    limit_rps: float
    """The largest rps per replica of an extrapolation."""

    def at(self, rps: float) -> Band:
        """Return the prediction at an rps per replica from 0 to `limit_rps`."""
        value, low, high = self.at_each([rps])
        is_beyond = rps > self.curve.highest_rps
        return Band(float(value[0]), float(low[0]), float(high[0]), is_beyond)

    def at_each(self, rps: ArrayLike) -> tuple[_Floats, _Floats, _Floats]:
        """Return value, low and high at each rps; raise AssertionError beyond `limit_rps`."""
        x = np.asarray(rps, dtype=np.float64)
        assert x.max(initial=0) <= self.limit_rps, f"{x.max()} rps is beyond {self.limit_rps}"
        last_x, last_y = self.curve.highest_rps, float(self.curve.y[-1])
        value = self.curve.millicores_at_each(np.minimum(x, last_x))
        beyond = x > last_x
        low, high = value * (1 - self.margin_down), value * (1 + self.margin_up)
        if beyond.any():
            further = np.maximum(x, last_x)
            slowest, fastest = (last_y + slope * (further - last_x) for slope in self.slopes)
            ratio = further / last_x if last_x > 0 else np.ones_like(further)
            value = np.where(beyond, np.clip(last_y * ratio**self.power, slowest, fastest), value)
            reach = np.zeros_like(further)
            if self.line is not None:
                end = np.full_like(further, last_x)
                # The reach may shrink first, where the last row lies left of the centre of all.
                reach = np.maximum(0, self.line.reach(further) - self.line.reach(end))
            flattest = np.minimum(last_y * ratio**_FLATTEST_POWER, slowest)
            low = np.where(beyond, np.maximum(0, flattest * (1 - self.margin_down) - reach), low)
            high = np.where(beyond, fastest * (1 + self.margin_up) + reach, high)
        return value, low, high

    def arithmetic_at(self, rps: float) -> tuple[str, str]:
        """Return the formula of the predicted value at this rps, and the same with its numbers."""
        if rps <= self.curve.highest_rps:
            return self.curve.arithmetic_at(rps)
        last_x, last_y = digits(self.curve.highest_rps), digits(float(self.curve.y[-1]))
        slowest, fastest = (
            f"{last_y} + {digits(slope)} * ({digits(rps)} - {last_x})" for slope in self.slopes
        )
        power = f"{last_y} * ({digits(rps)} / {last_x})^{digits(self.power)}"
        formula = "c(x) = min(max(y_n (x / x_n)^p, y_n + d_low (x - x_n)), y_n + d_high (x - x_n))"
        return formula, f"min(max({power}, {slowest}), {fastest})"

    def highest_rps_within(self, budget: float) -> float | None:
        """Return the largest rps, within the rows, whose upper bound is within the budget.

        Returns None if the upper bound of the lowest row exceeds it. The result never lies
        beyond the rows: another replica costs less than trusting an extrapolation.
        """
        return self.curve.highest_rps_within(budget / (1 + self.margin_up))

    def expected_rps_within(self, budget: float, is_low: bool = False) -> float | None:
        """Return the largest rps for the curve itself or, with `is_low`, for the lower bound."""
        return self.curve.highest_rps_within(
            budget / (1 - self.margin_down) if is_low and self.margin_down < 1 else budget
        )


def predict(
    rps: Sequence[float], values: Sequence[float], confidence: Confidence | None = None
) -> Prediction:
    """Return the curve through at least one row, in any order, with its error."""
    confidence = confidence or Confidence()
    curve = load_curve.fit(rps, values)
    up, down, evidence = _margins(np.asarray(rps), np.asarray(values), confidence)
    line = _line(np.asarray(rps, float), np.asarray(values, float), confidence.share)
    slopes = [_last_slope(curve)] + ([] if line is None else [line.slope])
    return Prediction(
        curve=curve,
        margin_up=up,
        margin_down=down,
        evidence=evidence,
        has_interval=not evidence.startswith("assumed"),
        power=_power(curve),
        slopes=(min(slopes), max(slopes)),
        line=line,
        limit_rps=max(rps) * confidence.limit,
    )


def _last_slope(curve: LoadCurve) -> float:
    if len(curve.x) > 1:
        return float((curve.y[-1] - curve.y[-2]) / (curve.x[-1] - curve.x[-2]))
    # With one row cpu is assumed proportional to rps. It rises more slowly, so this errs upwards.
    return float(curve.y[0] / curve.x[0]) if curve.x[0] > 0 else 0.0


def _power(curve: LoadCurve) -> float:
    """Return the least-squares slope of the last four loads in logarithms; 1 for a single one."""
    positive = (curve.x > 0) & (curve.y > _NOTHING)
    x, y = np.log(curve.x[positive][-_LAST_LOADS:]), np.log(curve.y[positive][-_LAST_LOADS:])
    if len(x) < 2:
        return 1.0
    away = x - x.mean()
    return float(np.sum(away * y) / np.sum(away * away))


def left_out_errors(rps: _Floats, values: _Floats) -> _Floats:
    """Return the relative error of predicting each row from the others that enclose it, sorted."""
    errors = []
    # Sorted, so that the order of the rows cannot change the last bit of a sum.
    order = np.lexsort((values, rps))
    x, y = rps[order], values[order]
    floor = float(y.max()) * _LOWEST_WEIGHT_SHARE
    if floor <= _NOTHING:
        return np.array([])
    inner: Sequence[int] = range(len(x))
    if len(x) > MOST_LEFT_OUT:
        # Evenly spread, so that they come from all loads. The rank of an error among so many is
        # known well enough, and a fit for each row of a long table would take minutes.
        inner = np.linspace(0, len(x) - 1, MOST_LEFT_OUT).round().astype(int).tolist()
    for index in inner:
        others_x, others_y = np.delete(x, index), np.delete(y, index)
        if len(others_x) < 2 or not others_x[0] <= x[index] <= others_x[-1]:
            continue
        curve = load_curve.fit(others_x, others_y)
        expected = curve.millicores_at(min(float(x[index]), curve.highest_rps))
        errors.append((float(y[index]) - expected) / max(expected, floor))
    return np.sort(np.array(errors))


def _margins(rps: _Floats, values: _Floats, confidence: Confidence) -> tuple[float, float, str]:
    errors = left_out_errors(rps, values)
    count, share = len(errors), confidence.share
    if count == 0:
        margin = confidence.assumed_margin
        return margin, min(margin, 1.0), f"assumed: too few rows to leave one out, {margin:.0%}"
    rank = math.ceil(share * (count + 1))
    if rank <= count:
        up = max(0.0, float(errors[rank - 1]))
        down = min(1.0, max(0.0, float(-errors[count - rank])))
        return up, down, f"{share:.0%} of {count} rows, each left out in turn"
    freedom = count + PRIOR_RESIDUALS
    squares = float(np.sum(errors**2)) + PRIOR_RESIDUALS * PRIOR_ERROR**2
    spread = math.sqrt(squares / freedom)
    margin = float(stdtrit(freedom, share)) * spread * math.sqrt(1 + 1 / freedom)
    origin = f"{count} row(s) left out in turn, joined by the usual error of such curves"
    return margin, min(margin, 1.0), origin


def _line(x: _Floats, y: _Floats, share: float) -> _Line | None:
    """Return the weighted line; None with fewer than three rows or a single x."""
    if len(x) < 3 or x.max() - x.min() <= _ONE_X_SHARE * x.max():
        return None
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    floor = float(x.max()) * _LOWEST_WEIGHT_SHARE
    weight = 1 / np.maximum(x, floor)
    s0, s1, s2 = (float(np.sum(weight * x**power)) for power in (0, 1, 2))
    t0, t1 = float(np.sum(weight * y)), float(np.sum(weight * x * y))
    determinant = s0 * s2 - s1 * s1
    intercept, slope = (s2 * t0 - s1 * t1) / determinant, (s0 * t1 - s1 * t0) / determinant
    if intercept < 0:
        intercept, slope = 0.0, t1 / s2
    elif slope < 0:
        intercept, slope = t0 / s0, 0.0
    freedom = len(x) - 2
    residual = y - intercept - slope * x
    spread = math.sqrt(float(np.sum(weight * residual**2)) / freedom)
    covariance = (s2 / determinant, -s1 / determinant, s0 / determinant)
    return _Line(intercept, slope, spread, covariance, float(stdtrit(freedom, share)), floor)
