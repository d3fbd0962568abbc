"""How the ratio rises to its target, and when it falls back.

The ratio rises in equal steps of equal length. Once a second the ramp judges the last WINDOW_S
seconds of the shadow, or the whole step where those have too few legs. When a limit is exceeded,
the ratio falls to half of the steps it had climbed, stays there for `hold_s` and rises again:
additive increase and multiplicative decrease, as in TCP, so that it settles below what the shadow
can take. The ramp keeps judging at the top.

Invariant: the ratio is always one of the steps. A step with fewer than MIN_ATTEMPTS neither raises
nor lowers it, because a quiet night proves nothing.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from mirror.core import ledger
from mirror.core.budget import BREAKER_OPEN, WAITING_FULL
from mirror.core.latency import Buckets, add_buckets, percentile_us
from mirror.core.ledger import Counts

WINDOW_S = 10
SETTLE_S = 5.0
"""After a change, legs that end within this time belong to the old ratio and are not judged."""
MIN_ATTEMPTS = 100

ERRORS = "errors"
TIMEOUTS = "timeouts"
LATENCY = "latency"
REASONS = (ERRORS, TIMEOUTS, LATENCY)

_ERROR_OUTCOMES = frozenset(
    {
        *("5xx", ledger.CONNECT_FAILED, ledger.TARGET_REFUSED),
        *(ledger.RESET, ledger.PROTOCOL_ERROR, ledger.WORKER_LOST),
    }
)
_REFUSALS = frozenset({BREAKER_OPEN, ledger.TARGET_REFUSED, WAITING_FULL})


@dataclass(frozen=True, slots=True)
class ShadowLimits:
    """What the shadow may show before the ratio falls back."""

    error_ratio: float
    """Share of attempts that were answered 5xx, not answered, or shed because the shadow failed."""
    timeout_ratio: float
    p99_s: float
    """99th percentile of the latency of answered legs."""


@dataclass(slots=True)
class Health:
    """The shadow's results over some seconds."""

    attempts: int = 0
    """Shadow legs that ended, or that were shed because the shadow failed."""
    errors: int = 0
    timeouts: int = 0
    latency: Buckets = field(default_factory=dict)

    def add(self, other: "Health") -> None:
        self.attempts += other.attempts
        self.errors += other.errors
        self.timeouts += other.timeouts
        add_buckets(self.latency, other.latency)

    def exceeds(self, limits: ShadowLimits) -> tuple[str, str] | None:
        """Return the first exceeded limit and a description; None if none is exceeded."""
        for reason, number, most in (
            (ERRORS, self.errors, limits.error_ratio),
            (TIMEOUTS, self.timeouts, limits.timeout_ratio),
        ):
            if number > most * self.attempts:
                share = number / self.attempts
                return reason, f"{reason}: {share:.1%} of {self.attempts} legs, limit {most:.1%}"
        p99_s = percentile_us(self.latency, 0.99) / 1e6 if self.latency else 0.0
        if p99_s > limits.p99_s:
            return LATENCY, f"{LATENCY}: p99 {p99_s:.3f} s, limit {limits.p99_s:g} s"
        return None


def health_of(counts: Counts, latencies: Mapping[tuple[str, str], Buckets]) -> Health:
    """Return the shadow's health in the seconds of these counts."""
    health = Health()
    for (metric, _, label), number in counts.items():
        if metric == ledger.SHADOW_REQUESTS and label != ledger.ABORTED:
            health.attempts += number
            health.errors += number * (label in _ERROR_OUTCOMES)
            health.timeouts += number * (label == ledger.TIMEOUT)
        elif metric == ledger.SHED and label in _REFUSALS:
            health.attempts += number
            health.errors += number
    for (metric, _), buckets in latencies.items():
        if metric == ledger.SHADOW_LATENCY:
            add_buckets(health.latency, buckets)
    return health


class Ramp:
    """One ramp; `tick` it once a second."""

    def __init__(
        self,
        ratios: tuple[float, float],
        duration_s: float,
        steps: int,
        limits: ShadowLimits,
        hold_s: float,
    ) -> None:
        """Rise from the first ratio to the second in `steps` steps, which together take
        `duration_s`."""
        self._ratios = ratios
        self._steps = steps
        self._step_s = duration_s / steps
        self._limits = limits
        self._hold_s = hold_s
        self._step = 0
        self._climbs_at: float | None = None
        self._settled_at = 0.0
        self._window: deque[Health] = deque(maxlen=WINDOW_S)
        self._in_step = Health()
        self.is_holding = False
        """Whether the ratio fell back and waits."""
        self.fallbacks = dict.fromkeys(REASONS, 0)
        """Number of falls, by reason."""
        self.last_fall = ""
        """The reason of the last fall, in words."""

    @property
    def ratio(self) -> float:
        first, last = self._ratios
        return first + (last - first) * self._step / self._steps

    @property
    def is_at_top(self) -> bool:
        return self._step == self._steps

    def tick(self, now_s: float, second: Health) -> str | None:
        """Judge one more second; return what changed in words, or None. The first call starts the
        ramp."""
        if self._climbs_at is None:
            self._climbs_at = now_s + self._step_s
        if now_s < self._settled_at:
            return None
        self._window.append(second)
        self._in_step.add(second)
        health = Health()
        for judged in self._window:
            health.add(judged)
        if health.attempts < MIN_ATTEMPTS:
            health = self._in_step
        if health.attempts < MIN_ATTEMPTS:
            return None
        exceeded = health.exceeds(self._limits)
        if exceeded is not None and not (self.is_holding and self._step == 0):
            return self._fall(now_s, *exceeded)
        if now_s >= self._climbs_at and exceeded is None and not self.is_at_top:
            return self._climb(now_s)
        return None

    def _fall(self, now_s: float, reason: str, words: str) -> str:
        before = self.ratio
        self._step //= 2
        self._enter(now_s, self._hold_s)
        self.is_holding = True
        self.fallbacks[reason] += 1
        self.last_fall = words
        how = f"falls from {before:g} to" if self.ratio < before else "stays at"
        return f"ratio {how} {self.ratio:g} ({words}), for {self._hold_s:g} s"

    def _climb(self, now_s: float) -> str:
        self._step += 1
        self._enter(now_s, self._step_s)
        self.is_holding = False
        return f"ratio climbs to {self.ratio:g}"

    def _enter(self, now_s: float, stay_s: float) -> None:
        self._climbs_at = now_s + stay_s
        self._settled_at = now_s + SETTLE_S
        self._window.clear()
        self._in_step = Health()
