"""Every metric of the sidecar, once: name, kind, unit, tags and meaning.

The sinks emit these metrics and no others, and a test checks docs/metrics.md against this table.
Names have no prefix `mirror.` here. Workers count under the names of core/ledger.py; the supervisor
adds readings of its own.

Invariant: a tag has a small, closed set of values, so `most_series` bounds what a sidecar costs.

This module knows nothing of where a metric is sent.
"""

from dataclasses import dataclass
from typing import Literal

from mirror.core import ledger, ramp
from mirror.core.comparison import verdict
from mirror.core.wrong_mode import WRONG_MODE

RPS = "rps"
SHADOW_RPS = "shadow.rps"
RPS_DISTRIBUTION = "rps.distribution"
IN_FLIGHT = "shadow.in_flight"
READING = "shadow.reading"
BREAKER = "shadow.breaker"
RATIO = "shadow.ratio"
RAMP_FALLBACKS = "ramp.fallbacks"
RELOADS = "reloads"
WORKERS = "workers"
WORKER_RESTARTS = "worker.restarts"
INCOMPLETE_SECONDS = "incomplete_seconds"
CLOCK_STEPS = "clock.steps"
SINK_DROPPED = "sink.dropped"

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
"""Suffix of a latency gauge, and the share of legs that were not slower."""

Readings = dict[tuple[str, str], float]
"""(metric, label) -> current value; for a count, the sum since the sidecar started."""

