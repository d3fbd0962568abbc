"""The route table of one port of one gateway, and its verdict on a request.

It has the shape of Envoy's RouteConfiguration: the virtual host whose domain fits best, and in it
the first rule whose conditions hold (source/common/router/config_impl.cc). Where a condition is
unknown, every rule that may take the request is a candidate; the verdict is undecided unless all
candidates do the same.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from estimator.routing.conditions import NO, UNKNOWN, YES, Subject, Truth
from estimator.routing.decision import Decision, Outcome
from estimator.routing.path_index import PathIndex
from estimator.routing.paths import Normalization, normalized
from estimator.routing.request import Request, without_port
from estimator.routing.rewrites import changed_target, location, location_with_tls
from estimator.routing.rules import Answer, Forward, Place, Rule

_ABSOLUTE = re.compile("(?i)https?://([^/?#]*)(.*)", re.DOTALL)
"""The absolute form of a target (RFC 9112, section 3.2.2), whose host replaces the Host field."""


@dataclass(frozen=True)
class VirtualHost:
    """The rules for some domains, in order of precedence."""

    domains: tuple[str, ...]
    """`www.example.com`, `*.example.com`, `www.*` or `*`, in lower case."""
    rules: tuple[Rule, ...]
    requires_tls: bool = False
    """A request without TLS is redirected to https, as Istio's `httpsRedirect` asks."""
    not_understood: tuple[str, ...] = ()
    """What concerns every request of these domains and is not judged."""
    doubtful_order: tuple[Place, ...] = ()
    """The objects whose rules stand here in an order that their files do not tell: the cluster
    orders them by creation. Rules of different bands have a known order."""

    def rules_for(self, path: str) -> Iterator[Rule]:
        """Yield the rules in order, without most of those that the path alone excludes."""
        return (self.rules[place] for place in self._index.places(path))

    @cached_property
    def _index(self) -> PathIndex:
        return PathIndex([rule.conditions.path for rule in self.rules])


@dataclass(frozen=True)
class RouteTable:
    """One port of one gateway."""

    gateway: str
    namespace: str
    port: int
    hosts: tuple[VirtualHost, ...]
    scheme: str | None = None
    """`http` or `https` where the port's protocol says it. It is what Envoy sees, whatever the
    client used before the gateway, so it counts more than the scheme of a request."""
    normalization: Normalization = Normalization.BASE
    place: Place | None = None
    not_understood: tuple[str, ...] = ()

    def rules(self) -> Iterator[Rule]:
        """Yield the rules of all hosts in order."""
        for host in self.hosts:
            yield from host.rules

    def decide(self, request: Request) -> Decision:
        """Return what becomes of a request."""
        subject = self.subject(request)
        if subject is None:
            why = f"Envoy refuses the path {request.target} (normalisation {self.normalization})"
            return Decision(Outcome.REJECTED, None, why, status=400)
        hosts = self.hosts_of(subject.request.authority)
        walk = _Walk(subject, self._name, dict.fromkeys(self.not_understood))
        if len(hosts) > 1:
            walk.depends_on["authority"] = None
        for host in hosts:
            walk.add(host)
        return walk.verdict()

    def matches(self, request: Request) -> tuple[tuple[Rule, Truth], ...]:
        """Return every rule that matches or may match, in order, also behind the first that does.

        The first with yes takes the request; those behind it are shadowed by it.
        """
        subject = self.subject(request)
        if subject is None:
            return ()
        judged = (
            (rule, rule.conditions.judge(subject))
            for host in self.hosts_of(subject.request.authority)
            if host is not None
            for rule in host.rules_for(subject.path)
        )
        return tuple((rule, truth) for rule, truth in judged if truth is not NO)

    def hosts_of(self, authority: str) -> tuple[VirtualHost | None, ...]:
        """Return the virtual host of an authority, or None where no domain admits it.

        An exact domain counts most, then the longest `*.example.com`, then the longest
        `www.*`, then `*`. For an unknown authority the result has all hosts that it may be.
        """
        if not authority:
            others = () if "*" in self._by_domain else (None,)
            return (*self.hosts, *others)
        name = without_port(authority).lower()
        if name in self._by_domain and "*" not in name:
            return (self._by_domain[name],)
        # A wildcard stands for one character at least.
        for start in range(1, len(name)):
            if host := self._by_domain.get("*" + name[start:]):
                return (host,)
        for end in range(len(name) - 1, 0, -1):
            if host := self._by_domain.get(name[:end] + "*"):
                return (host,)
        return (self._by_domain.get("*"),)

    @cached_property
    def _by_domain(self) -> dict[str, VirtualHost]:
        return {domain: host for host in self.hosts for domain in host.domains}

    def subject(self, request: Request) -> Subject | None:
        """Return the request as the rules see it; None where Envoy refuses it."""
        authority, target = request.authority, request.target
        if absolute := _ABSOLUTE.fullmatch(target):
            authority = absolute[1] or authority
            target = absolute[2] if absolute[2].startswith("/") else f"/{absolute[2]}"
        path = normalized(target, self.normalization)
        if path is None:
            return None
        scheme = self.scheme or request.scheme
        return Subject(replace(request, authority=authority, target=path, scheme=scheme))

    @property
    def _name(self) -> str:
        return f"Gateway {self.namespace}/{self.gateway}, port {self.port}"


