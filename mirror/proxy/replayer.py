"""Sends requests at the instants of a schedule, whatever becomes of those before them.

Owns the replay's loop: what is due is started, each leg ends in one outcome, and the clock readings
between make the report. Open loop: a slow upstream does not slow the schedule down, requests wait
for a connection instead, and past the pool's queue they are shed.
Invariant: due = shed + sent, and sent = sum of outcomes + in flight.

Latency is kept twice. From the intended start it includes all waiting, also for a connection: this
is what a user would have met. From the send it is the upstream's own. A generator that measures
only the latter omits what it did not get to send (coordinated omission).
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hdrh.histogram import HdrHistogram

from mirror.core import ledger
from mirror.core.budget import WAITING_FULL
from mirror.core.deadlines import Deadlines
from mirror.core.pool import Pool
from mirror.core.response_head import ResponseHead
from mirror.proxy.alarm import Alarm
from mirror.proxy.relaying import RelayingConnection, RelayingUpstream
from mirror.proxy.upstream import Origin

LAG_LIMIT_S = 0.010
"""The result is invalid when the 99th percentile of the schedule lag is above this."""

MOST_WAITING = 16384
"""Requests that wait for a connection: at 500 bytes each 8 MB."""

TICK_S = 0.05
"""How often timeouts are looked at: they may be this much late."""

BATCH = 64
"""Requests started before answers are read again, when the schedule is behind."""

MAX_HEAD_BYTES = 65536
CONNECT_TIMEOUT_S = 3.0

NO_CONNECTION = "no_connection"
"""Shed: its time ran out while it waited for a connection, so not a byte of it was sent."""

# Longest value of a histogram, in microseconds; a timeout is shorter.
_LONGEST_US = 3_600_000_000
_DIGITS = 3

_clock = time.perf_counter  # the loop's own clock is libuv's, which counts milliseconds


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be written."""

    data: bytes
    answers_head: bool
    """Its method is HEAD: the response has no body."""


class Percentiles(NamedTuple):
    """Of a time, in milliseconds; None where there was nothing to measure."""

    p50: float | None
    p90: float | None
    p99: float | None
    p99_9: float | None
    max: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """What a replay measured."""

    is_valid: bool
    invalid_reason: str | None
    is_interrupted: bool
    window_s: float
    """How long the schedule asked for requests."""
    elapsed_s: float
    """Until the last one ended."""
    due: int
    shed: dict[str, int]
    sent: int
    outcomes: dict[str, int]
    answered: int
    """Ended with a status, whichever."""
    offered_rps: float
    """due ÷ window_s (÷ elapsed_s for one request alone, which has no window)"""
    achieved_rps: float
    """answered ÷ the longer of window_s and elapsed_s"""
    from_intended_ms: Percentiles
    """Answered requests, from the instant they were due to the end of the response."""
    from_send_ms: Percentiles
    """Answered requests, from writing the request to the end of the response."""
    schedule_lag_ms: Percentiles
    """From the instant a request was due to this program turning to it."""


