"""The parent of the workers: opens sockets, keeps workers alive, owns sinks and the admin port.

Workers do the traffic; the supervisor only adds their reports up, gives every settled second to
the sinks, and answers /status. It starts each worker as a fresh interpreter, so that no thread or
loop is ever forked.
Invariant: a count that a worker reported reaches every sink exactly once, also when the worker
dies or reports late.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from typing import Any

from mirror import __version__
from mirror.config import Config
from mirror.core.ledger import Merger, Settled
from mirror.core.routes import RouteTable
from mirror.metrics import (
    BREAKER,
    IN_FLIGHT,
    INCOMPLETE_SECONDS,
    READING,
    SINK_DROPPED,
    WORKER_RESTARTS,
    WORKERS,
    Readings,
)
from mirror.proxy.admin import Admin
from mirror.proxy.listeners import open_listener, remove_listener
from mirror.proxy.recent_ids import create_table
from mirror.proxy.worker import EXIT_CUT, EXIT_OK
from mirror.proxy.workers import Launch, Workers
from mirror.sinks.datadog import DogStatsdSink
from mirror.sinks.prometheus import Exposition, Totals
from mirror.sinks.series import SeriesSink

log = logging.getLogger(__name__)

_SETTLE_INTERVAL_S = 0.25
_SINK_STOP_S = 2.0


class Supervisor:
    """`run` is the whole life of `mirror serve`."""

    def __init__(self, config: Config, text: str) -> None:
        """`text` is the configuration file's, for the workers to read again."""
        self._config = config
        self._text = text
        self._merger = Merger(int(time.time()) + 1)
        self._workers = Workers(self._merger)
        self._stop = asyncio.Event()
        self._recent_ids = create_table()
        self._listeners: list[socket.socket] = []
        self._admin = Admin(self._is_ready, self.status, Exposition(self._totals).render)
        self._sinks: dict[str, SeriesSink | DogStatsdSink] = {}

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT; returns the exit code. Raises ListenError at start."""
        loop = asyncio.get_running_loop()
        try:
            for address in self._config.listen:
                self._listeners.append(open_listener(address))
            await self._admin.start(self._config.admin)
            self._start_sinks()
            for name in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(name, self._stop.set)
            await self._workers.start(self._launch(self._config, self._text))
            log.info("mode %s on %s", self._config.mode, ", ".join(map(str, self._config.listen)))
            while not self._stop.is_set():
                await self._wait_for_stop(_SETTLE_INTERVAL_S)
                self._emit(self._merger.settle(time.time()))
            await self._drain()
        finally:
            self._close_listeners()
            await self._admin.stop()
            os.close(self._recent_ids)
        return EXIT_CUT if self._workers.was_cut else EXIT_OK

    def status(self) -> dict[str, Any]:
        """The answer of /status."""
        return {
            "version": __version__,
            "mode": self._config.mode,
            "instance": self._config.instance,
            "shadow": str(self._config.shadow.url),
            "workers": self._workers.status(),
            "worker_restarts": self._workers.restarts,
            "ledger": self._merger.status(),
            "sinks": {name: sink.status() for name, sink in self._sinks.items()},
        }

    def _close_listeners(self) -> None:
        for address, listener in zip(self._config.listen, self._listeners, strict=False):
            remove_listener(address, listener)
        self._listeners = []

    # --- sinks ---

    def _start_sinks(self) -> None:
        config = self._config
        if config.series.enabled:
            series = SeriesSink(config.series)
            series.start()
            self._sinks["series"] = series
        if config.datadog.dogstatsd is not None:
            self._sinks["datadog"] = DogStatsdSink(
                config.datadog,
                config.instance,
                RouteTable(config.routes).tags,
            )

    def _emit(self, seconds: list[Settled]) -> None:
        for settled in seconds:
            for sink in self._sinks.values():
                sink.emit(settled)
        datadog = self._sinks.get("datadog")
        if seconds and isinstance(datadog, DogStatsdSink):
            datadog.observe(int(time.time()), self._readings())

    def _readings(self) -> Readings:
        """What is known here beside the counts of the workers."""
        readings: Readings = {
            (IN_FLIGHT, ""): self._merger.in_flight,
            (READING, ""): self._merger.reading,
            (BREAKER, ""): self._merger.breaker,
            (WORKERS, ""): self._workers.ready,
            (WORKER_RESTARTS, ""): self._workers.restarts,
            (INCOMPLETE_SECONDS, ""): self._merger.incomplete_seconds,
        }
        for name, sink in self._sinks.items():
            readings[SINK_DROPPED, name] = sink.dropped
        return readings

    def _totals(self) -> Totals:
        return self._merger.totals(), self._merger.latencies, self._readings()

    # --- workers ---

    def _is_ready(self) -> bool:
        return self._workers.ready > 0

    def _launch(self, config: Config, text: str) -> Launch:
        listeners = tuple(listener.fileno() for listener in self._listeners)
        return Launch(text, config.workers, self._recent_ids, listeners)

    async def _wait_for_stop(self, timeout_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._stop.wait()

    async def _drain(self) -> None:
        """Let every worker end its requests, then give the last seconds to the sinks."""
        log.info("draining for at most %g s", self._config.timeouts.drain)
        ending = asyncio.create_task(self._workers.end(self._config.timeouts.drain))
        await asyncio.sleep(0)
        # While one process holds them, the kernel goes on accepting for nobody.
        self._close_listeners()
        await ending
        self._emit(self._merger.finish(time.time()))
        for sink in self._sinks.values():
            await asyncio.to_thread(sink.stop, _SINK_STOP_S)
        ledger = self._merger.status()
        log.info("ended: %s", ", ".join(f"{name} {value}" for name, value in ledger.items()))
