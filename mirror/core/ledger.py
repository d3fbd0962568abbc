"""Counters that add up: each request counts once, in one second, under one route.

A `Ledger` belongs to one worker. It counts into the open second, closes seconds as the clock
advances, and keeps totals. A `Merger` belongs to the supervisor and adds up the reports of all
workers. Seconds are steady seconds (core/timeline.py), which no step of the wall clock reaches.

Invariants, over all time and all workers:
    requests + amplified = sum(not_selected) + sum(shed) + shadow.sent + reading
    shadow.sent          = sum(shadow.requests) + in_flight
The tee keeps the gauges `reading` and `in_flight` independently of these counters, so a leg that
ends twice or never shows as an imbalance.

mirror/metrics/catalogue.py defines what each metric means and which tag its label becomes.
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
SHADOW_PROBES = "shadow.probes"
PRIMARY_REQUESTS = "primary.requests"
MALFORMED = "malformed"
LOOPED = "looped"
REPEATED = "repeated"
BREAKER_CHANGES = "shadow.breaker.changes"
CONNECTIONS_REFUSED = "connections.refused"
CAPTURE_RECORDS = "capture.records"
CAPTURE_DROPPED = "capture.dropped"

# Metrics kept as histograms by route; only legs with a response are recorded.
SHADOW_LATENCY = "shadow.latency"
PRIMARY_LATENCY = "primary.latency"

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


class Ledger:
    """The counters of one worker."""

    __slots__ = ("_closed", "_latencies", "_totals", "_unobserved", "counts", "second")

    def __init__(self, second: int) -> None:
        self.second = second
        self.counts: Counts = {}
        """Counts of the open second."""
        self._latencies: Latencies = {}
        self._closed: list[tuple[int, Counts, Latencies]] = []
        self._totals: Counts = {}
        self._unobserved: list[tuple[int, int]] = []

    def stood_still(self, first: int, last: int) -> None:
        """Note that nobody observed the seconds from `first` to `last`, both included."""
        self._unobserved.append((first, last))

    def roll(self, second: int) -> None:
        """Close the open second if `second` is later; otherwise do nothing."""
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
        """Add a latency in microseconds to a histogram of the open second."""
        key = (metric, route)
        buckets = self._latencies.get(key)
        if buckets is None:
            buckets = self._latencies[key] = {}
        bucket = bucket_of(latency_us)
        buckets[bucket] = buckets.get(bucket, 0) + 1

    def report(self, in_flight: int, reading: int) -> Report:
        """Return the seconds closed since the last call, and the totals.

        Each closed second is returned exactly once, so a lost report loses its seconds. `in_flight`
        and `reading` are the gauges of the tee at this moment.
        """
        totals = dict(self._totals)
        add_counts(totals, self.counts)
        closed, self._closed = self._closed, []
        report = Report(self.second - 1, closed, totals, in_flight, reading)
        report.open_counts = dict(self.counts)
        report.unobserved, self._unobserved = self._unobserved, []
        return report


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
    """True if the wall clock was set back and this second was there before (core/timeline.py)."""


@dataclass(slots=True)
class _WorkerShare:
    """The latest report of one worker."""

    through: int
    totals: Counts = field(default_factory=dict)
    in_flight: int = 0
    reading: int = 0
    breaker: int = 0
    breaker_cause: str = ""
    refusal: str = ""
    open_counts: Counts = field(default_factory=dict)


class Merger:
    """Adds up the reports of all workers and settles a second once every worker has closed it."""

    GRACE_S = 3
    """A second older than this is settled without waiting for the workers that lag behind."""
    REMEMBER_S = 120
    """How long the rps of a settled second is kept, so that late counts can complete it."""

    def __init__(self, second: int) -> None:
        """`second` is the first second that is observed from its start."""
        self._first_second = second
        self._next_second = second
        self._workers: dict[int, _WorkerShare] = {}
        self._pending: dict[int, Counts] = {}
        self._pending_latencies: dict[int, Latencies] = {}
        self._rates: dict[int, dict[str, dict[str, int]]] = {}
        """second -> metric -> route -> count over the whole second"""
        self._incomplete: set[int] = set()
        self._unclosed: set[int] = set()
        """Seconds settled before every worker had closed them; incomplete until all have."""
        self._remember_from = 0
        self._unobserved_from = second
        """While no worker runs: the first second that no worker observed to its end."""
        self._ended = _WorkerShare(0)
        """Totals of all workers that have ended."""
        self.incomplete_seconds = 0
        """Number of seconds that were incomplete when first settled, or never settled."""
        self.latencies: Latencies = {}
        """Latencies of all workers since the start, without their open seconds."""

    def worker_started(self, worker_id: int) -> None:
        """Add a worker; seconds that are not settled yet wait for it from now on."""
        self._workers[worker_id] = _WorkerShare(self._next_second - 1)

    def worker_reported(self, worker_id: int, report: Report) -> None:
        """Take in a report; raises KeyError if the worker was not started or has ended."""
        share = self._workers[worker_id]
        share.through = max(share.through, report.through)
        share.totals = report.totals
        share.in_flight = report.in_flight
        share.reading = report.reading
        share.breaker = report.breaker
        share.breaker_cause = report.breaker_cause
        share.refusal = report.refusal
        share.open_counts = report.open_counts
        for second, counts, latencies in report.seconds:
            add_counts(self._pending.setdefault(second, {}), counts)
            if latencies:
                add_latencies(self._pending_latencies.setdefault(second, {}), latencies)
                add_latencies(self.latencies, latencies)
        for first, last in report.unobserved:
            self._add_incomplete(first, last)

    def _add_incomplete(self, first: int, last: int) -> None:
        """Mark seconds, at most as many as are remembered: no more are settled at once."""
        self._incomplete.update(range(max(first, last - self.REMEMBER_S), last + 1))

    def worker_ended(self, worker_id: int, second: int, is_clean: bool) -> None:
        """Remove a worker that ended in `second`.

        Legs it still had in flight get the outcome `worker_lost`; requests it was still reading
        are shed for the same reason. Both invariants therefore hold without it. A worker that did
        not end cleanly loses what it counted since its last report, so the seconds that it had not
        closed are incomplete.
        """
        share = self._workers.pop(worker_id)
        if share.open_counts:
            add_counts(self._pending.setdefault(share.through + 1, {}), share.open_counts)
        if not self._workers:
            self._unobserved_from = second
        if not is_clean:
            self._add_incomplete(share.through + 1, second)
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
        """Return the seconds that are ready for the sinks at `now_s`.

        Additions to seconds that were settled before come first. New seconds follow, oldest first
        and without a hole: a second without requests is a zero, and only an incomplete one a gap.
        After a time longer than REMEMBER_S without a call, the seconds before it are left out;
        what was counted in them is an addition.
        """
        open_second = int(now_s)
        self._leave_out_before(open_second - self.REMEMBER_S)
        closed_by_all = min(
            (share.through for share in self._workers.values()), default=open_second - 1
        )
        late = {second for second in self._pending if second < self._next_second}
        late |= {second for second in self._unclosed if second <= closed_by_all}
        self._unclosed = {second for second in self._unclosed if second > closed_by_all}
        settled = [self._settle_one(second, True) for second in sorted(late)]
        # A worker that hangs must not hold back the others for longer than GRACE_S. The open second
        # is never settled, even if a worker's clock is ahead.
        last = min(max(closed_by_all, open_second - self.GRACE_S - 1), open_second - 1)
        while self._next_second <= last:
            if not self._workers and self._next_second >= self._unobserved_from:
                self._incomplete.add(self._next_second)
            elif self._next_second > closed_by_all:
                self._unclosed.add(self._next_second)
            settled.append(self._settle_one(self._next_second, False))
            self._next_second += 1
        return settled

    def _leave_out_before(self, second: int) -> None:
        """Forget the seconds before `second`; those not yet settled count as incomplete."""
        self._remember_from = max(self._remember_from, second)
        for forgotten in [s for s in self._rates if s < self._remember_from]:
            del self._rates[forgotten]
        self._incomplete = {s for s in self._incomplete if s >= self._remember_from}
        self._unclosed = {s for s in self._unclosed if s >= self._remember_from}
        if self._next_second < self._remember_from:
            self.incomplete_seconds += self._remember_from - self._next_second
            self._next_second = self._remember_from

    def finish(self, now_s: float) -> list[Settled]:
        """Settle the rest after every worker has ended; the open second counts as incomplete."""
        self._incomplete.add(int(now_s))
        return self.settle(int(now_s) + 1)

    def _settle_one(self, second: int, is_late: bool) -> Settled:
        counts = self._pending.pop(second, {})
        latencies = self._pending_latencies.pop(second, {})
        # A sum over part of the second would look like a drop in traffic, so report no rps at all.
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
        """The worst breaker state of all workers: 0 closed, 1 half-open, 2 open."""
        return max((share.breaker for share in self._workers.values()), default=0)

    def breaker_of(self, worker_id: int) -> tuple[int, str]:
        """Return the last reported state of a worker's breaker, and why it last opened."""
        share = self._workers[worker_id]
        return share.breaker, share.breaker_cause

    def refusal_of(self, worker_id: int) -> str:
        """Return why a worker sends the shadow nothing; empty if its target was accepted."""
        return self._workers[worker_id].refusal

    def status(self) -> dict[str, object]:
        """Return the ledger over all workers as `/status` shows it.

        `balanced` is true if both invariants of the module hold.
        """
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
            "probes": _by_label(totals, SHADOW_PROBES),
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
