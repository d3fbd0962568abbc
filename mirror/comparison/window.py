"""Copies and lines of the log that wait for each other, joined by the id alone.

Either side may come first: nginx writes its line when production is served, and the copy ends when
the shadow has answered. An id is remembered for the whole window, whether it was joined or not, so
a second copy or line of the same id is recognised.

Invariants: a copy gets exactly one result or reason, or waits. Nothing waits for longer than the
window, and no more ids are remembered than `most`: beyond, the oldest give way. No clock decides
what belongs together, so it does not matter whether nginx's clock is ours.
"""

from collections import deque
from typing import Protocol

from mirror.core.comparison.answer import Answer
from mirror.core.comparison.piece import Copy
from mirror.core.comparison.verdict import EVICTED, NO_LOG_LINE, NOT_JOINABLE

MOST_IDS = 100_000
"""Ids that are remembered: ten seconds of 10,000 requests a second. Each takes about 400 bytes, and
1.5 kB where it is a copy whose answer redirects to the longest place."""

_BATCH_S = 0.1
"""Ids that came within this time leave the window together."""


class Results(Protocol):
    """Takes what becomes of copies."""

    def joined(self, copy: Copy, primary: Answer | None) -> None:
        """A copy and the answer in its line, which is None where the line names no status."""

    def uncompared(self, copy: Copy, reason: str) -> None:
        """A copy without a line; `reason` is one of core/comparison/verdict.py."""


class _Joined:
    """Both sides of an id came."""


_JOINED = _Joined()
_Waiting = Copy | Answer | _Joined | None
"""What is known of an id; None is a line without a status."""


class Window:
    """The ids of the last seconds."""

    def __init__(self, window_s: float, results: Results, most: int = MOST_IDS) -> None:
        self.window_s = window_s
        self._results = results
        self._most = most
        self._by_id: dict[str, _Waiting] = {}
        self._order: deque[str] = deque()
        self._batches: deque[list[float]] = deque()
        """When a batch of ids came, and their number; the oldest first, as in `_order`."""
        self._lines_gave_way_at = float("-inf")
        self.waiting = 0
        """Copies whose line has not come."""
        self.waiting_lines = 0
        """Lines whose copy has not come."""
        self.matched = 0
        self.without_copy = 0
        """Lines whose copy did not come; those of requests not selected are among them."""

    def add_copy(self, copy: Copy, now: float) -> None:
        """Take in a shadow leg that ended; `now` is the monotonic clock, as everywhere here."""
        if not copy.id or (copy.id in self._by_id and self._is_copied(copy.id)):
            self._results.uncompared(copy, NOT_JOINABLE)
        elif copy.id in self._by_id:
            line = self._by_id[copy.id]
            assert line is None or isinstance(line, Answer)
            self.waiting_lines -= 1
            self._join(copy, line)
        else:
            self._remember(copy.id, copy, now)
            self.waiting += 1

    def add_line(self, request_id: str, primary: Answer | None, now: float) -> bool:
        """Take in a line of the log; return False if one with this id has come before."""
        if request_id not in self._by_id:
            self._remember(request_id, primary, now)
            self.waiting_lines += 1
            return True
        copy = self._by_id[request_id]
        if not isinstance(copy, Copy):
            return False
        self.waiting -= 1
        self._join(copy, primary)
        return True

    def expire(self, now: float) -> None:
        """Give up what has waited for the whole window."""
        while self._batches and self._batches[0][0] <= now - self.window_s:
            for _ in range(int(self._batches[0][1])):
                self._give_up(NO_LOG_LINE)
            self._batches.popleft()

    def clear(self) -> None:
        """Give up everything that waits."""
        self.expire(float("inf"))

    def _is_copied(self, request_id: str) -> bool:
        return isinstance(self._by_id[request_id], Copy | _Joined)

    def _join(self, copy: Copy, primary: Answer | None) -> None:
        self._by_id[copy.id] = _JOINED
        self.matched += 1
        self._results.joined(copy, primary)

    def _remember(self, request_id: str, side: _Waiting, now: float) -> None:
        if len(self._order) >= self._most:
            if not isinstance(self._by_id[self._order[0]], Copy | _Joined):
                self._lines_gave_way_at = now
            self._give_up(EVICTED)
            self._batches[0][1] -= 1
            if not self._batches[0][1]:
                self._batches.popleft()
        self._by_id[request_id] = side
        self._order.append(request_id)
        if not self._batches or now - self._batches[-1][0] >= _BATCH_S:
            self._batches.append([now, 0])
        self._batches[-1][1] += 1

    def _give_up(self, reason: str) -> None:
        """Forget the oldest id."""
        side = self._by_id.pop(self._order.popleft())
        if isinstance(side, Copy):
            self.waiting -= 1
            # The line may have come, and given way before this copy came.
            has_lost_lines = self._lines_gave_way_at >= self._batches[0][0] - self.window_s
            self._results.uncompared(side, EVICTED if has_lost_lines else reason)
        elif side is not _JOINED:
            self.waiting_lines -= 1
            self.without_copy += 1
