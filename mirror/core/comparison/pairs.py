"""The pairs of one worker in mode inline, which sees both answers.

A pair is one production request and the first of its shadow legs. Either answer may come first; the
one that comes last judges. An exchange and its leg hold their pair, so no table of them is needed,
and their own limits bound how many there are.

Invariant: every shadow leg that ended is either compared, or uncompared, or waiting:

    shadow.requests = compared + uncompared + waiting
"""

from mirror.core import ledger
from mirror.core.comparison.answer import NOT_ANSWERED, Answer
from mirror.core.comparison.examples import Examples
from mirror.core.comparison.verdict import (
    EXTRA_COPY,
    NEW_ERRORS,
    PRIMARY_ABORTED,
    SHADOW_ABORTED,
    classes_of,
    verdict,
)
from mirror.core.worker_ledger import Ledger


class Pair:
    """What is known of one request and its first shadow leg."""

    __slots__ = ("primary", "route", "shadow")

    def __init__(self, route: str) -> None:
        self.route = route
        self.primary: Answer | None = None
        self.shadow: Answer | None = None


class Pairs:
    """Counts what became of the pairs of one worker."""

    __slots__ = ("_examples", "_ledger", "waiting")

    def __init__(self, counts: Ledger, examples: Examples) -> None:
        self._ledger = counts
        self._examples = examples
        self.waiting = 0
        """Shadow legs that ended before their primary did."""

    def extra_ended(self, route: str) -> None:
        """Count a shadow leg beyond the first of its request."""
        self._ledger.count(ledger.UNCOMPARED, route, EXTRA_COPY)

    def shadow_ended(self, pair: Pair, answer: Answer, request: bytes) -> None:
        """Take the answer of the shadow's leg; `request` are the bytes that were sent."""
        primary = pair.primary
        if answer.outcome == ledger.ABORTED:
            self._ledger.count(ledger.UNCOMPARED, pair.route, SHADOW_ABORTED)
        elif primary is None:
            pair.shadow = answer
            self.waiting += 1
        else:
            self._judge(pair.route, primary, answer, request)

    def primary_ended(self, pair: Pair, answer: Answer, request: bytes) -> None:
        """Take the answer of the primary's leg; `request` begins as the request that was sent."""
        shadow = pair.shadow
        if shadow is None:
            pair.primary = answer
            return
        self.waiting -= 1
        self._judge(pair.route, answer, shadow, request)

    def _judge(self, route: str, primary: Answer, shadow: Answer, request: bytes) -> None:
        result = count_pair(self._ledger, route, primary, shadow)
        if result in NEW_ERRORS:
            second = self._ledger.second
            self._examples.add(route, result, (primary, shadow), request, second)


def count_pair(counts: Ledger, route: str, primary: Answer, shadow: Answer) -> str:
    """Count both answers of a pair; return the result, or the reason why it has none."""
    if primary.outcome == ledger.ABORTED:
        counts.count(ledger.UNCOMPARED, route, PRIMARY_ABORTED)
        return PRIMARY_ABORTED
    result = verdict(primary, shadow)
    counts.count(ledger.COMPARED, route, result)
    counts.count(ledger.COMPARED_CLASSES, route, classes_of(primary, shadow))
    if primary.latency_us != NOT_ANSWERED and shadow.latency_us != NOT_ANSWERED:
        counts.record(ledger.COMPARED_PRIMARY_LATENCY, route, primary.latency_us)
        counts.record(ledger.COMPARED_SHADOW_LATENCY, route, shadow.latency_us)
    return result
