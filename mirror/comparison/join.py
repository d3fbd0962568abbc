"""Mode sink: the copies of all workers, joined with the lines of production's access log.

The supervisor owns the only `LogJoin`. It counts like a worker, into a ledger of its own, and its
reports go through the Merger, so every count reaches every sink once. Invariants: a copy that a
worker reported is compared, uncompared or waiting, also across a reload that changes or removes the
log; and whatever the log brings costs a bounded amount of cpu and memory (datagrams.py,
followed_file.py, window.py).

docs/adr/0039 says why the supervisor does this, and what it costs.

A line that is missing shows in several places: the kernel counts it, or it cannot be read, and in
any case the connection has a gap. Each such line counts once, under the first of these reasons.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from mirror.addresses import FileAddress, UdpAddress, UnixAddress
from mirror.comparison.connections import Connections
from mirror.comparison.datagrams import Datagrams
from mirror.comparison.followed_file import FollowedFile
from mirror.comparison.log_lines import answer_of, id_of, logged_at_s, place_of, read_line
from mirror.comparison.window import Window
from mirror.config import Config
from mirror.core import ledger
from mirror.core.comparison.answer import Answer
from mirror.core.comparison.examples import RequestReader
from mirror.core.comparison.pairs import count_pair
from mirror.core.comparison.piece import Copy, ExampleAddition, Piece
from mirror.core.comparison.verdict import NEW_ERRORS, NO_LOG_LINE, NO_STATUS
from mirror.core.ledger import Report
from mirror.core.redaction.redactor import Redactor
from mirror.core.worker_ledger import Ledger
from mirror.errors import ReloadError
from mirror.formats.comparison import Log
from mirror.process.listeners import open_datagrams

log = logging.getLogger(__name__)

GAP = "gap"
FLOOD = "flood"
UNREADABLE = "unreadable"
NO_ID = "no_id"

MARGIN_S = 5.0
"""Production's line may come this much later than the slowest copy, or earlier: nginx may write its
log with a delay (`flush`), and a production answer may take longer than the shadow's."""
MOST_EXAMPLES_A_TICK = 60
_SETTLE_S = 2.0
"""Interval of counting the gaps: streams of one connection may end in another order meanwhile."""
_MINUTE_S = 60.0
LEAST_OFFSET_S = 1.0
"""A smaller difference between nginx's clock and ours is not mentioned: lines are delayed, too."""

LogAddress = UdpAddress | UnixAddress | FileAddress


class Source(Protocol):
    """Where lines come from."""

    problem: str

    def start(self, take: Callable[[bytes], None]) -> None: ...

    def tick(self, now: float) -> int: ...

    def read_rest(self, now: float) -> int: ...

    def stop(self) -> None: ...


def open_source(address: LogAddress) -> Source:
    """Open the source of a log, which reads nothing before `start`. Raises ListenError."""
    if isinstance(address, FileAddress):
        return FollowedFile(address.path)
    return Datagrams(open_datagrams(address))


