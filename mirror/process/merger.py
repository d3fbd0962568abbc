"""Adds up the reports of all workers: a second is settled once every worker has closed it.

The supervisor owns the only `Merger`. Workers lag, stand still, die and are replaced; a second of
which something may be missing is settled as incomplete, and what arrives later completes it. The
invariants are those of core/ledger.py, over all workers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from mirror.comparison.totals import ComparisonTotals
from mirror.core.canaries.recent import CanaryTotals
from mirror.core.comparison.piece import Copy
from mirror.core.comparison.verdict import NEW_ERRORS, PRIMARY_ABORTED, SHADOW_ABORTED
from mirror.core.ledger import (
    AMPLIFIED,
    COMPARED,
    LOOPED,
    MALFORMED,
    NOT_SELECTED,
    PRIMARY_REQUESTS,
    REPEATED,
    REQUESTS,
    SHADOW_PROBES,
    SHADOW_REQUESTS,
    SHADOW_SENT,
    SHED,
    UNCOMPARED,
    WORKER_LOST,
    Counts,
    Latencies,
    Report,
    Settled,
    add_counts,
    add_latencies,
)
from mirror.core.wrong_mode import WRONG_MODE
from mirror.formats.comparison import Log
from mirror.process.uri_totals import UriTotals

_SUPERVISOR = 0
"""Stands for the supervisor among the workers, whose numbers begin with 1."""


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
    held: tuple[int, int, int] = (0, 0, 0)


class Merger:
    """Adds up the reports of all workers and settles a second once every worker has closed it."""

    GRACE_S = 3
    """A second older than this is settled without waiting for the workers that lag behind."""
    REMEMBER_S = 120
    """How long the rps of a settled second is kept, so that late counts can complete it."""

    def __init__(
        self,
        second: int,
        uris: UriTotals | None = None,
        take_copies: Callable[[list[Copy]], None] = lambda copies: None,
        unix_second: Callable[[int], int] = lambda second: second,
    ) -> None:
        """`second` is the first second that is observed from its start; `uris` takes what the
        reports say of URIs, and `take_copies` their copies; `unix_second` returns the Unix second
        of one of ours (timeline.py)."""
        self._uris = uris
        self._take_copies = take_copies
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
        self._own = _WorkerShare(0)
        """Totals of what the supervisor counted by itself."""
        self.comparison = ComparisonTotals(unix_second)
        self._compared_legs_ended = 0
        """Shadow legs of ended workers that compared."""
        self.canaries = CanaryTotals()
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
        share.held = report.held
        share.open_counts = report.open_counts
        self._add_seconds(report)
        for first, last in report.unobserved:
            self._add_incomplete(first, last)
        if self._uris is not None and report.uris is not None:
            self._uris.add(worker_id, report.uris)
        if report.comparison is not None:
            self.comparison.add(worker_id, report.comparison)
            self._take_copies(report.comparison.copies)
        if report.canaries is not None:
            self.canaries.add(worker_id, report.canaries)

    def supervisor_counted(self, report: Report) -> None:
        """Take in what the supervisor counted by itself; no second waits for that."""
        self._own.totals = report.totals
        self._add_seconds(report)
        if report.comparison is not None:
            self.comparison.add(_SUPERVISOR, report.comparison)

    def _add_seconds(self, report: Report) -> None:
        for second, counts, latencies in report.seconds:
            add_counts(self._pending.setdefault(second, {}), counts)
            if latencies:
                add_latencies(self._pending_latencies.setdefault(second, {}), latencies)
                add_latencies(self.latencies, latencies)

    def _add_incomplete(self, first: int, last: int) -> None:
        """Mark seconds, at most as many as are remembered: no more are settled at once."""
        self._incomplete.update(range(max(first, last - self.REMEMBER_S), last + 1))

    def worker_ended(self, worker_id: int, second: int, is_clean: bool) -> None:
        """Remove a worker that ended in `second`.

        Legs it still had in flight get the outcome `worker_lost`; requests it was still reading
        are shed for the same reason, and pairs that only it knew are not compared. All invariants
        therefore hold without it. A worker that did
        not end cleanly loses what it counted since its last report, so the seconds that it had not
        closed are incomplete.
        """
        share = self._workers.pop(worker_id)
        if self._uris is not None:
            self._uris.worker_ended(worker_id)
        self.canaries.worker_ended(worker_id)
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
        if self.comparison.compares(worker_id):
            self._compared_legs_ended += _total(share.totals, SHADOW_REQUESTS) + share.in_flight
            waited = self.comparison.worker_ended(worker_id)
            for reason, number in ((SHADOW_ABORTED, share.in_flight), (PRIMARY_ABORTED, waited)):
                if number:
                    lost[UNCOMPARED, "other", reason] = number
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
        if results := {label for metric, _, label in counts if metric == COMPARED}:
            self.comparison.settled(second, not results.isdisjoint(NEW_ERRORS))
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
        for share in (self._ended, self._own, *self._workers.values()):
            add_counts(totals, share.totals)
        return totals

    @property
    def in_flight(self) -> int:
        return sum(share.in_flight for share in self._workers.values())

    @property
    def reading(self) -> int:
        return sum(share.reading for share in self._workers.values())

    @property
    def held(self) -> list[int]:
        """What all workers hold: bytes of requests, legs that wait, connections."""
        shares = [share.held for share in self._workers.values()]
        return [sum(each[place] for each in shares) for place in range(3)]

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

    def comparison_status(self, log: Log | None) -> dict[str, object] | None:
        """Return the part of /status that compares; None where nothing is compared.

        `log` is what came of production's access log.
        """
        legs = self._compared_legs_ended + sum(
            _total(share.totals, SHADOW_REQUESTS)
            for worker_id, share in self._workers.items()
            if self.comparison.compares(worker_id)
        )
        return self.comparison.status(self.totals(), legs, log)

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
            "wrong_mode": _total(totals, WRONG_MODE),
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