OUTCOMES = (
    *ledger.STATUS_CLASSES[1:6],
    ledger.CONNECT_FAILED,
    ledger.TARGET_REFUSED,
    ledger.RESET,
    ledger.PROTOCOL_ERROR,
    ledger.TIMEOUT,
    ledger.ABORTED,
    ledger.WORKER_LOST,
)


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: Literal["count", "gauge", "latency", "distribution"]
    unit: str
    meaning: str
    tag: str = ""
    """The one tag besides `route`; `labels` are its values."""
    labels: tuple[str, ...] = ("",)
    is_by_route: bool = True
    is_inline_only: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names at Datadog: a latency has one gauge for each percentile."""
        if self.kind == "latency":
            return tuple(f"{self.name}.{suffix}" for suffix in PERCENTILES)
        return (self.name,)


_TABLE = (
    Metric(RPS, "gauge", "request", "production requests whose head was complete in that second"),
    Metric(SHADOW_RPS, "gauge", "request", "shadow legs begun in that second"),
    Metric(
        RPS_DISTRIBUTION,
        "distribution",
        "request",
        "replaces `mirror.rps` for an Agent older than 7.40 (`datadog.timestamps: false`)",
    ),
    Metric(
        ledger.REQUESTS,
        "count",
        "request",
        "production requests, the same as in `mirror.rps`",
        "method_class",
        ("safe", "unsafe"),
    ),
    Metric(
        ledger.NOT_SELECTED,
        "count",
        "request",
        "requests that selection left out of the shadow",
        "reason",
        ("method", "ratio", "upgrade"),
    ),
    Metric(ledger.AMPLIFIED, "count", "request", "extra shadow legs, if the ratio is above 1"),
    Metric(
        ledger.SHED,
        "count",
        "request",
        "shadow legs refused before they began",
        "reason",
        (
            *("breaker_open", ledger.TARGET_REFUSED, "waiting_full", "body_too_large"),
            *("buffer_full", "downstream_lost", ledger.WORKER_LOST),
        ),
    ),
    Metric(ledger.SHADOW_SENT, "count", "request", "shadow legs begun"),
    Metric(ledger.SHADOW_REQUESTS, "count", "request", "shadow legs ended", "outcome", OUTCOMES),
    Metric(
        ledger.SHADOW_PROBES,
        "count",
        "request",
        "connections to the shadow that were probed before they served, by what was found",
        "verdict",
        ("accepted", "refused", "unreachable"),
        is_by_route=False,
    ),
    Metric(
        ledger.PRIMARY_REQUESTS,
        "count",
        "request",
        "primary legs ended",
        "outcome",
        OUTCOMES,
        is_inline_only=True,
    ),
    Metric(
        ledger.MALFORMED,
        "count",
        "request",
        "requests that the sidecar answered 4xx or 5xx: not forwarded, not in `rps`",
        "reason",
        (
            *("syntax", "framing", "host", "target", "target_too_long", "head_too_large"),
            *("too_many_fields", "head_timeout", "body_timeout", "method", "connect"),
            *("transfer_coding",),
            *("expectation", "upgrade_with_body", "version", "empty_lines"),
            *("http2", "proxy_protocol", "tls", "loop"),
        ),
        is_by_route=False,
    ),
    Metric(
        ledger.LOOPED,
        "count",
        "request",
        "requests with the shadow's own mark: served, not in `rps`, not mirrored again",
        "mark",
        ledger.LOOP_MARKS,
    ),
    Metric(
        ledger.REPEATED,
        "count",
        "request",
        "copies of a request that nginx mirrored twice: not counted again, not mirrored",
    ),
    Metric(
        WRONG_MODE,
        "count",
        "request",
        "requests that nginx sent for the other mode: closed without an answer, not in `rps`",
        is_by_route=False,
    ),
    Metric(
        ledger.CONNECTIONS_REFUSED,
        "count",
        "connection",
        "connections beyond `max_connections`, closed without an answer",
        is_by_route=False,
    ),
    Metric(
        ledger.CAPTURE_RECORDS,
        "count",
        "request",
        "requests written to the capture",
        is_by_route=False,
    ),
    Metric(
        ledger.CAPTURE_DROPPED,
        "count",
        "request",
        "requests that the capture lost",
        "reason",
        ("queue_full", "disk", "incomplete", "unusable"),
        is_by_route=False,
    ),
    Metric(
        ledger.BREAKER_CHANGES,
        "count",
        "",
        "changes of a worker's breaker to that state",
        "state",
        ("closed", "half_open", "open"),
        is_by_route=False,
    ),
    Metric(
        ledger.SHADOW_LATENCY,
        "latency",
        "second",
        "latency of the shadow legs answered in that second",
    ),
    Metric(
        ledger.PRIMARY_LATENCY,
        "latency",
        "second",
        "latency of the primary legs answered in that second",
        is_inline_only=True,
    ),
    Metric(
        ledger.COMPARED,
        "count",
        "request",
        "pairs of a production request and the first of its shadow legs, by the result",
        "result",
        verdict.RESULTS,
    ),
    Metric(
        ledger.COMPARED_CLASSES,
        "count",
        "request",
        "the same pairs, by the classes of both statuses, production's first",
        "classes",
        tuple(f"{ours}>{theirs}" for ours in verdict.CLASSES for theirs in verdict.CLASSES),
    ),
    Metric(
        ledger.UNCOMPARED,
        "count",
        "request",
        "shadow legs that ended and make no pair",
        "reason",
        verdict.UNCOMPARED,
    ),
    Metric(
        ledger.PRIMARY_LOGGED,
        "count",
        "line",
        "lines of production's access log that the sidecar received (sink)",
        is_by_route=False,
    ),
    Metric(
        ledger.LOG_LOST,
        "count",
        "line",
        "lines of that log that are missing or could not be used (sink)",
        "reason",
        ("gap", "flood", "unreadable", "no_id"),
        is_by_route=False,
    ),
    Metric(
        ledger.LOG_REPEATED,
        "count",
        "line",
        "lines of that log whose request had a line before: whoever reads the log counts it twice",
        is_by_route=False,
    ),
    Metric(
        ledger.COMPARED_PRIMARY_LATENCY,
        "latency",
        "second",
        "latency of production's answers in the pairs that were complete in that second",
    ),
    Metric(
        ledger.COMPARED_SHADOW_LATENCY,
        "latency",
        "second",
        "latency of the shadow's answers in the same pairs",
    ),
    Metric(IN_FLIGHT, "gauge", "request", "shadow legs begun and not ended", is_by_route=False),
    Metric(
        READING,
        "gauge",
        "request",
        "shadow legs whose request is still being read",
        is_by_route=False,
    ),
    Metric(
        BREAKER,
        "gauge",
        "",
        "state of the worst breaker of all workers: 0 closed, 1 half-open, 2 open",
        is_by_route=False,
    ),
    Metric(
        RATIO,
        "gauge",
        "",
        "shadow legs for each request, as configured, ramped or set by hand",
        is_by_route=False,
    ),
    Metric(
        RAMP_FALLBACKS,
        "count",
        "",
        "steps of a ramp that were taken back",
        "reason",
        ramp.REASONS,
        is_by_route=False,
    ),
    Metric(
        RELOADS,
        "count",
        "",
        "reloads of the configuration on SIGHUP",
        "result",
        ("reloaded", "refused"),
        is_by_route=False,
    ),
    Metric(WORKERS, "gauge", "process", "worker processes that are ready", is_by_route=False),
    Metric(
        WORKER_RESTARTS,
        "count",
        "process",
        "workers that ended unexpectedly and were replaced",
        is_by_route=False,
    ),
    Metric(
        INCOMPLETE_SECONDS,
        "count",
        "second",
        "seconds in which requests may be missing: a worker was lost, stalled, or none ran, or the "
        "clock was set back",
        is_by_route=False,
    ),
    Metric(
        CLOCK_STEPS,
        "count",
        "",
        "steps of the host's clock of more than half a second",
        "direction",
        ("forward", "backward"),
        is_by_route=False,
    ),
    Metric(
        SINK_DROPPED,
        "count",
        "",
        "losses of a sink: seconds of `series`, packets of `datadog`",
        "sink",
        ("series", "datadog"),
        is_by_route=False,
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}


def most_series(metric: Metric, routes: int) -> int:
    """Return the most custom metrics that one instance can make; `routes` includes `other`.

    Datadog bills each name with each combination of tag values, and a distribution five times.
    """
    combinations = len(metric.labels) * (routes if metric.is_by_route else 1)
    return combinations * len(metric.names) * (5 if metric.kind == "distribution" else 1)
