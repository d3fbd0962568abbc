"""Which Unix second a counted second is: steady seconds, and the steps of the wall clock.

All processes of a sidecar count in steady seconds: those of the monotonic clock plus an offset that
the supervisor fixes at its start, so no step of the wall clock reaches the counters. The `Timeline`
belongs to the supervisor. It labels each steady second with its Unix second when the second is
given to the sinks, and notices when the two clocks part.

Invariant: two steady seconds never have the same Unix second, unless the later is marked as
repeated. It does not know what is counted.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from mirror.core.ledger import Settled

FORWARD = "forward"
BACKWARD = "backward"

# A step moves the shift by whole seconds and leaves a rest of at most 0.5 s. The threshold is
# higher, so that the rest is no step itself.
_THRESHOLD_S = 0.6
# Stopped between the readings of the two clocks, a process would see a step where there is none.
_LONGEST_READING_S = 0.05
_MOST_SEGMENTS = 128
"""More than the seconds that the Merger remembers; at most one segment begins in each."""
_MOST_SPANS = 64


class Step(NamedTuple):
    """A step of the wall clock."""

    at: int
    """The Unix second by the new time."""
    by_s: float
    """Forward if positive."""


class _Segment(NamedTuple):
    """Steady seconds between two steps."""

    first: int
    """The first steady second; the next segment's first one is its end."""
    shift: int
    """What is added to a steady second to get its Unix second."""
    taken: tuple[tuple[int, int], ...]
    """Unix seconds of earlier segments as spans (first, end), disjoint and in order."""


class Timeline:
    """Watches the two clocks; call `watch` several times a second."""

    def __init__(self, monotonic: Callable[[], float], wall: Callable[[], float]) -> None:
        """Both clocks return seconds, `wall` those of Unix time."""
        self._monotonic = monotonic
        self._wall = wall
        self.offset_s = wall() - monotonic()
        """Steady time is the monotonic clock plus this."""
        self._segments = [_Segment(int(self.now_s), 0, ())]
        self.steps = {FORWARD: 0, BACKWARD: 0}
        self._last: Step | None = None
        self.repeated_seconds = 0
        """Number of complete seconds that were labelled as repeated."""

    @property
    def now_s(self) -> float:
        """The steady time."""
        return self._monotonic() + self.offset_s

    def watch(self) -> Step | None:
        """Return the step of the wall clock since the last call, if there was one.

        The open second keeps its label, and the next one follows the new time.
        """
        now_s = self.now_s
        wall_s = self._wall()
        last = self._segments[-1]
        by_s = wall_s - now_s - last.shift
        if abs(by_s) < _THRESHOLD_S or self.now_s - now_s > _LONGEST_READING_S:
            return None
        first = int(now_s) + 1
        shift = last.shift + round(by_s)
        if first == last.first:
            self._segments[-1] = last._replace(shift=shift)
        else:
            taken = _with_span(last.taken, (last.first + last.shift, first + last.shift))
            self._segments = [*self._segments, _Segment(first, shift, taken)][-_MOST_SEGMENTS:]
        self.steps[FORWARD if by_s > 0 else BACKWARD] += 1
        self._last = Step(int(wall_s), by_s)
        return self._last

    def label(self, settled: Settled) -> Settled:
        """Return a second of the Merger with its Unix second, marked if that one is repeated."""
        segment = self._segment_of(settled.second)
        second = settled.second + segment.shift
        is_repeated = any(first <= second < end for first, end in segment.taken)
        self.repeated_seconds += is_repeated and settled.is_complete and not settled.is_late
        return replace(settled, second=second, is_repeated=is_repeated)

    def unix_second(self, second: int) -> int:
        """Return the Unix second of a steady one; two steady seconds may have the same."""
        return second + self._segment_of(second).shift

    def _segment_of(self, second: int) -> _Segment:
        reached = (s for s in reversed(self._segments) if s.first <= second)
        return next(reached, self._segments[0])

    def status(self) -> dict[str, object]:
        return {"steps": self.steps, "last": self._last and self._last._asdict()}


def _with_span(
    spans: tuple[tuple[int, int], ...], added: tuple[int, int]
) -> tuple[tuple[int, int], ...]:
    """Return the union; too many spans are joined where that takes the fewest further seconds."""
    joined: list[tuple[int, int]] = []
    for first, end in sorted((*spans, added)):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((first, end))
    if len(joined) > _MOST_SPANS:
        at = min(range(_MOST_SPANS), key=lambda n: joined[n + 1][0] - joined[n][1])
        joined[at : at + 2] = [(joined[at][0], joined[at + 1][1])]
    return tuple(joined)
