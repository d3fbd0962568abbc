"""Sends requests at the instants of a schedule, whatever becomes of those before them.

Owns the loop of a replay: what is due is started, each leg ends in one outcome. Open loop: a slow
upstream does not slow the schedule down, requests wait for a connection instead, and past the
queue they are shed. Instants are those of a monotonic clock: the time of day may jump.
Invariant: due = shed + sent, and sent = sum of outcomes + in flight, in every Measure.

Latency is kept twice. From the intended start it includes all waiting, also for a connection: this
is what a user would have met. From the send it is the upstream's own. A generator that measures
only the latter omits what it did not get to send (coordinated omission).
"""

import asyncio
import math
from collections.abc import Iterator

from mirror.core import ledger
from mirror.core.budget import WAITING_FULL
from mirror.core.pool import Pool
from mirror.errors import InputError
from mirror.proxy.upstream.connection import Origin
from mirror.replay.alarm import Alarm
from mirror.replay.connection import Leg, LoadConnection, LoadUpstream, clock
from mirror.replay.deadlines import Deadlines
from mirror.replay.measurement import Measure
from mirror.replay.requests import Request

MOST_WAITING = 16384
"""Requests that wait for a connection: at 500 bytes each 8 MB."""

TICK_S = 0.05
"""How often timeouts are looked at: they may be this much late."""

BATCH = 64
"""Requests started before answers are read again, when the schedule is behind."""

NO_CONNECTION = "no_connection"
"""Shed: its time ran out while it waited for a connection, so not a byte of it was sent."""


class Generator:
    """One upstream under load; made inside a running loop. Call `begin`, `advance` for each part,
    `drain`, and `close`."""

    def __init__(self, origin: Origin, connections: int, timeout_s: float) -> None:
        """`timeout_s` counts from the instant at which a request is turned to."""
        pool: Pool[LoadConnection, Leg] = Pool(connections, MOST_WAITING, connections)
        self._upstream = LoadUpstream(origin, pool, self._ended)
        self._in_flight: Deadlines[Leg] = Deadlines(timeout_s)
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

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

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
        for leg in self._in_flight.pop_expired(math.inf):
            self._upstream.cut(leg)
            self._end(leg, ledger.ABORTED)
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
            self._start(Leg(request.data, request.is_head, due_at, measure), now)
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

    def _start(self, leg: Leg, now: float) -> None:
        # First in flight, then started: it may end before `start` returns.
        self._in_flight.start(leg, now)
        self._idle.clear()
        if not self._upstream.start(leg):
            self._shed(leg, WAITING_FULL)

    def _ended(self, leg: Leg, outcome: str, is_answered: bool) -> None:
        """Of the upstream."""
        self._in_flight.cancel(leg)
        if is_answered:
            now = clock()
            measure = leg.measure
            measure.from_intended.record(int((now - leg.due_at) * 1e6))
            measure.from_send.record(int((now - leg.sent_at) * 1e6))
            self._measure.completed += 1
        self._end(leg, outcome)

    def _end(self, leg: Leg, outcome: str) -> None:
        leg.measure.ended(outcome)
        self._note_end()

    def _shed(self, leg: Leg, reason: str) -> None:
        self._in_flight.cancel(leg)
        leg.measure.count_shed(reason)
        self._note_end()

    def _note_end(self) -> None:
        if not self._in_flight:
            self.ended_at = clock()
            self._idle.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for leg in self._in_flight.pop_expired(clock()):
                if self._upstream.cut(leg):
                    self._end(leg, ledger.TIMEOUT)
                else:
                    self._shed(leg, NO_CONNECTION)
