"""Fans exchanges out to their shadow legs: admits the legs, sends them, and counts how they end.

A leg that starts is counted as `sent` and ends in exactly one outcome. Invariant: nothing here
returns a value to the primary's path, waits on it, or raises into it, and the bytes held for the
shadow stay below one ceiling.
"""

import asyncio
import logging
import ssl
from copy import copy
from random import random
from time import monotonic, time
from typing import TYPE_CHECKING

from mirror.config import Config
from mirror.core import breaker, ledger
from mirror.core.acceptance import Verdict
from mirror.core.breaker import Breaker
from mirror.core.budget import (
    BREAKER_OPEN,
    BUFFER_FULL,
    WAITING_FULL,
    ByteBudget,
)
from mirror.core.canaries.canary import MARK, MARK_BEGIN, MARK_END
from mirror.core.canaries.recent import REPEATED, WorkerCanaries
from mirror.core.comparison.answer import NOT_ANSWERED
from mirror.core.ledger import Report
from mirror.core.redaction.redactor import Redactor
from mirror.core.request_head import SAFE_METHODS, RequestHead
from mirror.core.selection import Selector
from mirror.core.slow_start import SlowStartPool
from mirror.core.uri_counts.collector import Entry, UriCollector
from mirror.core.worker_ledger import Ledger
from mirror.core.wrong_mode import WRONG_MODE, wrong_mode
from mirror.errors import UpstreamRefusedError
from mirror.formats.routes import RouteTable
from mirror.proxy.comparing import Comparing
from mirror.proxy.recent_ids import RecentIds
from mirror.proxy.repeats import Repeats
from mirror.proxy.shadow_leg import NO_GENERATION, ShadowLeg
from mirror.proxy.upstream.admission import Admission
from mirror.proxy.upstream.discarding import DiscardingUpstream
from mirror.proxy.upstream.origins import shadow_origin
from mirror.proxy.upstream.outbox import Outbox

if TYPE_CHECKING:
    from mirror.capture.recorder import Capturing, Recorder

log = logging.getLogger(__name__)

_CAPTURE_STOP_S = 2.0

_SURPLUS = "surplus bytes behind an answer"


