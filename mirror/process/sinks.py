"""The sinks of one sidecar: which there are, their replacement on a reload, and what they lost.

Invariant: each second goes to the old or to the new sink of a kind, and what a replaced sink lost
stays counted. A sink never waits; stopping one happens beside the supervisor's loop.
"""

import asyncio
from collections import Counter
from typing import Any

from mirror.config import Config
from mirror.core.ledger import Settled
from mirror.formats.routes import RouteTable
from mirror.metrics.catalogue import Readings
from mirror.metrics.datadog import DogStatsdSink
from mirror.metrics.series_writer import SeriesSink

_STOP_S = 2.0


class Sinks:
    """The sinks that the configuration names."""

    def __init__(self) -> None:
        self._sinks: dict[str, SeriesSink | DogStatsdSink] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._lost: Counter[str] = Counter()
        """Losses of sinks that were replaced."""

    def start(self, config: Config, before: Config | None) -> None:
        """Replace the sinks whose configuration changed; `before` is None at the start."""
        if before is None or config.series != before.series:
            self._retire("series")
            if config.series.enabled:
                series = SeriesSink(config.series)
                series.start()
                self._sinks["series"] = series
        if before is None or _datadog_of(config) != _datadog_of(before):
            old = self._retire("datadog")
            if config.datadog.dogstatsd is not None:
                routes = RouteTable(config.routes).tags
                datadog = DogStatsdSink(config.datadog, config.instance, routes)
                if isinstance(old, DogStatsdSink):
                    datadog.go_on_from(old)
                self._sinks["datadog"] = datadog

    def emit(self, settled: Settled) -> None:
        """Give a second, by its Unix time, to every sink."""
        for sink in self._sinks.values():
            sink.emit(settled)

    def observe(self, second: int, readings: Readings) -> None:
        """Give the readings of this Unix second to the sink that takes them."""
        datadog = self._sinks.get("datadog")
        if isinstance(datadog, DogStatsdSink):
            datadog.observe(second, readings)

    def dropped(self) -> dict[str, int]:
        """Return the losses since the start of every kind of sink that there is or was."""
        numbers = {name: self._lost[name] for name in self._sinks.keys() | self._lost.keys()}
        for name, sink in self._sinks.items():
            numbers[name] += sink.dropped
        return numbers

    def status(self) -> dict[str, Any]:
        return {name: sink.status() for name, sink in self._sinks.items()}

    async def stop(self) -> None:
        """Let every sink write what it has, within a bounded time."""
        for name in list(self._sinks):
            self._retire(name)
        if self._stopping:
            await asyncio.wait(self._stopping)

    def _retire(self, name: str) -> SeriesSink | DogStatsdSink | None:
        sink = self._sinks.pop(name, None)
        if sink is not None:
            self._lost[name] += sink.dropped
            stopping = asyncio.create_task(self._stop_one(name, sink, sink.dropped))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)
        return sink

    async def _stop_one(
        self, name: str, sink: SeriesSink | DogStatsdSink, dropped_before: int
    ) -> None:
        await asyncio.to_thread(sink.stop, _STOP_S)
        self._lost[name] += sink.dropped - dropped_before


def _datadog_of(config: Config) -> tuple[object, ...]:
    """Return everything that the DogStatsD sink is made from."""
    return config.datadog, config.instance, config.routes
