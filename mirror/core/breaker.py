"""The circuit breaker: whether the shadow gets any legs now.

    CLOSED     every leg is admitted
    OPEN       no leg is admitted until the back-off is over
    HALF_OPEN  PROBES legs at a time are admitted; that many answers in a row close the breaker, and
               one failure opens it again

The breaker opens after a number of consecutive failures, or when too large a share of the legs of
the last `window_s` fails. An answer is no failure, whatever its status: the shadow is reachable,
and the ramp judges its 5xx (docs/adr/0013). A leg that we abort counts neither way. Invariant: the
outcome of a leg that started in an earlier state changes nothing, so the stragglers of an outage
cannot reverse a later decision. The back-off doubles while openings follow each other. It is drawn
from the upper half of its range by the injected `random`, so that workers do not probe in step and
tests are repeatable.
"""

import math
from collections import deque
from collections.abc import Callable

CLOSED = 0
HALF_OPEN = 1
OPEN = 2
STATES = ("closed", "half_open", "open")

PROBES = 3
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 10.0
REFUSED_WAIT_S = 60.0
"""Wait after the shadow answered a probe as something that must not get mirrored requests. It is
long because that server may write each probe into its access log."""
_SLOTS = 10
"""Number of parts of the window; each new part replaces the oldest."""
_NO_LIMIT = 1 << 30


class Breaker:
    """The breaker of one worker."""

    __slots__ = (
        "_calm_from",
        "_failed",
        "_failures",
        "_good_probes",
        "_min_requests",
        "_most_failed_ratio",
        "_most_failures",
        "_random",
        "_retry_at",
        "_slot_ends_at",
        "_slots",
        "_total",
        "_under_way",
        "_wait_s",
        "_window_failed",
        "_window_s",
        "_window_total",
        "cause",
        "changed",
        "generation",
        "state",
    )

    def __init__(
        self,
        failures: int,
        failure_ratio: float,
        window_s: float,
        min_requests: int,
        random: Callable[[], float],
    ) -> None:
        """`random` draws from 0 to 1. The ratio counts once a window has `min_requests` legs."""
        self.changed: Callable[[], None] = lambda: None
        """Called after every change of `state`."""
        self._most_failures = failures
        self._most_failed_ratio = failure_ratio
        self._window_s = window_s
        self._min_requests = min_requests
        self._random = random
        self.state = CLOSED
        self.cause = ""
        """Why it last opened."""
        self.generation = 0
        """The generation of legs that start now; it grows with every change of state."""
        self._failures = 0
        """Consecutive failures."""
        self._total = 0
        """Legs that ended in the current slot of the window."""
        self._failed = 0
        self._slots: deque[tuple[int, int]] = deque()
        """Total and failed legs of the earlier slots."""
        self._window_total = 0
        self._window_failed = 0
        self._slot_ends_at = 0.0
        self._under_way = 0
        """Probes without an outcome."""
        self._good_probes = 0
        self._wait_s = 0.0
        self._retry_at = 0.0
        self._calm_from = 0.0
        """An opening after this time begins with the first wait again."""

    def most(self, now: float) -> int:
        """Return how many legs may start now; call it before `started`."""
        if self.state == CLOSED:
            return _NO_LIMIT
        if self.state == OPEN:
            if now < self._retry_at:
                return 0
            self._change(HALF_OPEN)
        return PROBES - self._under_way

    def started(self, legs: int) -> None:
        """Record that legs started, in the current `generation`."""
        if self.state == HALF_OPEN:
            self._under_way += legs

    def answered(self, generation: int) -> None:
        """Record that a leg of this generation was answered, with any status."""
        if generation != self.generation:
            return
        if self.state == CLOSED:
            self._failures = 0
            self._total += 1
            return
        self._under_way -= 1
        self._good_probes += 1
        if self._good_probes == PROBES:
            self._calm_from = math.inf  # until the next tick says when that is
            self._forget()
            self._change(CLOSED)

    def aborted(self, generation: int) -> None:
        """Record that we cut a leg of this generation for a reason other than its timeout."""
        if generation == self.generation and self.state == HALF_OPEN:
            self._under_way -= 1

    def failed(self, generation: int, outcome: str, now: float) -> None:
        """Record that a leg of this generation got no answer."""
        if generation != self.generation:
            return
        if self.state == HALF_OPEN:
            self._open(f"a probe ended as {outcome}", now)
            return
        self._failures += 1
        self._total += 1
        self._failed += 1
        failed = self._window_failed + self._failed
        total = self._window_total + self._total
        if self._failures >= self._most_failures:
            self._open(f"{self._failures} legs in a row failed, the last as {outcome}", now)
        elif total >= self._min_requests and failed >= self._most_failed_ratio * total:
            self._open(f"{failed} of the last {total} legs failed, the last as {outcome}", now)

    def refused(self, cause: str, now: float) -> None:
        """Open at once: the shadow must not get any legs."""
        if self.state != OPEN:
            self._open_for(REFUSED_WAIT_S, cause, now)

    def tick(self, now: float) -> None:
        """Advance the window, by at most a tenth of it per call."""
        if self._calm_from == math.inf:
            self._calm_from = now + self._window_s
        if now < self._slot_ends_at:
            return
        self._slot_ends_at = now + self._window_s / _SLOTS
        self._slots.append((self._total, self._failed))
        self._window_total += self._total
        self._window_failed += self._failed
        self._total = self._failed = 0
        if len(self._slots) >= _SLOTS:
            total, failed = self._slots.popleft()
            self._window_total -= total
            self._window_failed -= failed

    def _open(self, cause: str, now: float) -> None:
        is_again = self.state == HALF_OPEN or now < self._calm_from
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S) if is_again else FIRST_WAIT_S
        self._open_for(self._wait_s, cause, now)

    def _open_for(self, wait_s: float, cause: str, now: float) -> None:
        self._retry_at = now + wait_s * (0.5 + 0.5 * self._random())
        self.cause = cause
        self._change(OPEN)

    def _forget(self) -> None:
        self._failures = self._total = self._failed = 0
        self._window_total = self._window_failed = 0
        self._slots.clear()

    def _change(self, state: int) -> None:
        self.state = state
        self.generation += 1
        self._under_way = self._good_probes = 0
        self.changed()
