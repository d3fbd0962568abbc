"""Universal scalability law: what N replicas (or cores) serve together, and how sure that is.

    X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1))      0 <= alpha <= 1, beta >= 0, gamma > 0
    N_max = sqrt((1 - alpha) / beta)     X_max = X(floor(N_max))     X_limit = gamma / alpha
    N(X): the smaller root of  beta X N^2 + (alpha X - beta X - gamma) N + X (1 - alpha) = 0
    R(N) = N / X(N)

| symbol | meaning | unit |
|---|---|---|
| X | throughput | requests/s |
| N | replicas, cores or clients | count |
| alpha | contention: share of the work that waits for one | fraction |
| beta | coherency: share of the work that waits for every other | fraction |
| gamma | throughput of one | requests/s |
| R | time in the system, of N clients | seconds |

Fitted by least squares within the bounds, parameters scaled by their start (gamma_0 = max X/N,
alpha 0.01, beta 1e-4). Intervals are +- t_(0.975, n - 3) sqrt(diag(s^2 (J'J)^-1)) with
s^2 = SSR / (n - 3); a parameter at its bound has none, because there no normal law holds.

**Identified** means: six points or more, at least four counts, and counts that reach half of
N_max. A fit that is not identified decides nothing. Over the *connections* of one saturated pod
the law says nothing of pods: one closed-loop core has alpha of about 0.87.

Worked (specsdm91, SPEC SDM 1991 on a Sun server, seven points): alpha 0.027728, beta 0.00010437,
gamma 89.995, N_max 96.52, X_max 1884, X_limit 3245.6. Known to be wrong and not used as oracles:
usl4j's latencyAtThroughput, concurrencyAtThroughput and throughputAtLatency; the confidence
intervals of R's usl.

Source: N. J. Gunther, Guerrilla Capacity Planning, 2007; data of R's usl package.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import stdtrit

_Floats = NDArray[np.float64]

MIN_POINTS = 6
MIN_COUNTS = 4
_AT_BOUND = 1e-6
# A parameter this close to its bound, in units of its start value, is held there.


@dataclass(frozen=True, slots=True)
class ScalingLaw:
    """A fitted law; made by `fit`."""

    contention: float
    """alpha."""
    coherency: float
    """beta."""
    single_rps: float
    """gamma."""
    contention_range: tuple[float, float] | None
    """95 % interval; None at the bound or with fewer than four points."""
    coherency_range: tuple[float, float] | None
    single_range: tuple[float, float] | None
    not_identified: str | None
    """Why the points do not tell these parameters apart; None where they do."""

    @property
    def best_count(self) -> float:
        """N_max: more than this serve less together; infinite without coherency."""
        if self.coherency <= 0:
            return math.inf
        return math.sqrt((1 - self.contention) / self.coherency)

    @property
    def highest_rps(self) -> float:
        """X_max at a whole count; the limit gamma / alpha (or infinite) without coherency."""
        if math.isinf(self.best_count):
            return self.single_rps / self.contention if self.contention > 0 else math.inf
        return self.rps_of(max(1, math.floor(self.best_count)))

    def rps_of(self, count: float) -> float:
        """Return X(N)."""
        return self.single_rps * count / self._slowdown(count)

    def count_for(self, rps: float) -> float | None:
        """Return the smallest N with X(N) = rps; None where no count serves so much."""
        if rps <= 0:
            return 0.0
        a = self.coherency * rps
        b = self.contention * rps - self.coherency * rps - self.single_rps
        c = rps * (1 - self.contention)
        if a == 0:
            return c / -b if b < 0 else None
        under_root = b * b - 4 * a * c
        if under_root < 0 or b >= 0:
            return None
        # 2c / (-b + root) is the smaller root without the cancellation of (-b - root) / 2a.
        return 2 * c / (-b + math.sqrt(under_root))

    def time_of(self, count: float) -> float:
        """Return R(N) in seconds for N clients."""
        return self._slowdown(count) / self.single_rps

    def _slowdown(self, count: float) -> float:
        return 1 + self.contention * (count - 1) + self.coherency * count * (count - 1)


def fit(counts: Sequence[float], rps: Sequence[float]) -> ScalingLaw:
    """Return the law through these points (at least three), in any order."""
    order = np.lexsort((np.asarray(rps), np.asarray(counts)))
    n, x = np.asarray(counts, float)[order], np.asarray(rps, float)[order]
    assert len(n) >= 3, "three parameters need three points"
    scale = np.array([0.01, 1e-4, float(np.max(x / n))])

    def residuals(parameters: _Floats) -> _Floats:
        alpha, beta, gamma = parameters * scale
        return np.asarray(gamma * n / (1 + alpha * (n - 1) + beta * n * (n - 1)) - x)

    found = least_squares(
        residuals,
        x0=np.ones(3),
        bounds=([0, 0, 1e-9], [1 / scale[0], np.inf, np.inf]),
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=5_000,
    )
    at_bound = found.x < [_AT_BOUND, _AT_BOUND, 0]
    alpha, beta, gamma = (float(value) for value in np.where(at_bound, 0.0, found.x) * scale)
    errors = _errors(np.asarray(found.jac), residuals(found.x), at_bound) * scale
    ranges = [
        None if np.isnan(error) else (middle - float(error), middle + float(error))
        for middle, error in zip((alpha, beta, gamma), errors, strict=True)
    ]
    law = ScalingLaw(alpha, beta, gamma, ranges[0], ranges[1], ranges[2], not_identified=None)
    return replace(law, not_identified=_doubt(n, law))


def _errors(jacobian: _Floats, residuals: _Floats, at_bound: NDArray[np.bool_]) -> _Floats:
    """Return the half-widths of the 95 % intervals, shape (3,); NaN where there is none."""
    freedom = len(residuals) - 3
    result = np.full(3, np.nan)
    if freedom >= 1:
        free = ~at_bound
        information = jacobian[:, free].T @ jacobian[:, free]
        variance = float(residuals @ residuals) / freedom
        spread = np.sqrt(variance * np.diag(np.linalg.pinv(information)))
        result[free] = float(stdtrit(freedom, 0.975)) * spread
    return result


def _doubt(counts: _Floats, law: ScalingLaw) -> str | None:
    distinct = len(np.unique(counts))
    if len(counts) < MIN_POINTS or distinct < MIN_COUNTS:
        return f"{len(counts)} points at {distinct} counts, of {MIN_POINTS} at {MIN_COUNTS} needed"
    if counts.max() < law.best_count / 2 and math.isfinite(law.best_count):
        return (
            f"points up to {counts.max():g}, less than half of the best count {law.best_count:.0f}"
        )
    return None