class ReplayLeg:
    """One request in flight; its response is discarded."""

    __slots__ = (
        "_connection",
        "_data",
        "_due_at",
        "_outcome",
        "_replayer",
        "_sent_at",
        "answers_head",
    )

    def __init__(self, replayer: "Replayer", request: Request, due_at: float) -> None:
        self.answers_head = request.answers_head
        self._replayer = replayer
        self._data = request.data
        self._due_at = due_at
        self._sent_at = due_at
        self._outcome = ""
        self._connection: RelayingConnection | None = None

    def on_assigned(self, connection: RelayingConnection) -> None:
        self._connection = connection
        self._sent_at = _clock()
        connection.write(self._data)
        connection.end_request()

    def on_informational(self, head: ResponseHead) -> None:
        pass

    def on_response(
        self, head: ResponseHead | None, body: bytes, trailers: list[bytes], ended: bool
    ) -> None:
        if head is not None:
            self._outcome = ledger.STATUS_CLASSES[head.status // 100]
        if ended:
            now = _clock()
            from_due_s, from_send_s = now - self._due_at, now - self._sent_at
            self._replayer.leg_answered(self, self._outcome, from_due_s, from_send_s)

    def on_switched(self, head: ResponseHead, rest: bytes) -> None:
        assert self._connection is not None
        self._connection.abort()
        self._replayer.leg_ended(self, ledger.PROTOCOL_ERROR)

    def on_writable(self, writable: bool) -> None:
        pass

    def on_failure(self, outcome: str, is_stale: bool) -> None:
        # Not sent again, stale or not: every request of the schedule ends in one outcome.
        self._replayer.leg_ended(self, outcome)

    def abort(self, upstream: RelayingUpstream) -> bool:
        """Cut it, wherever it is; False where it was still waiting for a connection."""
        if self._connection is None:
            upstream.withdraw(self)
            return False
        self._connection.abort()
        return True


class Replayer:
    """One replay; made inside a running loop."""

    def __init__(
        self,
        origin: Origin,
        schedule: Iterator[tuple[float, Request]],
        connections: int,
        timeout_s: float,
    ) -> None:
        """`schedule` gives offsets from the start in seconds, in order."""
        self.due = 0
        self.shed: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.is_interrupted = False
        self._schedule = schedule
        self._next = next(schedule, None)
        self._upstream = RelayingUpstream(origin, Pool(connections, MOST_WAITING, connections))
        self._in_flight: Deadlines[ReplayLeg] = Deadlines(timeout_s)
        self._from_intended = _histogram()
        self._from_send = _histogram()
        self._lag = _histogram()
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._send_due)
        self._ended = asyncio.Event()
        self._started_at = self._ended_at = _clock()

    @property
    def sent(self) -> int:
        return self.due - self.shed.total()

    @property
    def elapsed_s(self) -> float:
        return _clock() - self._started_at

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    async def run(self) -> None:
        """Send the schedule; return when all of it has ended, or `stop` was called."""
        ticking = self._loop.create_task(self._tick())
        self._started_at = self._ended_at = _clock()
        self._send_due()
        try:
            await self._ended.wait()
        finally:
            ticking.cancel()
            self._alarm.close()
            self._upstream.close()

    def stop(self) -> None:
        """Send no more and cut what is in flight: the report is then about the time so far."""
        if self._ended.is_set():
            return
        self.is_interrupted = True
        self._next = None
        for leg in self._in_flight.pop_expired(math.inf):
            leg.abort(self._upstream)
            self.leg_ended(leg, ledger.ABORTED)
        self._ended_at = _clock()
        self._ended.set()

    def leg_answered(
        self, leg: ReplayLeg, outcome: str, from_intended_s: float, from_send_s: float
    ) -> None:
        self._from_intended.record_value(int(from_intended_s * 1e6))
        self._from_send.record_value(int(from_send_s * 1e6))
        self.leg_ended(leg, outcome)

    def leg_ended(self, leg: ReplayLeg, outcome: str) -> None:
        self.outcomes[outcome] += 1
        self._in_flight.cancel(leg)
        self._ended_at = _clock()
        self._end_if_done()

    def report(self, window_s: float) -> Report:
        """After `run`; `window_s` is how long the schedule was to last, had it not been stopped."""
        elapsed_s = self._ended_at - self._started_at
        if self.is_interrupted:
            window_s = elapsed_s
        answered = sum(self.outcomes[name] for name in ledger.STATUS_CLASSES if name)
        lag = _percentiles(self._lag)
        invalid_reason = _invalid_reason(lag, answered)
        return Report(
            is_valid=invalid_reason is None,
            invalid_reason=invalid_reason,
            is_interrupted=self.is_interrupted,
            window_s=window_s,
            elapsed_s=elapsed_s,
            due=self.due,
            shed=dict(self.shed),
            sent=self.sent,
            outcomes=dict(sorted(self.outcomes.items())),
            answered=answered,
            offered_rps=_per_second(self.due, window_s or elapsed_s),
            achieved_rps=_per_second(answered, max(window_s, elapsed_s)),
            from_intended_ms=_percentiles(self._from_intended),
            from_send_ms=_percentiles(self._from_send),
            schedule_lag_ms=lag,
        )

    def _send_due(self) -> None:
        for _ in range(BATCH):
            if self._next is None:
                self._end_if_done()
                return
            offset, request = self._next
            due_at = self._started_at + offset
            lag_s = _clock() - due_at
            if lag_s < 0:
                self._alarm.set(-lag_s)
                return
            self._next = next(self._schedule, None)
            self._lag.record_value(int(lag_s * 1e6))
            self._start(ReplayLeg(self, request, due_at))
        self._loop.call_soon(self._send_due)

    def _start(self, leg: ReplayLeg) -> None:
        self.due += 1
        # First in flight, then started: it may end before `start` returns.
        self._in_flight.start(leg, _clock())
        if not self._upstream.start(leg):
            self._shed(leg, WAITING_FULL)

    def _shed(self, leg: ReplayLeg, reason: str) -> None:
        self.shed[reason] += 1
        self._in_flight.cancel(leg)
        self._ended_at = _clock()
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._next is None and not self._in_flight:
            self._ended.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for leg in self._in_flight.pop_expired(_clock()):
                if leg.abort(self._upstream):
                    self.leg_ended(leg, ledger.TIMEOUT)
                else:
                    self._shed(leg, NO_CONNECTION)


def _invalid_reason(lag: Percentiles, answered: int) -> str | None:
    """Why the numbers say nothing about the upstream, or None."""
    if not answered:
        return "no request was answered"
    if lag.p99 is None or lag.p99 <= LAG_LIMIT_S * 1000:
        return None
    return (
        f"this generator was the bottleneck: 1 % of the requests were {lag.p99:.1f} ms late or "
        f"more, the limit is {LAG_LIMIT_S * 1000:g} ms. Lower the rate, or give it its own core"
    )


def _histogram() -> HdrHistogram:
    return HdrHistogram(1, _LONGEST_US, _DIGITS)


def _percentiles(histogram: HdrHistogram) -> Percentiles:
    if not histogram.get_total_count():
        return Percentiles(*[None] * 5)
    wanted = [50, 90, 99, 99.9, 100]
    values = histogram.get_percentile_to_value_dict(wanted)
    return Percentiles(*(values[point] / 1000 for point in wanted))


def _per_second(count: int, span_s: float) -> float:
    return count / span_s if span_s > 0 else 0.0
