"""What became of all pairs of a sidecar: its share of /status, and the document of /comparison.

The supervisor owns the only `ComparisonTotals`. Workers in mode inline judge their pairs, the
LogJoin (join.py) judges the copies of mode sink, and both report what they counted to the Merger,
so that it reaches every sink. Here are what only the comparison shows, and what is said of it all.

Invariant, over all workers that compare and at every reading: shadow legs that ended = compared +
uncompared + waiting. A worker that dies takes the pairs along whose other side it alone knew; the
Merger counts them as uncompared.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from mirror.comparison.examples import ExampleTable
from mirror.core import ledger
from mirror.core.comparison.piece import Piece
from mirror.core.comparison.verdict import NEW_ERRORS, SAME
from mirror.core.ledger import Counts, Latencies
from mirror.formats.comparison import (
    FORMAT,
    PAIRS_STEP_S,
    VERSION,
    Comparison,
    Log,
    RouteComparison,
)


class ComparisonTotals:
    """The comparison of one sidecar; `switch` says what is compared."""

    def __init__(self, unix_second: Callable[[int], int]) -> None:
        """`unix_second` returns the Unix second of one in which workers count (timeline.py)."""
        self._unix_second = unix_second
        self._is_on = False
        self._since_s = 0
        self._examples = ExampleTable()
        self._waiting: dict[int, int] = {}
        """Legs that wait in each worker; the keys are the workers that compare."""
        self._origins: dict[int, bool] = {}
        self._not_kept = 0
        self._newest_step = -1
        self._steps = 0
        """Steps of time with pairs."""
        self._last_new_error: int | None = None
        """The last second with a new error."""

    def switch(self, is_on: bool, now_s: int) -> None:
        """Compare from the Unix second `now_s` on, or no longer; counts continue."""
        if is_on and not self._since_s:
            self._since_s = now_s
        self._is_on = is_on

    def add(self, worker_id: int, piece: Piece) -> None:
        """Take in what a worker, or the supervisor itself, reported of its pairs."""
        self._waiting[worker_id] = piece.waiting
        if piece.shows_origin is not None:
            self._origins[worker_id] = piece.shows_origin
        for addition in piece.examples:
            addition.first = self._unix_second(addition.first)
            addition.last = self._unix_second(addition.last)
            self._examples.add(addition)
        self._not_kept += piece.examples_not_kept

    def settled(self, second: int, has_new_errors: bool = False) -> None:
        """Note that a settled second has pairs; the seconds come in their order, but for late ones,
        which are left out of the steps."""
        if has_new_errors:
            self._last_new_error = max(second, self._last_new_error or second)
        step = second // PAIRS_STEP_S
        if step > self._newest_step:
            self._newest_step = step
            self._steps += 1

    def worker_ended(self, worker_id: int) -> int:
        """Forget a worker; return how many legs waited in it."""
        self._origins.pop(worker_id, None)
        return self._waiting.pop(worker_id, 0)

    def compares(self, worker_id: int) -> bool:
        """Return whether the legs of a worker are compared."""
        return worker_id in self._waiting

    # --- what is shown ---

    @property
    def waiting(self) -> int:
        """Legs that ended and whose other side is not known yet."""
        return sum(self._waiting.values())

    @property
    def shows_origin(self) -> bool | None:
        """Whether the shadow's answers name their origin, as formats/comparison.py defines it."""
        return any(self._origins.values()) if self._origins else None

    def status(self, totals: Counts, legs: int, log: Log | None) -> dict[str, Any] | None:
        """Return the part of /status; None where nothing is compared.

        `totals` are the counts of all workers, `legs` the ended legs of those that compare, and
        `log` what came of production's access log.
        """
        if not self._is_on:
            return None
        results: dict[str, int] = {}
        uncompared: dict[str, int] = {}
        for (metric, _, label), number in sorted(totals.items()):
            if metric == ledger.COMPARED:
                results[label] = results.get(label, 0) + number
            elif metric == ledger.UNCOMPARED:
                uncompared[label] = uncompared.get(label, 0) + number
        compared = sum(results.values())
        new_errors = sum(number for name, number in results.items() if name in NEW_ERRORS)
        waiting, last = self.waiting, self._last_new_error
        return {
            "compared": compared,
            "same": results.get(SAME, 0),
            "new_errors": new_errors,
            "new_error_ratio": new_errors / compared if compared else None,
            "last_new_error_s": None if last is None else self._unix_second(last),
            "results": results,
            "uncompared": uncompared,
            "waiting": waiting,
            "balanced": legs == compared + sum(uncompared.values()) + waiting,
            "shows_origin": self.shows_origin,
            "log": None if log is None else msgspec.to_builtins(log),
        }

    def document(
        self, sums: tuple[Counts, Latencies], log: Log | None, origin: tuple[str, str], now_s: int
    ) -> Comparison | None:
        """Return the answer of /comparison at this Unix second; None where nothing is compared.

        `sums` are the counts and the latencies of all workers, `log` is what came of production's
        access log, and `origin` the name of the instance and its mode.
        """
        if not self._is_on:
            return None
        return Comparison(
            format=FORMAT,
            version=VERSION,
            instance=origin[0],
            mode=origin[1],
            since_s=self._since_s,
            until_s=now_s,
            pairs_s=self._steps * PAIRS_STEP_S,
            waiting=self.waiting,
            shows_origin=self.shows_origin,
            routes=_routes_of(*sums),
            examples=self._examples.rows(),
            examples_not_kept=self._examples.not_kept + self._not_kept,
            log=log,
        )


def _routes_of(totals: Counts, latencies: Latencies) -> list[RouteComparison]:
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for (metric, route, label), number in sorted(totals.items()):
        if metric in (ledger.COMPARED, ledger.COMPARED_CLASSES, ledger.UNCOMPARED):
            counts.setdefault(route, {}).setdefault(metric, {})[label] = number
    return [
        RouteComparison(
            route,
            by_metric.get(ledger.COMPARED_CLASSES, {}),
            by_metric.get(ledger.COMPARED, {}),
            by_metric.get(ledger.UNCOMPARED, {}),
            latencies.get((ledger.COMPARED_PRIMARY_LATENCY, route), {}),
            latencies.get((ledger.COMPARED_SHADOW_LATENCY, route), {}),
        )
        for route, by_metric in sorted(counts.items())
    ]
