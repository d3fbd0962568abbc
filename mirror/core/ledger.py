"""Counters that add up: each request counts once, in one second, under one route.

A `Ledger` (worker_ledger.py) belongs to one worker; merger.py adds up the reports of all workers.
Seconds are steady seconds (timeline.py), which no step of the wall clock reaches.

Invariants, over all time and all workers:
    requests + amplified = sum(not_selected) + sum(shed) + shadow.sent + reading
    shadow.sent          = sum(shadow.requests) + in_flight
The tee keeps the gauges `reading` and `in_flight` independently of these counters, so a leg that
ends twice or never shows as an imbalance.

mirror/metrics/catalogue.py defines what each metric means and which tag its label becomes.
"""

from dataclasses import dataclass, field

import msgspec

from mirror.core.canaries.canary import Piece as CanaryPiece
from mirror.core.comparison.piece import Piece as ComparisonPiece
from mirror.core.latency import Buckets, add_buckets
from mirror.core.uri_counts.piece import Piece

REQUESTS = "requests"
NOT_SELECTED = "not_selected"
AMPLIFIED = "amplified"
SHED = "shed"
SHADOW_SENT = "shadow.sent"
SHADOW_REQUESTS = "shadow.requests"
SHADOW_PROBES = "shadow.probes"
PRIMARY_REQUESTS = "primary.requests"
MALFORMED = "malformed"
LOOPED = "looped"
LOOP_MARKS = ("copy", "probe")
"""Labels of LOOPED. A check whose shadow is production sends a probe there, and no copy."""
REPEATED = "repeated"
BREAKER_CHANGES = "shadow.breaker.changes"
CONNECTIONS_REFUSED = "connections.refused"
CAPTURE_RECORDS = "capture.records"
CAPTURE_DROPPED = "capture.dropped"
COMPARED = "compared"
COMPARED_CLASSES = "compared.classes"
UNCOMPARED = "uncompared"
PRIMARY_LOGGED = "primary.logged"
LOG_LOST = "log.lost"
LOG_REPEATED = "log.repeated"

# Metrics kept as histograms by route; only legs with a response are recorded.
SHADOW_LATENCY = "shadow.latency"
PRIMARY_LATENCY = "primary.latency"
# The same, of the answers of pairs that were compared.
COMPARED_PRIMARY_LATENCY = "compared.primary.latency"
COMPARED_SHADOW_LATENCY = "compared.shadow.latency"

# Outcomes of a leg that got no complete response.
CONNECT_FAILED = "connect_failed"
RESET = "reset"
PROTOCOL_ERROR = "protocol_error"
TIMEOUT = "timeout"
TARGET_REFUSED = "target_refused"
ABORTED = "aborted"
WORKER_LOST = "worker_lost"

STATUS_CLASSES = ("", "1xx", "2xx", "3xx", "4xx", "5xx", "5xx", "5xx", "5xx", "5xx")
"""Outcome of a leg that got a response, indexed by status // 100. RFC 9110 15: an invalid status
counts as 5xx."""

Key = tuple[str, str, str]
"""metric, route, label"""
Counts = dict[Key, int]
Latencies = dict[tuple[str, str], Buckets]
"""metric, route -> histogram"""


def add_counts(into: Counts, counts: Counts) -> None:
    """Add `counts` to `into`, in place."""
    for key, number in counts.items():
        into[key] = into.get(key, 0) + number


def add_latencies(into: Latencies, latencies: Latencies) -> None:
    """Add the histograms of `latencies` to those of `into`, in place."""
    for key, buckets in latencies.items():
        add_buckets(into.setdefault(key, {}), buckets)


class Report(msgspec.Struct, array_like=True):
    """What a worker sends to the supervisor, several times a second."""

    through: int
    """The last second that this worker has closed; all earlier ones are closed too."""
    seconds: list[tuple[int, Counts, Latencies]]
    """Seconds closed since the last report, without those that counted nothing."""
    totals: Counts
    """All counts since the worker started, including the open second."""
    in_flight: int
    reading: int
    breaker: int = 0
    """State of the worker's breaker: 0 closed, 1 half-open, 2 open."""
    breaker_cause: str = ""
    """Why the breaker last opened."""
    refusal: str = ""
    """Why the shadow gets no leg, if it last answered a probe as something else than expected."""
    open_counts: Counts = {}
    """Counts so far of the second after `through`; the supervisor uses them if the worker dies."""
    unobserved: list[tuple[int, int]] = []
    """The first and the last second of each time in which the worker stood still."""
    uris: Piece | None = None
    """What is new in the counts of URIs; None where they are switched off."""
    comparison: ComparisonPiece | None = None
    """What is new of the pairs; None where this worker compares nothing."""
    canaries: CanaryPiece | None = None
    """The canaries that changed; None if none did."""
    held: tuple[int, int, int] = (0, 0, 0)
    """What the worker holds for the shadow: bytes of requests, legs that wait, connections."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The counts of one second, added up over all workers."""

    second: int
    counts: Counts
    """What to add to this second: all its counts, or only the late ones."""
    rps: dict[str, int]
    """Production requests of the whole second by route, including late ones. Empty if the second
    is so old that the Merger has forgotten its sum."""
    shadow_rps: dict[str, int]
    """Shadow legs sent in the whole second by route; empty in the same case."""
    is_late: bool
    """True if the second was settled before, so that `counts` is an addition to it."""
    is_complete: bool
    """False if a worker was lost or stood still, or none ran, so that requests may be missing."""
    latencies: Latencies = field(default_factory=dict)
    """Latencies of the legs that ended in this second: of all legs, or only of the late ones."""
    is_repeated: bool = False
    """True if the wall clock was set back and this second was there before (see timeline.py)."""
