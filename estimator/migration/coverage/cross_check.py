"""Do these objects say what the live Envoy did? A check of both by what a sidecar compared.

The sidecar's examples are single requests whose copies Envoy either could not route (`route_miss`)
or sent to an application that failed. These objects must say the same. Where they do not, they are
not applied as they are in the files, another gateway answered, or the request is judged wrongly
here.

Requests that both sides served have no example. Of them only the sum is checked: where the objects
reject a share r of the requests and n pairs were compared, about r n of them are route misses. Less
than a tenth of that, where at least ten are expected, is a contradiction. Worked: 2 % of the
requests and 10,000 pairs make 200; 19 route misses contradict it, 20 do not.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from estimator.migration.coverage.analysis import decide
from estimator.migration.coverage.result import Coverage
from estimator.migration.coverage.verdicts import Verdict
from estimator.requests.observations import Observation
from estimator.routing.decision import Decision, Outcome
from estimator.routing.table import RouteTable
from mirror.formats.comparison import Comparison

ROUTE_MISS = "route_miss"
ROUTED = frozenset({"app_not_found", "app_error", "app_status", "no_upstream", "upstream_timeout"})
"""Results of requests for which the live Envoy had a route, whatever became of them there."""
LEAST_EXPECTED = 10
MOST_EXPECTED_RATIO = 0.1
MOST_NAMED = 3
_NOT_FOUND = 404
_COPIED = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods of which the sidecar makes copies by default."""


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """What the comparison of one sidecar says of the objects, as sentences."""

    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def cross_check(
    tables: Sequence[RouteTable],
    document: Comparison,
    observations: Iterable[Observation],
    coverage: Coverage,
) -> CrossCheck:
    """Return where the objects and the live Envoy disagree.

    `observations` are the examples of the document, in their order.
    """
    name = f"the comparison of {document.instance}"
    if document.shows_origin is False:
        return CrossCheck(
            doubts=(f"{name} cannot tell routes that Envoy misses, so it checks nothing here",)
        )
    agreed = unjudged = 0
    unapplied: list[str] = []
    elsewhere: list[str] = []
    for example, observation in zip(document.examples, observations, strict=True):
        if example.result != ROUTE_MISS and example.result not in ROUTED:
            continue
        decision, _ = decide(tables, observation.request)
        is_missing = _is_missing(decision)
        if is_missing is None or observation.is_sample:
            unjudged += 1
        elif is_missing == (example.result == ROUTE_MISS):
            agreed += 1
        else:
            listed = elsewhere if is_missing else unapplied
            listed.append(_shown(observation, decision))
    notes = [
        f"{name}: of its differing URIs, {agreed:,} are judged here as the live Envoy routed them,"
        f" {len(unapplied) + len(elsewhere):,} otherwise, and {unjudged:,} could not be checked"
    ]
    doubts = []
    if unapplied:
        doubts.append(
            f"{name}: the live Envoy has no route for {_named(unapplied)}, and these objects do."
            " They are not applied as they are here, another gateway answers, or the requests are"
            " judged wrongly here"
        )
    if elsewhere:
        doubts.append(
            f"{name}: the live Envoy routes {_named(elsewhere)}, and these objects do not. The"
            " cluster has other routes than these, or the requests are judged wrongly here"
        )
    return CrossCheck(tuple(notes), (*doubts, *_doubt_of_sum(name, document, coverage)))


def _is_missing(decision: Decision) -> bool | None:
    """Return whether Envoy answers 404 by itself; None where that is not decided."""
    if decision.outcome is Outcome.UNDECIDED:
        missing = {_is_missing(candidate) for candidate in decision.candidates}
        return missing.pop() if len(missing) == 1 else None
    if decision.outcome in (Outcome.REJECTED, Outcome.ANSWERED):
        return decision.status in (None, _NOT_FOUND)
    return False


def _shown(observation: Observation, decision: Decision) -> str:
    request = observation.request
    times = "once" if observation.count == 1 else f"{observation.count:,} times"
    rule = f", {decision.rule.place}" if decision.rule is not None else ""
    return f"{request.method} {request.authority}{request.target} ({times}{rule})"


def _named(shown: Sequence[str]) -> str:
    rest = len(shown) - MOST_NAMED
    return ", ".join(shown[:MOST_NAMED]) + (f" and {rest:,} more URIs" if rest > 0 else "")


def _doubt_of_sum(name: str, document: Comparison, coverage: Coverage) -> Iterator[str]:
    pairs = sum(sum(route.results.values()) for route in document.routes)
    misses = sum(route.results.get(ROUTE_MISS, 0) for route in document.routes)
    rejected = sum(
        group.count
        for group in coverage.lost
        if group.verdict is Verdict.REJECTED
        and group.decision.status in (None, _NOT_FOUND)
        and _COPIED.issuperset(group.methods)
    )
    ratio = rejected / coverage.served if coverage.served else 0.0
    expected = ratio * pairs
    if expected >= LEAST_EXPECTED and misses < MOST_EXPECTED_RATIO * expected:
        yield (
            f"{name}: these objects reject {rejected:,} of {coverage.served:,} requests, so about"
            f" {expected:,.0f} of its {pairs:,} pairs should be route misses, and {misses:,} are."
            " The cluster has other routes than these, or the requests are of another time"
        )
