"""Counters that add up: every request once, in one second, under one route.

A `Ledger` belongs to one worker. It counts into the open second, closes seconds as the clock
advances, and keeps totals. Its clock never runs backwards, so no second is closed twice.
A `Merger` belongs to the supervisor and adds up the reports of all workers.

Invariants, over all time and all workers:
    requests + amplified = sum(not_selected) + sum(shed) + shadow.sent + reading
    shadow.sent          = sum(shadow.requests) + in_flight
The tee keeps the gauges `reading` and `in_flight` apart from these counters, so a leg that ends
twice or never becomes visible as an imbalance.

mirror/metrics/catalogue.py says what each metric means, and which tag its label becomes.
"""

from dataclasses import dataclass, field

import msgspec

from mirror.core.latency import Buckets, add_buckets, bucket_of

REQUESTS = "requests"
NOT_SELECTED = "not_selected"
AMPLIFIED = "amplified"
SHED = "shed"
SHADOW_SENT = "shadow.sent"
SHADOW_REQUESTS = "shadow.requests"
PRIMARY_REQUESTS = "primary.requests"
MALFORMED = "malformed"
LOOPED = "looped"
REPEATED = "repeated"
BREAKER_CHANGES = "shadow.breaker.changes"
CONNECTIONS_REFUSED = "connections.refused"
CAPTURE_RECORDS = "capture.records"
CAPTURE_DROPPED = "capture.dropped"

# Histograms by route, of the legs that were answered.
SHADOW_LATENCY = "shadow.latency"
PRIMARY_LATENCY = "primary.latency"

# Outcomes of a leg that was not answered.
CONNECT_FAILED = "connect_failed"
RESET = "reset"
PROTOCOL_ERROR = "protocol_error"
TIMEOUT = "timeout"
ABORTED = "aborted"
WORKER_LOST = "worker_lost"

STATUS_CLASSES = ("", "1xx", "2xx", "3xx", "4xx", "5xx")
"""Outcome of a leg that was answered; the index is status // 100."""

Key = tuple[str, str, str]
"""metric, route, label"""
Counts = dict[Key, int]
Latencies = dict[tuple[str, str], Buckets]
"""metric, route -> histogram"""


def add_counts(into: Counts, counts: Counts) -> None:
    for key, number in counts.items():
        into[key] = into.get(key, 0) + number


def add_latencies(into: Latencies, latencies: Latencies) -> None:
    for key, buckets in latencies.items():
        add_buckets(into.setdefault(key, {}), buckets)


class Report(msgspec.Struct, array_like=True):
    """What a worker reports to the supervisor several times a second."""

    through: int
    """The worker has closed every second up to this one."""
    seconds: list[tuple[int, Counts, Latencies]]
    """The seconds with counts that were closed since the last report."""
    totals: Counts
    """All counts since the worker started, including the open second."""
    in_flight: int
    reading: int
    breaker: int = 0
    """State of the worker's breaker: 0 closed, 1 half-open, 2 open."""
    breaker_cause: str = ""
    """Why it last opened."""
    open_counts: Counts = {}
    """Counts of the open second so far, in case the worker is lost before it closes the second."""


class Ledger:
    """The counters of one worker."""

    __slots__ = ("_closed", "_latencies", "_totals", "counts", "second")

    def __init__(self, second: int) -> None:
        self.second = second
        self.counts: Counts = {}
        """Counts of the open second."""
        self._latencies: Latencies = {}
        self._closed: list[tuple[int, Counts, Latencies]] = []
        self._totals: Counts = {}

    def roll(self, second: int) -> None:
        """Close the open second if `second` is later; do nothing otherwise."""
        if second <= self.second:
            return
        if self.counts or self._latencies:
            self._closed.append((self.second, self.counts, self._latencies))
            add_counts(self._totals, self.counts)
            self.counts = {}
            self._latencies = {}
        self.second = second

    def count(self, metric: str, route: str, label: str = "", number: int = 1) -> None:
        """Add `number` to a counter of the open second."""
        key = (metric, route, label)
        counts = self.counts
        counts[key] = counts.get(key, 0) + number

    def record(self, metric: str, route: str, latency_us: int) -> None:
        """Add a latency to the open second."""
        key = (metric, route)
        buckets = self._latencies.get(key)
        if buckets is None:
            buckets = self._latencies[key] = {}
        bucket = bucket_of(latency_us)
        buckets[bucket] = buckets.get(bucket, 0) + 1

    def report(self, in_flight: int, reading: int) -> Report:
        """Return a report of the seconds closed since the last report; each is reported once."""
        totals = dict(self._totals)
        add_counts(totals, self.counts)
        closed, self._closed = self._closed, []
        return Report(
            self.second - 1, closed, totals, in_flight, reading, open_counts=dict(self.counts)
        )


