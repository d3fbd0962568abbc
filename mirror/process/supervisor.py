"""The parent of the workers: opens sockets, keeps workers alive, owns sinks and the admin port.

Workers handle the traffic. The supervisor only adds up their reports, gives every settled second to
the sinks, and answers /status. Invariant: a count that a worker reported reaches every sink exactly
once, even if the worker dies or reports late, and across a reload. A reload that fails anywhere
changes nothing.
"""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from mirror import __version__
from mirror.admin.live import Budget, Live, Sources
from mirror.admin.server import Admin, Answers, Document
from mirror.admin.token_file import read_token
from mirror.comparison.join import LogJoin, Source
from mirror.config import Config, read_capture_span, read_ratio
from mirror.core.ledger import Settled
from mirror.errors import ReloadError
from mirror.formats import comparison
from mirror.formats.uri_counts import to_json
from mirror.metrics.catalogue import (
    BREAKER,
    CLOCK_STEPS,
    IN_FLIGHT,
    INCOMPLETE_SECONDS,
    RAMP_FALLBACKS,
    RATIO,
    READING,
    RELOADS,
    SINK_DROPPED,
    WORKER_RESTARTS,
    WORKERS,
    Readings,
)
from mirror.metrics.prometheus import Exposition, Totals
from mirror.process.access import describe
from mirror.process.children import Launch, Workers
from mirror.process.control import EXIT_CUT, EXIT_OK
from mirror.process.listeners import Listener, open_listener
from mirror.process.memory_ceiling import heads_memory_ceiling_bytes, memory_ceiling_bytes
from mirror.process.merger import Merger
from mirror.process.orders import Orders
from mirror.process.recent_rates import RecentRates
from mirror.process.reloads import Reloads
from mirror.process.silence import Silence
from mirror.process.sinks import Sinks
from mirror.process.timeline import Timeline
from mirror.process.uri_totals import UriTotals
from mirror.proxy.recent_ids import create_table

log = logging.getLogger(__name__)

_SETTLE_INTERVAL_S = 0.25
_NOTHING_COMPARED = (
    "nothing is compared: comparison.enabled is false, or mode sink lacks comparison.access_log"
)
_READY_TIMEOUT_S = 20.0
"""Longest start of the workers of a new configuration, on a busy machine."""


