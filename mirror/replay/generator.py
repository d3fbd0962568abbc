"""Sends requests at the instants of a schedule, whatever becomes of those before them.

Owns the loop of a replay: it starts what is due, and each leg ends in one outcome. The loop is
open: a slow upstream does not slow the schedule down. Requests wait for a connection instead, and
are shed once the queue is full. Instants are those of a monotonic clock, because the time of day
may jump.
Invariant: due = shed + sent, and sent = sum of outcomes + in flight, in every Measure.

Latency is kept twice. From the intended start it includes all waiting, also for a connection: this
is what a user would have met. From the send it is the upstream's own. A generator that measures
only the latter omits the waiting of what it could not send in time (coordinated omission).
"""

import asyncio
import math
import sys
import time
from collections.abc import Iterator

from mirror.core import ledger
from mirror.core.budget import WAITING_FULL
from mirror.core.comparison.answer import NOT_ANSWERED
from mirror.core.slow_start import SlowStartPool
from mirror.errors import InputError
from mirror.proxy.upstream.connection import Origin
from mirror.proxy.upstream.discarding import DiscardingConnection, DiscardingUpstream
from mirror.replay.alarm import Alarm
from mirror.replay.measurement import Measure
from mirror.replay.requests import Request

MOST_WAITING = 16384
"""Requests that wait for a connection: at 500 bytes each 8 MB."""

TICK_S = 0.05
"""How often timeouts are looked at: they may be this much late."""

BATCH = 64
"""Requests started before answers are read again, when the schedule is behind."""

NO_CONNECTION = "no_connection"
"""Why a leg was shed whose time ran out while it waited for a connection: no byte of it was sent.
"""

clock = time.perf_counter
"""The loop's own clock is libuv's, which counts milliseconds; this one is monotonic too."""


class LoadLeg:
    """One request that is due; a DiscardedLeg."""

    __slots__ = (
        "body_bytes",
        "data",
        "due_at",
        "expires_at",
        "is_head",
        "measure",
        "opening",
        "sent_at",
        "status",
    )

    def __init__(self, request: Request, due_at: float, measure: Measure) -> None:
        self.data = request.data
        self.is_head = request.is_head
        self.due_at = due_at
        self.measure = measure
        """Counts the part of the replay in which the request was due."""
        self.expires_at = math.inf
        self.sent_at = 0.0
        """0 until the request is written."""
        self.status = 0
        self.body_bytes = 0
        self.opening = b""


class Generator:
    """One upstream under load; made inside a running loop. Call `begin`, `advance` for each part,
    `drain`, and `close`."""

    def __init__(self, origin: Origin, connections: int, timeout_s: float) -> None:
        """`timeout_s` counts from the instant at which the generator turns to a request."""
        # A load comes at once: all connections may be without an answer.
        pool: SlowStartPool[DiscardingConnection, LoadLeg] = SlowStartPool(
            connections, MOST_WAITING, window=connections
        )
        self._upstream = DiscardingUpstream(origin, pool, self._ended, read_bytes=sys.maxsize)
        self._timeout_s = timeout_s
        self.in_flight = 0
        """Legs without an outcome, those that wait for a connection included."""
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._send_due)
        self._ticking = self._loop.create_task(self._tick())
        self._schedule: Iterator[tuple[float, Request]] = iter(())
        self._next: tuple[float, Request] | None = None
        self._until_s = 0.0
        self._is_endless = False
        self._measure = Measure()
        self._sent_all = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.began_at = self.ended_at = clock()
        """Instants of `clock`; the latter is that of the last end."""
        self.is_stopped = False
        self.failure: InputError | None = None
        """Why the schedule could not be read on."""

    def begin(
        self, schedule: Iterator[tuple[float, Request]], began_at: float, ends_s: float
    ) -> None:
        """A schedule whose offsets in seconds, in order, count from `began_at`; an infinite
        `ends_s` is at its last request."""
        self._is_endless = math.isinf(ends_s)
        self.began_at = self.ended_at = began_at
        self._schedule = schedule
        self._take_next()

    async def advance(self, until_s: float, measure: Measure) -> None:
        """Send what is due before `until_s`, counted in `measure`; return then."""
        if self.is_stopped:
            return
        self._until_s = until_s
        self._measure = measure
        self._sent_all.clear()
        self._send_due()
        await self._sent_all.wait()

    async def drain(self) -> None:
        """Return when nothing is in flight; what ends meanwhile came in no part of the replay."""
        self._measure = Measure()
        await self._idle.wait()

    def stop(self) -> None:
        """Send no more and cut what is in flight."""
        if self.is_stopped:
            return
        self.is_stopped = True
        self._next = None
        self._upstream.cut()
        self.ended_at = clock()
        self._sent_all.set()
        self._idle.set()

    def close(self) -> None:
        self._ticking.cancel()
        self._alarm.close()
        self._upstream.close()

    def _send_due(self) -> None:
        if self._sent_all.is_set():
            return
        for _ in range(BATCH):
            now = clock()
            if self._next is None or self._next[0] >= self._until_s:
                self._end_part(now)
                return
            offset_s, request = self._next
            due_at = self.began_at + offset_s
            lag_s = now - due_at
            if lag_s < 0:
                self._alarm.set(-lag_s)
                return
            measure = self._measure
            measure.started(lag_s)
            self._start(LoadLeg(request, due_at, measure), now)
            self._take_next()
        self._loop.call_soon(self._send_due)

    def _end_part(self, now: float) -> None:
        """At its end, not at its last request, where that is known."""
        remaining_s = self.began_at + self._until_s - now
        if remaining_s <= 0 or self._is_endless or self.failure is not None:
            self._sent_all.set()
        else:
            self._alarm.set(remaining_s)

    def _take_next(self) -> None:
        try:
            self._next = next(self._schedule, None)
        except InputError as error:  # a long list is read while it is sent
            self.failure = error
            self._next = None

    def _start(self, leg: LoadLeg, now: float) -> None:
        leg.expires_at = now + self._timeout_s
        self.in_flight += 1
        self._idle.clear()
        if not self._upstream.start(leg):
            leg.measure.count_shed(WAITING_FULL)
            self._note_end()

    def _ended(self, leg: LoadLeg, outcome: str, latency_us: int) -> None:
        """Called by the upstream."""
        measure = leg.measure
        if latency_us != NOT_ANSWERED:
            waited_us = int((leg.sent_at - leg.due_at) * 1e6)
            measure.from_intended.record(waited_us + latency_us)
            measure.from_send.record(latency_us)
            self._measure.completed += 1
        if outcome == ledger.TIMEOUT and not leg.sent_at:
            measure.count_shed(NO_CONNECTION)
        else:
            measure.ended(outcome, leg.status)
        self._note_end()

    def _note_end(self) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self.ended_at = clock()
            self._idle.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._upstream.tick(clock())
