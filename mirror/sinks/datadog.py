"""Counts to the Datadog Agent, as DogStatsD datagrams (docs/metrics.md).

One client for the whole sidecar, in the supervisor. Counts were added up per second before they
come here, so a second costs a handful of lines whatever the rps.
- `mirror.rps` is a gauge with a timestamp: the Agent then keeps each second, where a plain count
  becomes a ten-second average. Client aggregation would fold the seconds into one: it is off.
- A client whose background sender cannot send drops and counts; it never waits.
"""

import logging
import time
from collections.abc import Sequence

from datadog.dogstatsd.base import DogStatsd

from mirror.addresses import Address, TcpAddress, UnixAddress
from mirror.core.ledger import LABEL_TAGS, Settled

_SENDER_QUEUE = 1024
_LOG_INTERVAL_S = 60.0


class DogStatsdSink:
    """Call `emit` for every settled second, then `stop`."""

    def __init__(
        self, agent: Address, tags: Sequence[str], instance: str, routes: Sequence[str]
    ) -> None:
        self._agent = agent
        self._routes = tuple(routes)
        logging.getLogger("datadog.dogstatsd").addFilter(_OncePerInterval())
        self._client = DogStatsd(
            host=agent.host if isinstance(agent, TcpAddress) else None,
            port=agent.port if isinstance(agent, TcpAddress) else None,
            socket_path=agent.path if isinstance(agent, UnixAddress) else None,
            namespace="mirror",
            constant_tags=[*tags, f"instance:{instance}"],
            disable_aggregation=True,
            disable_buffering=False,
            disable_background_sender=False,
            sender_queue_size=_SENDER_QUEUE,
            sender_queue_timeout=0,
            socket_timeout=0,
        )
        self.emitted = 0
        """Seconds handed to the client."""
        self._dropped_before = 0
        self._dropped_total = 0

    def emit(self, settled: Settled) -> None:
        """One gauge point for each route, zeros too; a late second repeats its whole sum."""
        client = self._client
        self._note_drops()
        routes = settled.rps if settled.is_late else self._routes
        for route in routes:
            client.gauge_with_timestamp(
                "rps", settled.rps.get(route, 0), settled.second, tags=[f"route:{route}"]
            )
        for (metric, route, label), number in settled.counts.items():
            tags = [f"route:{route}"]
            if tag := LABEL_TAGS[metric]:
                tags.append(f"{tag}:{label}")
            client.increment(metric, number, tags=tags)
        self.emitted += 1

    def stop(self, timeout_s: float) -> None:
        """Send what is queued, for at most `timeout_s`."""
        self._client.flush()
        self._client.wait_for_pending(timeout_s)
        self._client.stop(timeout=timeout_s)

    def status(self) -> dict[str, object]:
        self._note_drops()
        return {
            "agent": str(self._agent),
            "emitted": self.emitted,
            "dropped_packets": self._dropped_total,
        }

    def _note_drops(self) -> None:
        """The client starts its own drop counter anew whenever it reports it to the Agent."""
        dropped = self._client.packets_dropped
        started_anew = dropped < self._dropped_before
        self._dropped_total += dropped if started_anew else dropped - self._dropped_before
        self._dropped_before = dropped


class _OncePerInterval(logging.Filter):
    """The client logs every refused datagram: one line per interval is enough."""

    def __init__(self) -> None:
        super().__init__()
        self._logged_at = -_LOG_INTERVAL_S

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._logged_at < _LOG_INTERVAL_S:
            return False
        self._logged_at = now
        return True
