"""What a decision of the new routes means for requests that production answered.

The new routes lose a request that production served (a status below 400) in three ways: they
reject it; they send it elsewhere, which is a redirect or an answer of the gateway itself where the
service answered, or an error where production redirected; or, where the routes before are known,
another service gets it, or the same service gets another path. A status of 400 or more is
production's own refusal, and nothing is lost. A request whose status nobody recorded counts as
served.

304 (Not Modified, RFC 9110 section 15.4.5) is the answer of a service, and no redirect.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from estimator.migration.coverage.targets import is_same_target
from estimator.routing.decision import Decision, Outcome

NOT_MODIFIED = 304
FIRST_REDIRECT, FIRST_REFUSAL = 300, 400


class Verdict(StrEnum):
    """What happens to a request that production served."""

    ROUTED = "routed"
    REJECTED = "rejected"
    ELSEWHERE = "elsewhere"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Served:
    """How production answered some equal requests, in numbers of requests."""

    answered: int
    """Statuses below 300, and 304."""
    redirected: int
    """Other statuses below 400."""
    refused: int
    """Statuses of 400 and more."""
    unrecorded: int

    @property
    def counted(self) -> int:
        """Requests that the new routes must serve, too."""
        return self.answered + self.redirected + self.unrecorded


def served(count: int, statuses: Mapping[int, int]) -> Served:
    """Return how production answered `count` requests, as far as it was recorded."""
    answered = redirected = refused = 0
    for status, number in statuses.items():
        if status >= FIRST_REFUSAL:
            refused += number
        elif status >= FIRST_REDIRECT and status != NOT_MODIFIED:
            redirected += number
        else:
            answered += number
    return Served(answered, redirected, refused, count - answered - redirected - refused)


@dataclass(frozen=True, slots=True)
class Split:
    """Numbers of the requests that production served, by what becomes of them."""

    routed: int
    lost: int
    verdict: Verdict
    """The verdict on the lost requests where there are any, or else on all."""


def judge(decision: Decision, by_production: Served, before: Decision | None = None) -> Split:
    """Return what a decision means for requests that production answered in this way.

    `before` is the decision of the routes that serve the requests today. Requests of an undecided
    decision are lost, or routed, where they are for all its candidates.
    """
    if decision.outcome is Outcome.UNDECIDED:
        possible = [judge(each, by_production, before) for each in decision.candidates]
        if len({each.lost for each in possible}) == 1:
            rejected = [each for each in possible if each.verdict is Verdict.REJECTED]
            return (rejected or possible)[0]
        return Split(0, by_production.counted, Verdict.UNDECIDED)
    lost, verdict = 0, Verdict.ELSEWHERE
    if decision.outcome is Outcome.REJECTED:
        lost, verdict = by_production.counted, Verdict.REJECTED
    elif decision.outcome is Outcome.REDIRECTED:
        lost = by_production.answered
        if before is None or before.outcome is not Outcome.REDIRECTED:
            lost += by_production.unrecorded
    elif decision.outcome is Outcome.ANSWERED:
        lost = by_production.answered + by_production.unrecorded
        if decision.status is None or decision.status >= FIRST_REFUSAL:
            lost += by_production.redirected
    elif before is not None and before.outcome is Outcome.FORWARDED:
        lost = by_production.counted if is_elsewhere(before, decision) else 0
    routed = by_production.counted - lost
    return Split(routed, lost, verdict if lost else Verdict.ROUTED)


def is_other_service(before: Decision, after: Decision) -> bool:
    """Return whether a service gets requests that it did not get before, or no longer.

    Ports count where both are known.
    """
    ports = {each.host: each.port for each in before.destinations}
    if set(ports) != {each.host for each in after.destinations}:
        return True
    return any(
        None not in (each.port, ports[each.host]) and each.port != ports[each.host]
        for each in after.destinations
    )


def is_elsewhere(before: Decision, after: Decision) -> bool:
    """Return whether another service than before gets a request, or another path and query.

    An empty target is not known.
    """
    if is_other_service(before, after):
        return True
    is_known = bool(before.target and after.target)
    return is_known and not is_same_target(before.target, after.target)


def is_rewritten(before: Decision, target: str) -> bool:
    """Return whether a service gets another path or query than the client sent."""
    is_known = before.outcome is Outcome.FORWARDED and before.target != ""
    return is_known and not is_same_target(before.target, target)


def missing_change(before: Decision, after: Decision) -> str:
    """Return what the new routes lack where that is no route to a service; empty otherwise."""
    if before.outcome is Outcome.REDIRECTED and after.outcome is not Outcome.REDIRECTED:
        return f"a redirect is missing ({before.status}), and no service"
    if before.outcome is after.outcome is Outcome.FORWARDED and not is_other_service(before, after):
        return "the service is that of today, and the path must be rewritten"
    return ""
