"""Fans an exchange out to its shadow legs: the only module of the proxy that knows the shadow.

Life of a request here: `begin` counts it and decides how many shadow legs it gets, `add_body`
keeps a bounded copy of the body, `end` starts the legs. A leg that starts is counted `sent` and
ends in exactly one outcome.
Invariant: nothing here returns anything to the primary's path, waits, or raises into it; the
bytes held for the shadow stay under one ceiling.
"""

import asyncio
import logging
import math
import time

from mirror.config import Config
from mirror.core import ledger
from mirror.core.budget import (
    BODY_TOO_LARGE,
    BUFFER_FULL,
    DOWNSTREAM_LOST,
    UNAVAILABLE,
    WAITING_FULL,
    ByteBudget,
    Reachability,
)
from mirror.core.deadlines import Deadlines
from mirror.core.http1 import SAFE_METHODS, RequestHead
from mirror.core.ledger import Ledger
from mirror.core.pool import Pool
from mirror.core.routes import RouteTable
from mirror.core.selection import RATIO, Selector
from mirror.proxy.upstream import DiscardingLeg, Upstream, UpstreamConnection

log = logging.getLogger(__name__)


class Exchange:
    """One production request on its way to the shadow."""

    __slots__ = ("_body", "_body_bytes", "_legs_wanted", "_tee", "head", "route")

    def __init__(self, tee: "Tee", head: RequestHead, route: str, legs_wanted: int) -> None:
        self.head = head
        self.route = route
        self._tee = tee
        self._legs_wanted = legs_wanted
        self._body: list[bytes] = []
        self._body_bytes = 0

    def add_body(self, data: bytes) -> None:
        """A piece of the request's body."""
        if not self._legs_wanted:
            return
        if self._body_bytes + len(data) > self._tee.max_body_bytes:
            self._shed(BODY_TOO_LARGE)
        elif not self._tee.budget.admit(len(data)):
            self._shed(BUFFER_FULL)
        else:
            self._body_bytes += len(data)
            self._body.append(data)

    def end(self) -> None:
        """The request is complete: start its shadow legs."""
        legs, self._legs_wanted = self._legs_wanted, 0
        if not legs:
            return
        data = self.head.to_shadow(b"".join(self._body))
        self._release_body()
        self._tee.reading -= legs
        for _ in range(legs):
            self._tee.start_leg(self, data)

    def abandon(self) -> None:
        """The request will never be complete."""
        if self._legs_wanted:
            self._shed(DOWNSTREAM_LOST)

    def _shed(self, reason: str) -> None:
        legs, self._legs_wanted = self._legs_wanted, 0
        self._release_body()
        self._tee.reading -= legs
        self._tee.ledger.count(ledger.SHED, self.route, reason, legs)

    def _release_body(self) -> None:
        self._body = []
        self._tee.budget.release(self._body_bytes)
        self._body_bytes = 0


