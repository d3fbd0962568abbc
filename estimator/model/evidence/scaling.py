"""Universal scalability law: what N replicas (or cores) serve together.

    X(N) = gamma N / (1 + alpha (N - 1) + beta N (N - 1))      0 <= alpha <= 1, beta >= 0, gamma > 0
    N_max = sqrt((1 - alpha) / beta)     X_max = X(floor(N_max))     X_limit = gamma / alpha

| symbol | meaning | unit |
|---|---|---|
| X | throughput | requests/s |
| N | replicas, cores or clients | count |
| alpha | contention: share of the work that waits for one | fraction |
| beta | coherency: share of the work that waits for every other | fraction |
| gamma | throughput of one | requests/s |

The fit is a least-squares fit within the bounds, with parameters scaled by their start (gamma_0 =
max X/N, alpha 0.01, beta 1e-4).

The law is **identified** by six points or more, at four counts or more that reach half of N_max. A
fit that is not identified decides nothing. A law over the *connections* of one saturated pod says
nothing about pods: one closed-loop core has an alpha of about 0.87.

Worked (specsdm91, SPEC SDM 1991 on a Sun server, seven points): alpha 0.027728, beta 0.00010437,
gamma 89.995, N_max 96.52, X_max 1884, X_limit 3245.6.

Source: N. J. Gunther, Guerrilla Capacity Planning, 2007; data of R's usl package.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

_Floats = NDArray[np.float64]

MIN_POINTS = 6
MIN_COUNTS = 4
_AT_BOUND = 1e-6
# A parameter this close to its bound, in units of its start value, is held there.


@dataclass(frozen=True, slots=True)
class ScalingLaw:
    """A fitted law. `fit` makes it."""

    contention: float
    """alpha."""
    coherency: float
    """beta."""
    single_rps: float
    """gamma."""
    not_identified: str | None
    """Why the points do not identify the parameters; None if they do."""

    @property
    def best_count(self) -> float:
        """N_max: more replicas than this serve less; infinite without coherency."""
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
        slowdown = 1 + self.contention * (count - 1) + self.coherency * count * (count - 1)
        return self.single_rps * count / slowdown


def fit(counts: Sequence[float], rps: Sequence[float]) -> ScalingLaw:
    """Return the law through these points (at least three), in any order."""
    order = np.lexsort((np.asarray(rps), np.asarray(counts)))
    n, x = np.asarray(counts, float)[order], np.asarray(rps, float)[order]
    assert len(n) >= 3, "three parameters need three points"
    scale = np.array([0.01, 1e-4, float(np.max(x / n))])

    def residuals(parameters: _Floats) -> _Floats:
        alpha, beta, gamma = parameters * scale
        return np.asarray(gamma * n / (1 + alpha * (n - 1) + beta * n * (n - 1)) - x)

    solution = least_squares(
        residuals,
        x0=np.ones(3),
        bounds=([0, 0, 1e-9], [1 / scale[0], np.inf, np.inf]),
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=5_000,
    )
    at_bound = solution.x < [_AT_BOUND, _AT_BOUND, 0]
    alpha, beta, gamma = (float(value) for value in np.where(at_bound, 0.0, solution.x) * scale)
    law = ScalingLaw(alpha, beta, gamma, not_identified=None)
    return replace(law, not_identified=_doubt(n, law))


def _doubt(counts: _Floats, law: ScalingLaw) -> str | None:
    distinct = len(np.unique(counts))
    if len(counts) < MIN_POINTS or distinct < MIN_COUNTS:
        return f"{len(counts)} points at {distinct} counts, of {MIN_POINTS} at {MIN_COUNTS} needed"
    if counts.max() < law.best_count / 2 and math.isfinite(law.best_count):
        return (
            f"points up to {counts.max():g}, less than half of the best count {law.best_count:.0f}"
        )
    return None