class LogJoin:
    """The comparison of one sidecar in mode sink; in mode inline it does nothing."""

    def __init__(self, second: int) -> None:
        """Count from this second (timeline.py) on."""
        self._ledger = Ledger(second)
        self._address: LogAddress | None = None
        self._source: Source | None = None
        self._window = Window(0.0, self)
        self._reader = RequestReader(None, Redactor((), ()))
        self._connections = Connections()
        self._settle_at = 0.0
        self._unexplained = [0, 0]
        """Losses that a gap will show as well: of the minute before, and of this one."""
        self._minute_ends_at = 0.0
        self._examples: list[ExampleAddition] = []
        self._examples_not_kept = 0
        self._lines = 0
        self._repeated = 0
        self._mixed_until = 0.0
        """Until then, a line may come from the source before as well, which is no repetition."""
        self._lost: Counter[str] = Counter()
        self._newest_s: float | None = None
        self._offsets = _Offsets()
        self._problem_said = ""

    # --- where the log comes from ---

    def prepare(self, config: Config) -> Source | None:
        """Return the source that this configuration names: the present one, or another one opened.

        Raises ListenError or ReloadError, and then nothing has changed.
        """
        address = config.comparison.access_log if config.joins_log else None
        if address is None or address == self._address:
            return None if address is None else self._source
        if str(address) == str(self._address):
            raise ReloadError(f"comparison.access_log: restart for other permissions of {address}")
        return open_source(address)

    def use(self, config: Config, source: Source | None) -> None:
        """Read from a source that was prepared for this configuration."""
        self._window.window_s = config.shadow.timeout + MARGIN_S
        self._reader = RequestReader(None, Redactor((), config.capture.query_keys))
        if source is self._source:
            return
        if self._source is not None:
            self._end_source(self._source)
            self._mixed_until = time.monotonic() + self._window.window_s
        self._source = source
        self._address = config.comparison.access_log
        if source is None:
            self._address = None
            self._window.clear()
        else:
            source.start(self._take)

    def discard(self, source: Source | None) -> None:
        """Close a source that was prepared and is not used."""
        if source is not None and source is not self._source:
            source.stop()

    def _end_source(self, source: Source) -> None:
        self._lose(FLOOD, source.read_rest(time.monotonic()))
        source.stop()
        self._source = None

    # --- what comes ---

    def add(self, copies: list[Copy]) -> None:
        """Take in what a worker reported."""
        now = time.monotonic()
        for copy in copies:
            if self._source is None:  # a worker that retires, from before the log was removed
                self.uncompared(copy, NO_LOG_LINE)
            else:
                self._window.add_copy(copy, now)

    def tick(self, second: int, now: float) -> None:
        """Read on, and give up what waited too long; `now` is the monotonic clock."""
        self._ledger.roll(second)
        if self._source is None:
            return
        self._lose(FLOOD, self._source.tick(now))
        self._window.expire(now)
        if now >= self._settle_at:
            self._settle_at = now + _SETTLE_S
            self._settle_gaps()
        if now >= self._minute_ends_at:
            self._minute_ends_at = now + _MINUTE_S
            self._unexplained = [self._unexplained[1], 0]
        if self._source.problem != self._problem_said:
            self._problem_said = self._source.problem
            if self._problem_said:
                log.warning("comparison.access_log: %s: %s", self._address, self._problem_said)

    def finish(self, second: int) -> None:
        """Read what is left, give up what waits, and close the source."""
        if self._source is not None:
            self._end_source(self._source)
        self._settle_gaps()
        self._window.clear()
        self._ledger.roll(second)

    def close(self) -> None:
        """Close the source; only `finish` counts everything before."""
        if self._source is not None:
            self._source.stop()
            self._source = None

    def report(self) -> Report:
        """Return what was counted, as a worker does."""
        report = self._ledger.report(0, 0)
        examples, self._examples = self._examples, []
        not_kept, self._examples_not_kept = self._examples_not_kept, 0
        report.comparison = Piece(self._window.waiting, [], examples, not_kept)
        return report

    def log(self) -> Log | None:
        """Return what came of the log; None where none is named."""
        if self._source is None:
            return None
        return Log(
            source=str(self._address),
            lines=self._lines,
            matched=self._window.matched,
            without_copy=self._window.without_copy,
            waiting=self._window.waiting_lines,
            lost=dict(self._lost),
            newest_s=self._newest_s,
            repeated=self._repeated,
            offset_s=self._offsets.worth_saying(),
            problem=self._source.problem,
        )

    def _take(self, data: bytes) -> None:
        """Take in one line."""
        self._lines += 1
        self._ledger.count(ledger.PRIMARY_LOGGED, "other")
        line = read_line(data)
        if line is None:
            self._lose(UNREADABLE, 1)
            return
        now = time.monotonic()
        logged_at = logged_at_s(line)
        if logged_at is not None:
            self._newest_s = logged_at
            self._offsets.add(time.time() - logged_at, now)
        request_id = id_of(line)
        if request_id and not self._window.add_line(request_id, answer_of(line), now):
            if now >= self._mixed_until:
                self._repeated += 1
                self._ledger.count(ledger.LOG_REPEATED, "other")
            return  # its place on the connection was counted
        if not request_id:
            self._lost[NO_ID] += 1
            self._ledger.count(ledger.LOG_LOST, "other", NO_ID)
        place = place_of(line)
        if place is not None:
            self._connections.add(*place)

    def _lose(self, reason: str, number: int) -> None:
        """Count lines that have no place on a connection, so that a gap shows them, too."""
        if number:
            self._unexplained[1] += number
            self._lost[reason] += number
            self._ledger.count(ledger.LOG_LOST, "other", reason, number)

    def _settle_gaps(self) -> None:
        missing = self._connections.settle()
        for place, number in enumerate(self._unexplained):
            explained = min(missing, number)
            self._unexplained[place] -= explained
            missing -= explained
        if missing:
            self._lost[GAP] += missing
            self._ledger.count(ledger.LOG_LOST, "other", GAP, missing)

    # --- Results of the window ---

    def joined(self, copy: Copy, primary: Answer | None) -> None:
        if primary is None:
            self.uncompared(copy, NO_STATUS)
            return
        result = count_pair(self._ledger, copy.route, primary, copy.shadow)
        if result in NEW_ERRORS:
            self._keep(result, copy, primary)

    def uncompared(self, copy: Copy, reason: str) -> None:
        self._ledger.count(ledger.UNCOMPARED, copy.route, reason)

    def _keep(self, result: str, copy: Copy, primary: Answer) -> None:
        if copy.uri is None or len(self._examples) >= MOST_EXAMPLES_A_TICK:
            self._examples_not_kept += 1
            return
        second = self._ledger.second
        location = copy.shadow.location
        example = ExampleAddition(
            copy.route,
            result,
            copy.uri,
            primary.status,
            copy.shadow.status,
            self._reader.location(location) if location else "",
            1,
            second,
            second,
            copy.id,
        )
        self._examples.append(example)


class _Offsets:
    """How far nginx's clock and ours are apart, judged by the least delayed line of a minute."""

    def __init__(self) -> None:
        self._least_s = [float("inf"), float("inf")]
        """In the minute before, and in this one."""
        self._until = 0.0

    def add(self, offset_s: float, now: float) -> None:
        if now >= self._until:
            self._until = now + _MINUTE_S
            self._least_s = [self._least_s[1], float("inf")]
        self._least_s[1] = min(self._least_s[1], offset_s)

    def worth_saying(self) -> float | None:
        """Return by how many seconds our clock is ahead; None where that is too little to say."""
        least_s = min(self._least_s)
        return round(least_s, 1) if LEAST_OFFSET_S < abs(least_s) < float("inf") else None