class Tee:
    """The shadow side of one worker."""

    def __init__(
        self,
        config: Config,
        outbox: Outbox | None = None,
        recent_ids: RecentIds | None = None,
        clock_offset_s: float = 0.0,
    ) -> None:
        """Without an `outbox` every write is done at once; without `recent_ids` no request counts
        as a repeat. Seconds are those of the monotonic clock plus `clock_offset_s`."""
        section = config.shadow
        self.outbox = outbox or Outbox(most_writes=1)
        self._clock_offset_s = clock_offset_s
        self.ledger = Ledger(self.second_at(monotonic()))
        self.budget = ByteBudget(section.buffer_bytes)
        self.max_body_bytes = section.max_body_bytes
        self.reading = 0
        """Selected shadow legs whose request is still being read."""
        self.in_flight = 0
        admission = Admission(
            section.accept_server, section.timeout, section.connection_age, self._probed
        )
        self.shadow = DiscardingUpstream(
            shadow_origin(config),
            SlowStartPool(section.connections, section.waiting),
            self.leg_ended,
            self.outbox,
            admission=admission,
        )
        self.shadow.on_connect = self._on_connect
        self.shadow.spoiled = self._spoiled
        self._url, self._mode = section.url, config.mode
        self._timeout_s = section.timeout
        self._match_route = RouteTable(config.routes).match
        self._selector = Selector(section.methods, section.ratio, section.sticky)
        limits = section.breaker
        self.breaker = Breaker(
            limits.failures, limits.failure_ratio, limits.window, limits.min_requests, random
        )
        self.breaker.changed = self._breaker_changed
        self._connect_error = ""
        self._is_connect_error_of_tls = False
        self.refusal = ""
        """Why the shadow gets no leg, if it last answered a probe as something that must not."""
        self.recorder: Recorder | None = None
        if config.capture.path is not None:
            # Imported here, because a worker without capture is smaller without the recorder.
            from mirror.capture import recorder

            self.recorder = recorder.Recorder(config.capture, config.instance, self._captured)
        most, secrets = config.uris.most, config.capture.query_keys
        self.uris = UriCollector(most, Redactor((), secrets)) if most else None
        self.comparing, self._compares = Comparing(config, self.ledger), config.compares
        self._repeats = Repeats(recent_ids, config.request_id_header)
        self.canaries = WorkerCanaries()
        self._refusals_said: set[str] = set()
        """Reasons of refusals that were logged; each is, once."""
        loop = asyncio.get_running_loop()
        self._now, self._call_soon = loop.time, loop.call_soon
        self._gathered: list[ShadowLeg] = []
        """Shadow legs whose requests this turn of the loop completed."""

    def begin(self, head: RequestHead) -> "tuple[str, int, Capturing | None, Entry | None]":
        """Count a request whose head is complete; return its route, its number of shadow legs, its
        record where it is captured, and the entry of its URI where URIs are counted."""
        counts = self.ledger
        second = self.second_at(monotonic())
        if second > counts.second:
            counts.roll(second)
        route = self._match_route(head.target)
        is_canary = head.target[MARK_BEGIN:MARK_END] == MARK
        canary = self.canaries.saw(head.target, time()) if is_canary else None
        if head.is_shadow:
            counts.count(ledger.LOOPED, route, ledger.LOOP_MARKS[1 if head.is_probe else 0])
            if canary is not None:
                self.canaries.left_out(canary, ledger.LOOPED)
            return route, 0, None, None
        if self._repeats.has(head, monotonic()):
            counts.count(ledger.REPEATED, route)
            if canary is not None:
                self.canaries.left_out(canary, REPEATED)
            return route, 0, None, None
        counts.count(ledger.REQUESTS, route, "safe" if head.method in SAFE_METHODS else "unsafe")
        capturing = None if self.recorder is None else self.recorder.begin(head, time())
        uri = None if self.uris is None else self.uris.count(head, second)
        legs = self._selector.choose(head)
        if isinstance(legs, str):
            counts.count(ledger.NOT_SELECTED, route, legs)
            if canary is not None:
                self.canaries.left_out(canary, legs)
            return route, 0, capturing, uri
        if legs > 1:
            counts.count(ledger.AMPLIFIED, route, "", legs - 1)
        self.reading += legs
        if canary is not None:
            self.canaries.follow(canary, legs, head.target)
        return route, legs, capturing, uri

    def second_at(self, monotonic_s: float) -> int:
        """Return the second in which a request counts at this time of the monotonic clock."""
        return int(monotonic_s + self._clock_offset_s)

    @property
    def recorder_in_use(self) -> "Recorder":
        """The recorder, for a request whose capture has begun."""
        assert self.recorder is not None
        return self.recorder

    def _captured(self, reason: str, number: int) -> None:
        """Count requests that were written to the capture, or dropped for `reason`."""
        if reason:
            self.ledger.count(ledger.CAPTURE_DROPPED, "other", reason, number)
        else:
            self.ledger.count(ledger.CAPTURE_RECORDS, "other", "", number)

    def refused(self, reason: str) -> None:
        """Count a request that we answered with an error, or not at all; no upstream gets it."""
        is_first = reason not in self._refusals_said
        self._refusals_said.add(reason)
        self.ledger.roll(self.second_at(monotonic()))
        if reason == WRONG_MODE:
            if is_first:
                log.error("%s; mirror.wrong_mode counts them", wrong_mode(self._mode))
            self.ledger.count(WRONG_MODE, "other")
            return
        if is_first:
            text = "refused a request (%s): no upstream gets it; mirror.malformed counts more"
            log.warning(text, reason)
        self.ledger.count(ledger.MALFORMED, "other", reason)

    def connection_refused(self) -> None:
        """Count a connection beyond the limit."""
        self.ledger.roll(self.second_at(monotonic()))
        self.ledger.count(ledger.CONNECTIONS_REFUSED, "other")

    def primary_ended(self, route: str, uri: Entry | None, outcome: str, latency_us: int) -> None:
        """Count the outcome of the primary leg of a request that was counted as `uri`.

        `latency_us` runs from the end of the request to that of the response, or is NOT_ANSWERED.
        """
        self.ledger.count(ledger.PRIMARY_REQUESTS, route, outcome)
        if uri is not None and self.uris is not None:
            self.uris.ended(uri, outcome)
        if latency_us != NOT_ANSWERED:
            self.ledger.record(ledger.PRIMARY_LATENCY, route, latency_us)

    def start_legs(self, leg: ShadowLeg, number: int) -> None:
        """Send a complete shadow request `number` times, together with the others of this turn.

        The legs of one turn of the loop are admitted together: the clock, the back-off and the
        budget are asked once, and the production requests of the turn are done before.
        """
        if not self._gathered:
            self._call_soon(self._start_gathered)
        self._gathered.append(leg)
        for _ in range(number - 1):
            extra = copy(leg)
            extra.is_extra = True
            self._gathered.append(extra)

    def _start_gathered(self) -> None:
        legs, self._gathered = self._gathered, []
        self.reading -= len(legs)
        now = self._now()
        most = self.breaker.most(now)
        if most < len(legs):
            reason = ledger.TARGET_REFUSED if self.refusal else BREAKER_OPEN
            for leg in legs[most:]:
                self._shed(leg, reason)
            del legs[most:]
            if not legs:
                return
        expires_at = now + self._timeout_s
        generation = self.breaker.generation
        started = 0
        for leg in legs:
            if not self.budget.admit(len(leg.data)):
                self._shed(leg, BUFFER_FULL)
                continue
            leg.expires_at = expires_at
            leg.generation = generation
            if self.shadow.start(leg):
                self.ledger.count(ledger.SHADOW_SENT, leg.route)
                started += 1
            else:
                self.budget.release(len(leg.data))
                self._shed(leg, WAITING_FULL)
        self.breaker.started(started)
        self.in_flight += started
        self.outbox.flush()

    def leg_ended(self, leg: ShadowLeg, outcome: str, latency_us: int) -> None:
        """Count the only outcome of `leg`; discarding.py defines `latency_us`."""
        self.in_flight -= 1
        self.budget.release(len(leg.data))
        self.ledger.count(ledger.SHADOW_REQUESTS, leg.route, outcome)
        if self._compares or leg.canary is not None:
            self._keep_answer(leg, outcome, latency_us)
        if latency_us != NOT_ANSWERED:
            self.ledger.record(ledger.SHADOW_LATENCY, leg.route, latency_us)
            self.breaker.answered(leg.generation)
        elif outcome == ledger.ABORTED:
            self.breaker.aborted(leg.generation)
        else:
            is_connect = outcome == ledger.CONNECT_FAILED and self._connect_error
            how = f"{outcome} ({self._connect_error})" if is_connect else outcome
            self.breaker.failed(leg.generation, how, self._now())

    def _keep_answer(self, leg: ShadowLeg, outcome: str, latency_us: int) -> None:
        is_of_tls = outcome == ledger.CONNECT_FAILED and self._is_connect_error_of_tls
        answer = self.comparing.leg_ended(leg, outcome, latency_us, is_of_tls)
        if leg.canary is not None:
            self.canaries.ended(leg.canary, outcome, answer.status, answer.is_from_proxy)

    def _spoiled(self, leg: ShadowLeg) -> None:
        """Count it as a failure for the breaker: surplus bytes cost us the connection."""
        self.breaker.failed(leg.generation, _SURPLUS, self._now())
        leg.generation = NO_GENERATION  # so that its answer does not count as well

    def _shed(self, leg: ShadowLeg, reason: str) -> None:
        self.ledger.count(ledger.SHED, leg.route, reason)
        if leg.canary is not None:
            self.canaries.ended(leg.canary, f"{ledger.SHED} {reason}", 0, False)

    @property
    def ratio(self) -> float:
        """The current share of requests that get a shadow leg."""
        return self._selector.ratio

    def set_ratio(self, ratio: float) -> None:
        """Apply a `shadow.ratio` from the next request on."""
        self._selector.set_ratio(ratio)

    def report(self, is_last: bool = False) -> Report:
        """Return the report of this worker; each closed second is in exactly one report."""
        report = self.ledger.report(self.in_flight, self.reading)
        report.breaker = self.breaker.state
        report.breaker_cause = self.breaker.cause
        report.refusal = self.refusal
        report.held = (self.budget.held_bytes, *self.shadow.load)
        report.canaries = self.canaries.piece()
        report.comparison = self.comparing.piece()
        if self.uris is not None:
            report.uris = self.uris.piece(self.ledger.second, is_last)
        return report

    def tick(self, now: float) -> None:
        """Cut the legs whose deadline has passed."""
        self.shadow.tick(now)
        self.breaker.tick(now)
        if self.recorder is not None:
            self.recorder.tick()

    def cut(self) -> None:
        """Abort all legs, close the connections to the shadow, and end the capture."""
        self.shadow.cut()
        if self.recorder is not None:
            self.recorder.stop(_CAPTURE_STOP_S)

    def _probed(self, verdict: Verdict) -> None:
        self.ledger.count(ledger.SHADOW_PROBES, "other", verdict.label)

    def _on_connect(self, error: Exception | None) -> None:
        is_refused = isinstance(error, UpstreamRefusedError)
        self.refusal = str(error) if is_refused else ""
        if is_refused:
            self.breaker.refused(f"refused: {self.refusal}", self._now())
        elif error is not None:
            self._connect_error = str(error) or type(error).__name__
            self._is_connect_error_of_tls = isinstance(error, ssl.SSLError)

    def _breaker_changed(self) -> None:
        state = self.breaker.state
        self.ledger.count(ledger.BREAKER_CHANGES, "other", breaker.STATES[state])
        if state == breaker.OPEN:
            self.shadow.distrust()
            log.warning("shadow %s: breaker open, shedding: %s", self._url, self.breaker.cause)
        elif state == breaker.CLOSED:
            log.info("shadow %s: breaker closed, it answers again", self._url)
