"""Sends the counts to the Datadog Agent as DogStatsD datagrams (docs/metrics.md).

The supervisor has one client for the whole sidecar. Counts are added up by second before they come
here, so a second costs a handful of lines whatever the rps.

- Gauges carry their second as a timestamp, so that the Agent keeps every second. The aggregation of
  the client is off, because it would merge the seconds. An Agent that does not support timestamps
  gets the seconds of `mirror.rps` as samples of a distribution instead.
- Counts carry no timestamp. The Agent adds them up over ten seconds, so late counts are added. With
  a timestamp, they would replace what was sent for that second, and read ten times too low.
- The client drops and counts what its background sender cannot send; it never waits.
"""

import logging
import time
from collections.abc import Sequence

from mirror.addresses import TcpAddress, UnixAddress
from mirror.config_sections import DatadogSection
from mirror.core.latency import percentile_us
from mirror.core.ledger import Settled
from mirror.lean_imports import DogStatsd
from mirror.metrics.catalogue import (
    METRICS,
    PERCENTILES,
    RPS,
    RPS_DISTRIBUTION,
    SHADOW_RPS,
    Readings,
)

_SENDER_QUEUE = 1024
_LOG_INTERVAL_S = 60.0
_ENTITY_TAG = "dd.internal.entity_id:"
"""Prefix of the tag that the client adds in a Pod, by which the Agent recognises the Pod."""


class DogStatsdSink:
    """Call `emit` for every settled second and `observe` about once a second; then call `stop`."""

    def __init__(self, section: DatadogSection, instance: str, routes: Sequence[str]) -> None:
        """`routes` are all route tags: a route without requests is a zero, not a gap."""
        agent = section.dogstatsd
        assert agent is not None
        self._agent = agent
        self._has_timestamps = section.timestamps
        self._route_tags = {route: [f"route:{route}"] for route in routes}
        _limit_the_clients_log()
        self._client = DogStatsd(
            host=agent.host if isinstance(agent, TcpAddress) else None,
            port=agent.port if isinstance(agent, TcpAddress) else None,
            socket_path=agent.path if isinstance(agent, UnixAddress) else None,
            namespace="mirror",
            disable_aggregation=True,
            disable_buffering=False,
            disable_background_sender=False,
            sender_queue_size=_SENDER_QUEUE,
            sender_queue_timeout=0,
            socket_timeout=0,
        )
        # The client adds tags from the environment, which mirror/config.py has already read. With
        # both, `env` would be there twice.
        entity = [tag for tag in self._client.constant_tags if tag.startswith(_ENTITY_TAG)]
        self._client.constant_tags = [*section.tags, f"instance:{instance}", *entity]
        self.emitted = 0
        """Number of seconds passed to the client."""
        self._counted: Readings = {}
        self._dropped_before = 0
        self._dropped_total = 0

    def emit(self, settled: Settled) -> None:
        """Send the gauges and counts of a second; a late second repeats its whole rps."""
        self._note_drops()
        if not self._has_timestamps:
            self._emit_distribution(settled)
        elif not settled.is_repeated:  # or the gauges would replace those of before
            self._emit_rates(settled, RPS, settled.rps)
            self._emit_rates(settled, SHADOW_RPS, settled.shadow_rps)
            self._emit_latencies(settled)
        for (metric, route, label), number in settled.counts.items():
            tags = self._tags(route) if METRICS[metric].is_by_route else []
            self._client.increment(metric, number, [*tags, *_own(metric, label)])
        self.emitted += 1

    def _emit_distribution(self, settled: Settled) -> None:
        if settled.is_late:
            return
        for route in self._routes(settled, settled.rps):
            self._client.distribution(
                RPS_DISTRIBUTION, settled.rps.get(route, 0), self._tags(route)
            )

    def _emit_rates(self, settled: Settled, metric: str, rates: dict[str, int]) -> None:
        for route in self._routes(settled, rates):
            self._client.gauge_with_timestamp(
                metric, rates.get(route, 0), settled.second, self._tags(route)
            )

    def _emit_latencies(self, settled: Settled) -> None:
        if settled.is_late:
            return  # the percentiles of a few stragglers would replace those of all legs
        for (metric, route), buckets in settled.latencies.items():
            for suffix, ratio in PERCENTILES.items():
                self._client.gauge_with_timestamp(
                    f"{metric}.{suffix}",
                    percentile_us(buckets, ratio) / 1e6,
                    settled.second,
                    self._tags(route),
                )

    def _routes(self, settled: Settled, rates: dict[str, int]) -> Sequence[str]:
        """Return every route if the whole second was observed, else the routes with a value."""
        return list(self._route_tags) if settled.is_complete else list(rates)

    def _tags(self, route: str) -> list[str]:
        return self._route_tags.get(route) or [f"route:{route}"]

    def observe(self, second: int, readings: Readings) -> None:
        """Send the readings of the supervisor; for a count, only what was added since."""
        for (metric, label), value in readings.items():
            tags = _own(metric, label)
            if METRICS[metric].kind == "count":
                if added := value - self._counted.get((metric, label), 0):
                    self._client.increment(metric, added, tags)
                    self._counted[metric, label] = value
            elif self._has_timestamps:
                self._client.gauge_with_timestamp(metric, value, second, tags)
            else:
                self._client.gauge(metric, value, tags)

    def go_on_from(self, before: "DogStatsdSink") -> None:
        """Replace another sink, without sending again what that one has sent of a count."""
        self._counted = before._counted

    def stop(self, timeout_s: float) -> None:
        """Send what is queued, for at most `timeout_s` seconds."""
        self._client.flush()
        self._client.wait_for_pending(timeout_s)
        self._client.stop(timeout=timeout_s)

    @property
    def dropped(self) -> int:
        """Number of packets lost because the Agent was away or did not keep up."""
        self._note_drops()
        return self._dropped_total

    def status(self) -> dict[str, object]:
        return {
            "agent": str(self._agent),
            "emitted": self.emitted,
            "dropped_packets": self.dropped,
        }

    def _note_drops(self) -> None:
        """Add up drops; the client resets its own counter whenever it reports it to the Agent."""
        dropped = self._client.packets_dropped
        started_anew = dropped < self._dropped_before
        self._dropped_total += dropped if started_anew else dropped - self._dropped_before
        self._dropped_before = dropped


def _own(metric: str, label: str) -> list[str]:
    """Return the metric's own tag, if it has one."""
    tag = METRICS[metric].tag
    return [f"{tag}:{label}"] if tag else []


def _limit_the_clients_log() -> None:
    """Add the filter once in a process: nothing removes it, and a reload makes a new sink."""
    client_log = logging.getLogger("datadog.dogstatsd")
    if not any(isinstance(present, _OncePerInterval) for present in client_log.filters):
        client_log.addFilter(_OncePerInterval())


class _OncePerInterval(logging.Filter):
    """Passes one log line per interval: the client logs every refused datagram."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_at = -_LOG_INTERVAL_S

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._logged_at < _LOG_INTERVAL_S:
            return False
        self._logged_at = now
        return True