@dataclass(frozen=True, slots=True)
class Settled:
    """The counts of one second over all workers."""

    second: int
    counts: Counts
    """What to add to this second: all of its counts, or only those that came late."""
    rps: dict[str, int]
    """Production requests of the whole second by route, including late ones; empty where the second
    is so old that its sum is no longer known."""
    shadow_rps: dict[str, int]
    """Shadow legs that began in the whole second, by route in the same way."""
    is_late: bool
    """Whether this second was settled before, so that `counts` is an addition to it."""
    is_complete: bool
    """False where a worker was lost or none ran, so that requests may be missing."""
    latencies: Latencies = field(default_factory=dict)
    """Latencies of the legs that ended in this second: of all, or only of late ones."""


@dataclass(slots=True)
class _WorkerShare:
    through: int
    totals: Counts = field(default_factory=dict)
    in_flight: int = 0
    reading: int = 0
    breaker: int = 0
    breaker_cause: str = ""
    open_counts: Counts = field(default_factory=dict)


class Merger:
    """Adds up the reports of workers, and settles a second when every worker has closed it."""

    GRACE_S = 3
    """A second older than this is settled without the workers that have not closed it yet."""
    REMEMBER_S = 120
    """How long the rps of a settled second is remembered, so that late counts can complete it."""

    def __init__(self, second: int) -> None:
        """Start at `second`, the first one that can be observed as a whole."""
        self._first_second = second
        self._next_second = second
        self._workers: dict[int, _WorkerShare] = {}
        self._pending: dict[int, Counts] = {}
        self._pending_latencies: dict[int, Latencies] = {}
        self._rates: dict[int, dict[str, dict[str, int]]] = {}
        """second -> metric -> route -> count of the whole second."""
        self._incomplete: set[int] = set()
        self._unclosed: set[int] = set()
        """Seconds that were settled before a worker closed them; incomplete until it does."""
        self._remember_from = 0
        self._unobserved_from = second
        """While no worker runs, the first second that no worker observed to its end."""
        self._ended = _WorkerShare(0)
        self.incomplete_seconds = 0
        """Number of seconds that were incomplete when they were first settled."""
        self.latencies: Latencies = {}
        """Latencies of all workers since the start, without their open seconds."""

    def worker_started(self, worker_id: int) -> None:
        self._workers[worker_id] = _WorkerShare(self._next_second - 1)

    def worker_reported(self, worker_id: int, report: Report) -> None:
        share = self._workers[worker_id]
        share.through = max(share.through, report.through)
        share.totals = report.totals
        share.in_flight = report.in_flight
        share.reading = report.reading
        share.breaker = report.breaker
        share.breaker_cause = report.breaker_cause
        share.open_counts = report.open_counts
        for second, counts, latencies in report.seconds:
            add_counts(self._pending.setdefault(second, {}), counts)
            if latencies:
                add_latencies(self._pending_latencies.setdefault(second, {}), latencies)
                add_latencies(self.latencies, latencies)

    def worker_ended(self, worker_id: int, second: int, is_clean: bool) -> None:
        """Count what the worker still had in flight as `worker_lost`, in `second`.

        A worker that did not end cleanly loses what it counted since its last report, so the
        seconds that it had not closed are incomplete.
        """
        share = self._workers.pop(worker_id)
        if share.open_counts:
            add_counts(self._pending.setdefault(share.through + 1, {}), share.open_counts)
        if not self._workers:
            self._unobserved_from = second
        if not is_clean:
            self._incomplete.update(range(share.through + 1, second + 1))
        lost: Counts = {}
        if share.in_flight:
            lost[(SHADOW_REQUESTS, "other", WORKER_LOST)] = share.in_flight
        if share.reading:
            lost[(SHED, "other", WORKER_LOST)] = share.reading
        add_counts(self._ended.totals, share.totals)
        add_counts(self._ended.totals, lost)
        if lost:
            add_counts(self._pending.setdefault(second, {}), lost)

    def settle(self, now_s: float) -> list[Settled]:
        """Return the seconds that can be given to the sinks, oldest first and without a hole.

        Late counts of seconds that were settled before come first. `now_s` is Unix time.
        """
        open_second = int(now_s)
        closed_by_all = min(
            (share.through for share in self._workers.values()), default=open_second - 1
        )
        late = {second for second in self._pending if second < self._next_second}
        late |= {second for second in self._unclosed if second <= closed_by_all}
        self._unclosed = {second for second in self._unclosed if second > closed_by_all}
        settled = [self._settle_one(second, True) for second in sorted(late)]
        last = min(max(closed_by_all, open_second - self.GRACE_S - 1), open_second - 1)
        while self._next_second <= last:
            if not self._workers and self._next_second >= self._unobserved_from:
                self._incomplete.add(self._next_second)
            elif self._next_second > closed_by_all:
                self._unclosed.add(self._next_second)
            settled.append(self._settle_one(self._next_second, False))
            self._next_second += 1
        self._remember_from = max(self._remember_from, open_second - self.REMEMBER_S)
        for second in [s for s in self._rates if s < self._remember_from]:
            del self._rates[second]
            self._incomplete.discard(second)
            self._unclosed.discard(second)
        return settled

    def finish(self, now_s: float) -> list[Settled]:
        """Settle all that is left after every worker has ended; the open second is incomplete."""
        self._incomplete.add(int(now_s))
        return self.settle(int(now_s) + 1)

    def _settle_one(self, second: int, is_late: bool) -> Settled:
        counts = self._pending.pop(second, {})
        latencies = self._pending_latencies.pop(second, {})
        if second < self._remember_from:
            return Settled(second, counts, {}, {}, is_late, False, latencies)
        rates = self._rates.setdefault(second, {REQUESTS: {}, SHADOW_SENT: {}})
        for (metric, route, _), number in counts.items():
            if metric in rates:
                rates[metric][route] = rates[metric].get(route, 0) + number
        rps, shadow_rps = dict(rates[REQUESTS]), dict(rates[SHADOW_SENT])
        is_missing = second in self._incomplete or second in self._unclosed
        is_complete = second >= self._first_second and not is_missing
        self.incomplete_seconds += not (is_complete or is_late)
        return Settled(second, counts, rps, shadow_rps, is_late, is_complete, latencies)

    def totals(self) -> Counts:
        """Return all counts of all workers since the start, including their open seconds."""
        totals: Counts = {}
        for share in (self._ended, *self._workers.values()):
            add_counts(totals, share.totals)
        return totals

    @property
    def in_flight(self) -> int:
        return sum(share.in_flight for share in self._workers.values())

    @property
    def reading(self) -> int:
        return sum(share.reading for share in self._workers.values())

    @property
    def breaker(self) -> int:
        """The state of the breaker farthest from closed: 0 closed, 1 half-open, 2 open."""
        return max((share.breaker for share in self._workers.values()), default=0)

    def breaker_of(self, worker_id: int) -> tuple[int, str]:
        """Return the last reported state of a worker's breaker, and why it last opened."""
        share = self._workers[worker_id]
        return share.breaker, share.breaker_cause

    def status(self) -> dict[str, object]:
        """Return the ledger over all workers; `balanced` says whether both invariants hold."""
        totals, in_flight, reading = self.totals(), self.in_flight, self.reading
        seen, sent = _total(totals, REQUESTS), _total(totals, SHADOW_SENT)
        not_selected, shed = _by_label(totals, NOT_SELECTED), _by_label(totals, SHED)
        outcomes, amplified = _by_label(totals, SHADOW_REQUESTS), _total(totals, AMPLIFIED)
        accounted = sum(not_selected.values()) + sum(shed.values()) + sent + reading
        return {
            "seen": seen,
            "not_selected": not_selected,
            "amplified": amplified,
            "shed": shed,
            "sent": sent,
            "reading": reading,
            "outcomes": outcomes,
            "in_flight": in_flight,
            "primary": _by_label(totals, PRIMARY_REQUESTS),
            "malformed": _by_label(totals, MALFORMED),
            "looped": _total(totals, LOOPED),
            "repeated": _total(totals, REPEATED),
            "balanced": seen + amplified == accounted
            and sent == sum(outcomes.values()) + in_flight,
        }


def _total(counts: Counts, metric: str) -> int:
    return sum(number for key, number in counts.items() if key[0] == metric)


def _by_label(counts: Counts, metric: str) -> dict[str, int]:
    labels: dict[str, int] = {}
    for (name, _, label), number in counts.items():
        if name == metric:
            labels[label] = labels.get(label, 0) + number
    return dict(sorted(labels.items()))
