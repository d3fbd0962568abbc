"""Whether the shadow is sent anything now: closed, open after failures, half-open to probe.

    CLOSED     every leg is admitted
    OPEN       none is, until a back-off is over
    HALF_OPEN  PROBES legs at a time are; as many answers in a row close it, one failure opens it

It opens when so many legs in a row fail, or when too large a share of the last `window_s` does.
An answer is no failure, whatever its status: the shadow is there, its 5xx are counted and are the
ramp's to judge (docs/adr/0013). A leg that we abort says nothing either way.
Keeps: what a leg of an earlier state brings changes nothing, so that the stragglers of an outage
neither open nor close what was decided since. The back-off doubles while openings follow each
other, and is drawn from its upper half by the `random` handed in, so that no two workers probe in
step and a test repeats it.
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
_SLOTS = 10
"""Parts of the window; with each the oldest is forgotten."""
_NO_LIMIT = 1 << 30


class Breaker:
    """The state of one worker's shadow."""

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
        """`random` draws from 0 to 1. A ratio counts from `min_requests` legs in the window on."""
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
        """Of the legs that start now; grows with every change of the state."""
        self._failures = 0
        """Failures in a row."""
        self._total = 0
        """Legs that ended in the slot of the window that is filled now."""
        self._failed = 0
        self._slots: deque[tuple[int, int]] = deque()
        """Total and failed of the slots before it."""
        self._window_total = 0
        self._window_failed = 0
        self._slot_ends_at = 0.0
        self._under_way = 0
        """Probes without an outcome."""
        self._good_probes = 0
        self._wait_s = 0.0
        self._retry_at = 0.0
        self._calm_from = 0.0
        """An opening from here on begins with the first wait again."""

    def most(self, now: float) -> int:
        """How many legs may start now; asked before `started`."""
        if self.state == CLOSED:
            return _NO_LIMIT
        if self.state == OPEN:
            if now < self._retry_at:
                return 0
            self._change(HALF_OPEN)
        return PROBES - self._under_way

    def started(self, legs: int) -> None:
        """So many legs started, with the present `generation`."""
        if self.state == HALF_OPEN:
            self._under_way += legs

    def answered(self, generation: int) -> None:
        """A leg of that generation was answered, with whatever status."""
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
        """A leg of that generation was cut by us, and not for its time."""
        if generation == self.generation and self.state == HALF_OPEN:
            self._under_way -= 1

    def failed(self, generation: int, outcome: str, now: float) -> None:
        """A leg of that generation had no answer."""
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

    def tick(self, now: float) -> None:
        """Let the window move on, by a tenth of it at most with each call."""
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
        self._retry_at = now + self._wait_s * (0.5 + 0.5 * self._random())
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