class Supervisor:
    """The supervisor of `mirror serve`; `run` is its whole life."""

    def __init__(
        self, config: Config, text: str, load: Callable[[], Awaitable[tuple[Config, str]]]
    ) -> None:
        """`text` is the configuration file's, for the workers to read again.

        `load` reads and checks it anew for a reload; it raises MirrorError.
        """
        self._config = config
        self._text = text
        self._load = load
        self._timeline = Timeline(time.monotonic, time.time)
        self._uris = UriTotals(self._timeline.unix_second)
        self._uris.switch(config.uris.most, int(time.time()))
        second = int(self._timeline.now_s)
        self._log_join = LogJoin(second)
        unix_second = self._timeline.unix_second
        self._merger = Merger(second + 1, self._uris, self._log_join.add, unix_second)
        self._compare(config)
        latencies = self._merger.latencies
        self._live = Live(
            Sources(self.status, lambda: latencies, self._budgets, self._comparison_document)
        )
        self._workers = Workers(self._merger, self._timeline.offset_s)
        self._stop = asyncio.Event()
        self._recent_ids = create_table()
        self._listeners: list[Listener] = []
        self._admin = self._make_admin(config)
        self._sinks = Sinks()
        self._orders = Orders(config, self._workers.send)
        self._rates = RecentRates()
        self._silence = Silence(self._rates, lambda: _causes_of_silence(self._config))
        self._reloads = Reloads(self._change)

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT; returns the exit code. Raises ListenError at start."""
        loop = asyncio.get_running_loop()
        try:
            for address in self._config.listen:
                self._listeners.append(open_listener(address))
            self._log_join.use(self._config, self._log_join.prepare(self._config))
            await self._admin.start(self._config.admin)
            self._sinks.start(self._config, None)
            for name in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(name, self._stop.set)
            loop.add_signal_handler(signal.SIGHUP, self._reloads.ask)
            launch = self._launch(self._config, self._text, self._orders, self._listeners)
            self._workers.start(launch)
            log.info("mode %s on %s", self._config.mode, ", ".join(map(str, self._config.listen)))
            reloading = asyncio.create_task(self._reloads.run())
            while not self._stop.is_set():
                await self._wait_for_stop(_SETTLE_INTERVAL_S)
                self._watch_clock()
                self._log_join.tick(int(self._timeline.now_s), time.monotonic())
                self._merger.supervisor_counted(self._log_join.report())
                self._emit(self._merger.settle(self._timeline.now_s))
            reloading.cancel()
            await asyncio.wait([reloading])
            await self._drain()
        finally:
            self._close_listeners()
            self._log_join.close()
            await self._admin.stop()
            os.close(self._recent_ids)
        return EXIT_CUT if self._workers.was_cut else EXIT_OK

    def status(self) -> dict[str, Any]:
        """Return the answer of /status."""
        self._merger.supervisor_counted(self._log_join.report())
        return {
            "version": __version__,
            "pid": os.getpid(),
            "listen": [str(address) for address in self._config.listen],
            "mode": self._config.mode,
            "instance": self._config.instance,
            "shadow": str(self._config.shadow.url),
            "ratio": self._orders.ratio,
            "ramp": self._orders.ramp_status(),
            "capture": self._orders.capture_status(),
            "workers": self._workers.status(),
            "worker_restarts": self._workers.restarts,
            "worker_start_error": self._workers.start_error,
            "memory_ceiling_bytes": memory_ceiling_bytes(self._config),
            "heads_ceiling_bytes": heads_memory_ceiling_bytes(self._config),
            "reload": self._reloads.status(),
            "clock": self._timeline.status(),
            "ledger": self._merger.status(),
            "uris": self._uris.status(),
            "comparison": self._merger.comparison_status(self._log_join.log()),
            "canaries": self._merger.canaries.status(),
            "last_minute": self._rates.last_minute(),
            "silence": self._silence.text,
            "sinks": self._sinks.status(),
        }

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    # --- what changes while it runs ---

    def _make_admin(self, config: Config) -> Admin:
        page = Exposition(self._totals).render
        changes = {"/ratio": self._change_ratio, "/capture": self._switch_capture}
        documents = {
            "/uris": Document(self._uris_page, "URIs are not counted: uris.most is 0"),
            "/comparison": Document(self._comparison_page, _NOTHING_COMPARED),
        }
        answers = Answers(self._readiness, self.status, page, changes, documents, self._live)
        admin = Admin(answers)
        admin.trust.allow(config.admin_writes, read_token(config.admin_token_file))
        return admin

    def _uris_page(self) -> bytes | None:
        """Return the answer of /uris; None where URIs are not counted."""
        config = self._config
        document = self._uris.document(config.instance, config.mode, int(time.time()))
        return None if document is None else to_json(document)

    def _comparison_page(self) -> bytes | None:
        """Return the answer of /comparison; None where nothing is compared."""
        document = self._comparison_document()
        return None if document is None else comparison.to_json(document)

    def _comparison_document(self) -> comparison.Comparison | None:
        merger, config, log_join = self._merger, self._config, self._log_join
        merger.supervisor_counted(log_join.report())
        sums, origin = (merger.totals(), merger.latencies), (config.instance, config.mode)
        return merger.comparison.document(sums, log_join.log(), origin, int(time.time()))

    def _compare(self, config: Config) -> None:
        self._merger.comparison.switch(config.compares, int(time.time()))

    def _change_ratio(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Handle POST /ratio: set the ratio of every worker until the next reload."""
        before, ratio = self._orders.ratio, read_ratio(body.get("ratio"))
        ended_ramp = self._orders.set_ratio(ratio)
        log.info("ratio set from %g to %g", before, ratio)
        return {"was": before, "ratio": ratio, "ended_ramp": ended_ramp}

    def _switch_capture(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Handle POST /capture: capture for some seconds (0 stops), until the next reload."""
        if self._config.capture.path is None:
            raise ValueError("expected capture.path in the configuration: it says where to")
        for_s = read_capture_span(body.get("for_s"))
        until_s = time.time() + for_s if for_s else 0.0
        self._orders.switch_capture(until_s)
        log.info("capture %s", f"on for {for_s:g} s" if for_s else "off")
        return {"path": self._config.capture.path, "until": until_s}

    async def _change(self, since_s: float) -> str:
        """Load the configuration and apply it. Raises MirrorError, and then nothing has changed.

        What was ordered at or after `since_s` (monotonic clock) stays in force.
        """
        config, text = await self._load()
        token = read_token(config.admin_token_file)
        present = {str(listener.address): listener for listener in self._listeners}
        listeners: list[Listener] = []
        admin: Admin | None = None
        access_log: Source | None = None
        try:
            for address in config.listen:
                existing = present.get(str(address))
                if existing is not None and existing.address != address:
                    raise ReloadError(f"listen: restart for other permissions of {address}")
                listeners.append(existing or open_listener(address))
            if config.admin != self._config.admin:
                admin = self._make_admin(config)
                await admin.start(config.admin)
            access_log = self._log_join.prepare(config)
            orders = Orders(config, self._workers.send)
            launch = self._launch(config, text, orders, listeners)
            await self._workers.prepare(launch, _READY_TIMEOUT_S)
        except BaseException:
            for listener in listeners:
                if listener not in self._listeners:
                    listener.close()
            self._log_join.discard(access_log)
            if admin is not None:
                await admin.stop()
            raise
        orders.continue_from(self._orders, since_s)
        self._workers.switch(launch)
        for listener in self._listeners:
            if listener not in listeners:
                listener.close()
        before, self._config, self._text = self._config, config, text
        if config.mode != before.mode:
            self._rates.mode_changed(self._timeline.unix_second(int(self._timeline.now_s)))
        self._listeners, self._orders = listeners, orders
        self._uris.switch(config.uris.most, int(time.time()))
        self._log_join.use(config, access_log)
        self._compare(config)
        self._sinks.start(config, before)
        if admin is not None:
            await self._admin.stop()
            self._admin = admin
        self._admin.trust.allow(config.admin_writes, token)
        return f"the ratio is {orders.ratio:g}"

    # --- seconds ---

    def _watch_clock(self) -> None:
        if (step := self._timeline.watch()) is None:
            return
        if step.by_s > 0:
            words = "ahead: the seconds between are a gap"
        else:
            words = "back: the seconds that come again are incomplete"
        log.warning("the clock stepped %.1f s %s", abs(step.by_s), words)

    def _emit(self, seconds: list[Settled]) -> None:
        for settled in map(self._timeline.label, seconds):
            self._sinks.emit(settled)
            self._rates.add(settled)
            self._live.add(settled)
            if not settled.is_late and (heard := self._silence.judge(self._is_ready())):
                words, is_warning = heard
                log.log(logging.WARNING if is_warning else logging.INFO, "%s", words)
        if seconds and (change := self._orders.follow_ramp(seconds, time.monotonic())):
            words, has_fallen = change
            log.log(logging.WARNING if has_fallen else logging.INFO, "ramp: %s", words)
        if seconds:
            readings = self._readings()
            self._sinks.observe(int(time.time()), readings)
            self._live.note(readings)
            self._admin.viewers.publish()

    def _readings(self) -> Readings:
        """Return the readings that only the supervisor knows."""
        readings: Readings = {
            (IN_FLIGHT, ""): self._merger.in_flight,
            (READING, ""): self._merger.reading,
            (BREAKER, ""): self._merger.breaker,
            (RATIO, ""): self._orders.ratio,
            (WORKERS, ""): self._workers.ready,
            (WORKER_RESTARTS, ""): self._workers.restarts,
            (INCOMPLETE_SECONDS, ""): self._merger.incomplete_seconds
            + self._timeline.repeated_seconds,
        }
        for direction, number in self._timeline.steps.items():
            readings[CLOCK_STEPS, direction] = number
        for result, number in self._reloads.numbers.items():
            readings[RELOADS, result] = number
        for reason, number in self._orders.fallbacks().items():
            readings[RAMP_FALLBACKS, reason] = number
        for name, dropped in self._sinks.dropped().items():
            readings[SINK_DROPPED, name] = dropped
        return readings

    def _budgets(self) -> list[Budget]:
        """Return what the workers hold for the shadow, and what all of them together may."""
        section, workers = self._config.shadow, max(1, self._workers.ready)
        size, waiting, connections = self._merger.held
        return [
            Budget("bytes of requests held", size, workers * section.buffer_bytes, is_bytes=True),
            Budget("copies that wait", waiting, workers * section.waiting),
            Budget("connections to the shadow", connections, workers * section.connections),
            Budget("copies in flight", self._merger.in_flight, None),
        ]

    def _totals(self) -> Totals:
        return self._merger.totals(), self._merger.latencies, self._readings()

    # --- workers ---

    def _is_ready(self) -> bool:
        return self._workers.ready > 0

    def _readiness(self) -> tuple[bool, str]:
        return (False, "draining") if self._stop.is_set() else self._workers.readiness()

    def _launch(
        self, config: Config, text: str, orders: Orders, listeners: Sequence[Listener]
    ) -> Launch:
        return Launch(text, config.workers, orders, self._recent_ids, tuple(listeners))

    async def _wait_for_stop(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._stop.wait()

    async def _drain(self) -> None:
        """Let every worker finish its requests, then give the last seconds to the sinks."""
        log.info("draining for at most %g s", self._config.timeouts.drain)
        ending = asyncio.create_task(self._workers.end(self._config.timeouts.drain))
        await asyncio.sleep(0)
        # While any process holds the listeners, the kernel keeps accepting connections.
        self._close_listeners()
        await ending
        self._log_join.finish(int(self._timeline.now_s) + 1)
        self._merger.supervisor_counted(self._log_join.report())
        self._emit(self._merger.finish(self._timeline.now_s))
        await self._sinks.stop()
        ledger = self._merger.status()
        log.info("ended: %s", ", ".join(f"{name} {value}" for name, value in ledger.items()))


def _causes_of_silence(config: Config) -> str:
    """Return what may keep requests away, with the state of every listening address."""
    listening = "; ".join(map(describe, config.listen))
    directive = "mirror" if config.mode == "sink" else "proxy_pass"
    return (
        f"either nothing is requested, or nginx cannot connect to {listening}, or its "
        f"configuration ({directive}, upstream) leads elsewhere"
    )
