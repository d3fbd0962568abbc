"""What mirroring has shown of a component's routes, for what stops a step and before the first one.

The new side gets production's requests, and with them those that production itself fails. So the
errors that stop a step are

    limit = policy's limit + production's own failures / pairs

Production's own failures are pairs in which it answered 5xx or not at all. Worked: a limit of 1 %
and 23 failures in 10,000 pairs stop a step above 1.23 %.

A component whose copies met more new errors than the policy's limit would be taken back at its
first step, so that is said before. Pairs that are too few to say leave the limit as it is.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from estimator.migration.order.rehearsal import LEAST_COPIES, Rehearsal, rehearsal_of_pairs
from estimator.series.ended_legs import EndedLegs
from estimator.series.rps import ALL_ROUTES
from estimator.units import format_share

Legs = Mapping[str, EndedLegs] | None
"""What mirroring met by route tag; None where no series.db says it."""
_FAILED = ("5xx", "none")


@dataclass(frozen=True, slots=True)
class Compared:
    """The pairs of a component's moving routes."""

    rehearsal: Rehearsal
    failure_ratio: float
    """The share of its pairs that production itself failed; 0 with fewer than LEAST_COPIES."""

    def doubts(self, name: str, limit: float) -> Iterator[str]:
        """Yield why the first step of this component would be taken back at this limit."""
        if self.rehearsal.new_error_ratio > limit:
            copies = self.rehearsal.copies
            kinds = ", ".join(f"{kind} {count:,}" for kind, count in self.rehearsal.kinds[:3])
            yield (
                f"{name}: {format_share(copies.error_ratio)} of {copies.count:,} copies that were"
                f" compared with production's answers met new errors ({kinds}), so its first step"
                " would be taken back: `mirror compare` says what to do about them"
            )


def compared_of(routes: Collection[str], legs: Legs) -> Compared | None:
    """Return what was compared of these route tags; None without a pair."""
    results: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    for tag, ended in (legs or {}).items():
        if tag in routes or ALL_ROUTES in routes:
            results.update(ended.compared)
            classes.update(ended.classes)
    rehearsal = rehearsal_of_pairs(results)
    if rehearsal is None:
        return None
    failed = sum(count for both, count in classes.items() if both.partition(">")[0] in _FAILED)
    count = rehearsal.copies.count
    return Compared(rehearsal, failed / count if count >= LEAST_COPIES else 0.0)
