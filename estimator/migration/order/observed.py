"""What the observed requests of each path are like: methods, upgrades, and what new routes do.

Methods, statuses and verdicts come from observations of any source.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from estimator.migration.coverage.analysis import decide
from estimator.migration.coverage.entries import is_service
from estimator.migration.coverage.verdicts import Verdict, judge, served
from estimator.requests.observations import Observation
from estimator.routing.decision import Decision, Outcome
from estimator.routing.table import RouteTable as NewRoutes
from mirror.formats.routes import RouteTable

READS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""The safe methods (RFC 9110 section 9.2.1)."""
SWITCHING_PROTOCOLS = 101


@dataclass(slots=True)
class Seen:
    """The observed requests of a path; numbers of requests."""

    requests: int = 0
    methods: Counter[str] = field(default_factory=Counter)
    """By method; an empty name where the source does not record it."""
    upgrades: int = 0
    """Answered 101 by production."""
    served: int = 0
    """Those that the new routes must serve too: production did not refuse them."""
    lost: int = 0
    """Those of `served` that the new routes reject or send elsewhere."""
    undecided: int = 0
    """Those of `served` whose verdict depends on something that the source does not record."""
    why: str = ""
    """The reason for the most frequent loss, or else for the most frequent undecided request."""
    rules: Counter[str] = field(default_factory=Counter)
    """The rules of the new routes that take them, by file, line and object."""
    unjudged: Counter[str] = field(default_factory=Counter)
    """What the new routes ask of them and is not judged, with file and line."""
    services: set[tuple[str, int | None]] = field(default_factory=set)
    """Host and port of where the new routes forward what they take."""
    answered: int = 0
    """Those for which the source has production's status."""
    refused: int = 0
    """Those that production answered with 4xx or 5xx."""

    @property
    def write_ratio(self) -> float | None:
        """The share of methods that are not safe; None if no method is known."""
        known = self.requests - self.methods[""]
        writes = sum(n for method, n in self.methods.items() if method and method not in READS)
        return writes / known if known else None

    @property
    def lost_ratio(self) -> float | None:
        """The share of `served` that is lost; None if nothing was judged."""
        return self.lost / self.served if self.served else None


def seen_by_tag(
    observations: Iterable[Observation], templates: RouteTable, new_routes: Sequence[NewRoutes]
) -> dict[str, Seen]:
    """Return what was observed of every route tag; verdicts only with `new_routes`.

    Those are the tables of all gateways and ports that may get the requests.

    The most frequent observation comes first, so the reason that is kept is that of the most
    frequent one.
    """
    by_tag: dict[str, Seen] = {}
    for observation in observations:
        request, count = observation.request, observation.count
        tag = templates.match(request.target.encode("utf-8", "surrogateescape"))
        seen = by_tag.setdefault(tag, Seen())
        seen.requests += count
        seen.methods[request.method.upper()] += count
        seen.answered += sum(observation.statuses.values())
        seen.refused += served(count, observation.statuses).refused
        seen.upgrades += observation.statuses.get(SWITCHING_PROTOCOLS, 0)
        if new_routes:
            _judge(observation, new_routes, seen)
    return by_tag


def _judge(observation: Observation, new_routes: Sequence[NewRoutes], seen: Seen) -> None:
    decision, _ = decide(new_routes, observation.request)
    for feature in decision.not_understood:
        seen.unjudged[feature] += observation.count
    by_production = served(observation.count, observation.statuses)
    split = judge(decision, by_production)
    seen.served += by_production.counted
    if decision.rule is not None:
        seen.rules[str(decision.rule.place)] += observation.count
    if decision.outcome is Outcome.FORWARDED:
        seen.services.update(_services(decision))
    if not split.lost:
        return
    request = observation.request
    example = f"{request.method} {request.target}".strip()
    why = f"{example}: {decision.why or f'the gateway itself {decision.outcome} it'}"
    if split.verdict is Verdict.UNDECIDED:
        seen.undecided += split.lost
        seen.why = seen.why or why
    else:
        seen.why = why if not seen.lost else seen.why
        seen.lost += split.lost


def _services(decision: Decision) -> Iterator[tuple[str, int | None]]:
    for each in decision.destinations:
        if each.share:
            # Istio would take `name.namespace` for a host outside the cluster.
            yield f"{each.host}.svc.cluster.local" if is_service(each) else each.host, each.port
