"""What Envoy and the product say of one request, in the same words, and whether they agree.

The product is asked twice: with all that was sent, and with what a poor log would record of it.
Then it need not decide, but what Envoy did must be one of its candidates.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from estimator.routing.decision import Decision, Outcome
from estimator.routing.request import Request
from estimator.routing.table import RouteTable
from tests.routing_referee.envoy import EnvoyAnswer
from tests.routing_referee.rule_sets import RuleSet, Translation, WireRequest


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a request, in the words of both sides."""

    outcome: str
    rule: str = ""
    status: int | None = None
    authority: str = ""
    target: str = ""
    location: str = ""

    def __str__(self) -> str:
        parts = (
            str(self.outcome),
            f"with {self.status}" if self.status is not None else "",
            f"by {self.rule}" if self.rule else "",
            f"to {self.location}" if self.location else "",
            f"as {self.target} of {self.authority}" if self.target else "",
        )
        return " ".join(filter(None, parts))

    def difference(self, other: "Verdict") -> str:
        """Name the first respect in which the two differ; empty if they agree."""
        if self.outcome != other.outcome:
            return f"{self.outcome} by Envoy, {other.outcome} by the product"
        for name in ("rule", "status", "authority", "target", "location"):
            if getattr(self, name) != getattr(other, name):
                return f"{self.outcome}: other {name}"
        return ""


def judge(
    table: RouteTable | str,
    rule_set: RuleSet,
    request: WireRequest,
    answer: EnvoyAnswer,
    translation: Translation,
) -> tuple[str, str] | None:
    """Return how the product differs from Envoy, and what it says; None if it does not."""
    if isinstance(table, str):
        return "the product refuses the objects", table
    known = Request(
        request.authority,
        request.method,
        request.target,
        request.joined_headers(),
        rule_set.scheme,
    )
    decision = table.decide(known)
    envoy, product = envoy_verdict(answer, translation), product_verdict(decision)
    candidates = [product_verdict(candidate) for candidate in decision.candidates]
    if answer.status in translation.faults:
        product, *candidates = map(without_match, (product, *candidates))
    difference = envoy.difference(product)
    if translation.is_order_undefined and candidates:
        # No file tells the order; Envoy was given one of the possible ones.
        if envoy in candidates:
            return None
        difference = f"{envoy.outcome} by Envoy is no candidate of the product"
    if difference:
        return difference, f"{product} {decision.why}"
    if envoy.outcome == Outcome.FORWARDED:
        shares: dict[str, float] = {}
        for destination in decision.destinations:
            name = f"{destination.host}|{destination.port or ''}|{destination.subset}"
            if destination.share:
                shares[name] = shares.get(name, 0.0) + destination.share
        expected = translation.shares[envoy.rule]
        if answer.fields["x-destination"] not in shares or not _alike(shares, expected):
            return "forwarded: other destinations", f"{shares}, expected {expected}"
    found = _judge_poor_log(table, request, known, envoy)
    if found is None and not translation.is_order_undefined:
        is_decided = table.decide(_recorded(known, request.hidden)).outcome is not Outcome.UNDECIDED
        if not (is_decided or _asked(translation) & request.hidden):
            return "undecided because of what no rule asks for", str(request.hidden)
    return found


def _asked(translation: Translation) -> set[str]:
    """Return what may be hidden and what some rule asks for."""
    asked = {"authority"}
    for route in translation.routes():
        for header in route["match"]["headers"]:
            is_pseudo = header["name"].startswith(":")
            asked.add(header["name"][1:] if is_pseudo else "headers")
            asked.add(f"header {header['name'].lower()}")
        asked |= {f"parameter {named['name']}" for named in route["match"]["query_parameters"]}
    return asked


def _judge_poor_log(
    table: RouteTable, request: WireRequest, known: Request, envoy: Verdict
) -> tuple[str, str] | None:
    """Return how the product differs where it knows less; None if it counts on what Envoy did."""
    hidden = request.hidden
    poor = _recorded(known, hidden)
    decision = table.decide(poor)
    verdicts = [product_verdict(each) for each in decision.candidates or (decision,)]
    if envoy.outcome is Outcome.ANSWERED and ".match" not in envoy.rule:
        verdicts = [without_match(each) for each in verdicts]
    if _blurred(envoy, hidden) in (_blurred(verdict, hidden) for verdict in verdicts):
        return None
    listed = "; ".join(map(str, verdicts))
    return f"{envoy.outcome} by Envoy is no candidate", f"{decision.outcome} of {poor}: {listed}"


def _recorded(known: Request, hidden: frozenset[str]) -> Request:
    """Return what a log records that hides these parts of a request."""
    names = [part.partition(" ")[2] for part in hidden if part.startswith("header ")]
    parameters = [part.partition(" ")[2] for part in hidden if part.startswith("parameter ")]
    headers = {
        name: "redacted" if name in names else value
        for name, value in (known.headers or {}).items()
    }
    target = known.target
    for name in parameters:
        target = re.sub(rf"(?<=[?&]){name}=[^&#]*", f"{name}=redacted", target)
    return replace(
        known,
        authority="" if "authority" in hidden else known.authority,
        method="" if "method" in hidden else known.method,
        target=target,
        headers=None if "headers" in hidden else headers,
        unknown_headers=frozenset(names),
        unknown_parameters=frozenset(parameters),
    )


def _blurred(verdict: Verdict, hidden: frozenset[str]) -> Verdict:
    """Return a verdict without what a poor log cannot tell."""
    if "authority" in hidden:
        verdict = replace(verdict, authority="", location="")
    if any(part.startswith("parameter ") for part in hidden):
        verdict = replace(verdict, target=verdict.target.partition("?")[0], location="")
    return verdict


def _alike(shares: Mapping[str, float], others: Mapping[str, float]) -> bool:
    return shares.keys() == others.keys() and all(
        abs(shares[name] - others[name]) < 1e-9 for name in shares
    )


def envoy_verdict(answer: EnvoyAnswer, translation: Translation) -> Verdict:
    rule = answer.fields.get("x-rule", "")
    fields = answer.fields
    if "x-envoy-upstream-service-time" in fields:
        kind = "x-" if "x-path" in fields else "x-sent-"
        authority, path = fields[f"{kind}authority"], fields[f"{kind}path"]
        return Verdict(Outcome.FORWARDED, rule, None, authority, path)
    if location := answer.fields.get("location"):
        return Verdict(Outcome.REDIRECTED, rule, answer.status, location=location)
    if answer.status in translation.faults:
        rule = translation.faults[answer.status]
        return without_match(Verdict(Outcome.ANSWERED, rule, answer.status))
    # An answer to what Envoy refuses may carry the fields of the route, too.
    if rule and answer.status != 400:
        return Verdict(Outcome.ANSWERED, rule, answer.status)
    return Verdict(Outcome.REJECTED, status=answer.status)


def without_match(verdict: Verdict) -> Verdict:
    """Return a verdict with the rule only: the answer of a fault tells no match of it."""
    return replace(verdict, rule=verdict.rule.partition(".match")[0])


def product_verdict(decision: Decision) -> Verdict:
    place = decision.rule.place if decision.rule else None
    rule = f"{place.resource}, {place.part}" if place else ""
    if decision.outcome is Outcome.FORWARDED:
        return Verdict(decision.outcome, rule, None, decision.authority, decision.target)
    return Verdict(decision.outcome, rule, decision.status, location=decision.location or "")