@dataclass(slots=True)
class _Walk:
    """Collects the decisions that are possible for one request, and what decides between them."""

    subject: Subject
    gateway: str
    not_understood: dict[str, None]
    depends_on: dict[str, None] = field(default_factory=dict)
    candidates: list[Decision] = field(default_factory=list)

    def add(self, host: VirtualHost | None) -> None:
        """Add the decisions that are possible in a virtual host."""
        request = self.subject.request
        if host is None:
            name = request.authority or "this authority"
            why = f"no virtual host of {self.gateway} admits {name}"
            self.candidates.append(Decision(Outcome.REJECTED, None, why, status=404))
            return
        self.not_understood |= dict.fromkeys(host.not_understood)
        if host.requires_tls and request.scheme != "https":
            self.candidates.append(self._redirected_to_tls())
            if request.scheme == "http":
                return
            self.depends_on["scheme"] = None
        rules = host.rules_for(self.subject.path)
        for rule in rules:
            truth = self._judge(rule)
            if truth is YES:
                if host.doubtful_order:
                    self._add_in_other_orders(host, rule, rules)
                return
        why = f"no rule for {', '.join(host.domains)} takes it"
        self.candidates.append(Decision(Outcome.REJECTED, None, why, status=404))

    def verdict(self) -> Decision:
        """Return the one possible decision, or undecided where the candidates differ."""
        first = self.candidates[0]
        not_understood = dict.fromkeys(self.not_understood)
        for candidate in self.candidates:
            not_understood |= dict.fromkeys(candidate.not_understood)
        if len(self.candidates) == 1:
            return replace(first, not_understood=tuple(not_understood))
        depends_on, candidates = tuple(self.depends_on), tuple(self.candidates)
        if len({_effect(candidate) for candidate in candidates}) == 1:
            return replace(
                first,
                depends_on=depends_on,
                candidates=candidates,
                not_understood=tuple(not_understood),
            )
        return Decision(
            Outcome.UNDECIDED,
            why=f"it depends on {', '.join(depends_on) or 'what is not judged'}",
            depends_on=depends_on,
            candidates=candidates,
            not_understood=tuple(not_understood),
        )

    def _judge(self, rule: Rule) -> Truth:
        """Add the decision of a rule unless it does not match, and return whether it matches."""
        truth = rule.conditions.judge(self.subject)
        if truth is NO:
            return truth
        if truth is UNKNOWN:
            unjudged = rule.conditions.unjudged
            self.not_understood |= dict.fromkeys(unjudged)
            for what, answer in rule.conditions.answers(self.subject):
                if answer is UNKNOWN and what not in unjudged:
                    self.depends_on[what] = None
        self.candidates.append(decided(rule, self.subject))
        return truth

    def _add_in_other_orders(self, host: VirtualHost, rule: Rule, behind: Iterable[Rule]) -> None:
        """Add what would take the request instead of a rule if another object came first."""
        objects = {place.resource for place in host.doubtful_order}
        if rule.orderer not in objects:
            return
        done = {rule.orderer}
        for other in behind:
            name = other.orderer
            if name in done or name not in objects or other.band != rule.band:
                continue
            truth = self._judge(other)
            if truth is not NO:
                self.depends_on[f"the order of {rule.orderer} and {name}"] = None
            if truth is YES:
                done.add(name)

    def _redirected_to_tls(self) -> Decision:
        request = self.subject.request
        where = location_with_tls(request.authority, request.target) if request.authority else None
        why = f"{self.gateway} redirects every request without TLS"
        return Decision(Outcome.REDIRECTED, None, why, status=301, location=where)


def decided(rule: Rule, subject: Subject) -> Decision:
    """Return what a rule makes of a request that it takes."""
    request, action = subject.request, rule.action
    if isinstance(action, Forward):
        target = changed_target(request.target, action.path)
        notes = rule.not_understood
        if not target.startswith("/"):
            # Envoy sends it; an Envoy that gets it, as a sidecar does, answers 400.
            notes = (*notes, f"{rule.place}: most servers refuse the path that it makes: {target}")
        return Decision(
            Outcome.FORWARDED,
            rule,
            destinations=action.destinations,
            authority=action.authority or request.authority,
            target=target,
            not_understood=notes,
        )
    if isinstance(action, Answer):
        return Decision(
            Outcome.ANSWERED, rule, status=action.status, not_understood=rule.not_understood
        )
    is_known = (action.authority or request.authority) and (action.scheme or request.scheme)
    where = location(action, request.authority, request.target, request.scheme or "")
    return Decision(
        Outcome.REDIRECTED,
        rule,
        status=action.status,
        location=where if is_known else None,
        not_understood=rule.not_understood,
    )


def _effect(decision: Decision) -> tuple[object, ...]:
    """Return what a client or a service notices of a decision."""
    return (
        decision.outcome,
        decision.destinations,
        decision.authority,
        decision.target,
        decision.status,
        decision.location,
    )