class ShadowLeg(DiscardingLeg):
    """One shadow request in flight; its response is discarded."""

    __slots__ = ("_connection", "_data", "_held_bytes", "_tee", "answers_head", "route")

    def __init__(self, tee: "Tee", route: str, data: bytes, answers_head: bool) -> None:
        self.route = route
        self.answers_head = answers_head
        self._tee = tee
        self._data = data
        self._held_bytes = len(data)
        self._connection: UpstreamConnection | None = None

    def on_assigned(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        connection.write(self._data)
        connection.end_request()
        self._data = b""

    def on_response_end(self) -> None:
        self._tee.leg_ended(self, self._outcome, self._held_bytes)

    def on_failure(self, outcome: str, is_stale: bool) -> None:
        # Never sent again, stale or not: the shadow may have seen it, and it counts arrivals.
        self._tee.leg_ended(self, outcome, self._held_bytes)

    def abort(self, outcome: str) -> None:
        """Cut the leg, wherever it is."""
        if self._connection is not None:
            self._connection.abort()
        else:
            self._tee.shadow.withdraw(self)
        self._tee.leg_ended(self, outcome, self._held_bytes)


class Tee:
    """The shadow side of one worker."""

    def __init__(self, config: Config) -> None:
        section = config.shadow
        self.ledger = Ledger(int(time.time()))
        self.budget = ByteBudget(section.buffer_bytes)
        self.max_body_bytes = section.max_body_bytes
        self.reading = 0
        """Shadow legs that are selected and whose request is still being read."""
        self.in_flight = 0
        self.shadow = Upstream(
            section.url.host,
            section.url.port,
            Pool(section.connections, section.waiting, section.connections),
            config.timeouts.connect,
            config.max_head_bytes,
        )
        self.shadow.on_connect = self._on_connect
        self._url = section.url
        self._routes = RouteTable(config.routes)
        self._selector = Selector(section.methods, section.ratio)
        self._reachability = Reachability()
        self._deadlines: Deadlines[ShadowLeg] = Deadlines(section.timeout)
        self._now = asyncio.get_running_loop().time

    def begin(self, head: RequestHead) -> Exchange:
        """Count a request whose head is complete, and decide how many shadow legs it gets."""
        counts = self.ledger
        counts.roll(int(time.time()))
        route = self._routes.match(head.target)
        if head.is_shadow:
            counts.count(ledger.LOOPED, route)
            return Exchange(self, head, route, 0)
        counts.count(ledger.REQUESTS, route, "safe" if head.method in SAFE_METHODS else "unsafe")
        reason = self._selector.refusal(head)
        legs = 0
        if reason is None and not (legs := self._selector.copies()):
            reason = RATIO
        if reason is not None:
            counts.count(ledger.NOT_SELECTED, route, reason)
        elif legs > 1:
            counts.count(ledger.AMPLIFIED, route, "", legs - 1)
        self.reading += legs
        return Exchange(self, head, route, legs)

    def refused(self, reason: str) -> None:
        """Count a request that was answered with an error here and goes nowhere."""
        self.ledger.roll(int(time.time()))
        self.ledger.count(ledger.MALFORMED, "other", reason)

    def primary_ended(self, exchange: Exchange, outcome: str) -> None:
        self.ledger.count(ledger.PRIMARY_REQUESTS, exchange.route, outcome)

    def start_leg(self, exchange: Exchange, data: bytes) -> None:
        """Send `data`, one complete shadow request, or shed it."""
        now = self._now()
        route = exchange.route
        if not self._reachability.admits(now):
            self.ledger.count(ledger.SHED, route, UNAVAILABLE)
            return
        if not self.budget.admit(len(data)):
            self.ledger.count(ledger.SHED, route, BUFFER_FULL)
            return
        leg = ShadowLeg(self, route, data, exchange.head.method == b"HEAD")
        if not self.shadow.start(leg):
            self.budget.release(len(data))
            self.ledger.count(ledger.SHED, route, WAITING_FULL)
            return
        self.in_flight += 1
        self.ledger.count(ledger.SHADOW_SENT, route)
        self._deadlines.start(leg, now)

    def leg_ended(self, leg: ShadowLeg, outcome: str, held_bytes: int) -> None:
        self.in_flight -= 1
        self.budget.release(held_bytes)
        self._deadlines.cancel(leg)
        self.ledger.count(ledger.SHADOW_REQUESTS, leg.route, outcome)

    def tick(self, now: float) -> None:
        """Cut the legs whose time is over."""
        for leg in self._deadlines.pop_expired(now):
            leg.abort(ledger.TIMEOUT)

    def cut(self) -> None:
        """Abort whatever is in flight and close the connections to the shadow."""
        for leg in self._deadlines.pop_expired(math.inf):
            leg.abort(ledger.ABORTED)
        self.shadow.close()

    def _on_connect(self, error: Exception | None) -> None:
        was_up = self._reachability.is_up
        if error is None:
            self._reachability.connected()
            if not was_up:
                log.info("shadow %s is reachable again", self._url)
            return
        self._reachability.failed(self._now())
        if was_up:
            what = str(error) or type(error).__name__
            log.warning("shadow %s cannot be reached (%s): shedding until it can", self._url, what)
