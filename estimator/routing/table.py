"""The route table of one port of one gateway, and its verdict on a request.

It has the shape of Envoy's RouteConfiguration: the virtual host whose domain fits best, and in it
the first rule whose conditions hold (source/common/router/config_impl.cc). Where a condition is
unknown, every rule that may take the request is a candidate; the verdict is undecided unless all
candidates do the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from estimator.routing.conditions import NO, UNKNOWN, YES, Subject, Truth
from estimator.routing.decision import Decision, Outcome
from estimator.routing.paths import Normalization, normalized
from estimator.routing.request import Request
from estimator.routing.rewrites import changed_target, location
from estimator.routing.rules import Answer, Forward, Place, Redirect, Rule


@dataclass(frozen=True, slots=True)
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
    """The objects whose rules stand in this host in an order that their files do not tell."""


@dataclass(frozen=True)
class RouteTable:
    """One port of one gateway."""

    gateway: str
    namespace: str
    port: int
    hosts: tuple[VirtualHost, ...]
    scheme: str | None = None
    """`http` or `https` where the port's protocol tells it. It is what Envoy sees, whatever the
    client used before the gateway, so it counts more than the scheme of a request."""
    normalization: Normalization = Normalization.BASE
    place: Place | None = None
    not_understood: tuple[str, ...] = field(default=())

    def rules(self) -> Iterator[Rule]:
        """Yield the rules of all hosts in order."""
        for host in self.hosts:
            yield from host.rules

    def decide(self, request: Request) -> Decision:
        """Return what becomes of a request."""
        target = normalized(request.target, self.normalization)
        if target is None:
            why = f"the normalisation of paths ({self.normalization}) refuses {request.target}"
            return Decision(Outcome.REJECTED, None, why, status=400)
        scheme = self.scheme or request.scheme
        subject = Subject(replace(request, target=target, scheme=scheme))
        hosts = self.hosts_of(request.authority)
        candidates: list[Decision] = []
        depends_on: dict[str, None] = {} if len(hosts) == 1 else {"authority": None}
        not_understood = dict.fromkeys(self.not_understood)
        for host in hosts:
            candidates += self._possible(host, subject, depends_on, not_understood)
        return _verdict(candidates, tuple(depends_on), tuple(not_understood))

    def matches(self, request: Request) -> tuple[tuple[Rule, Truth], ...]:
        """Return every rule that matches or may match, in order, also behind the first that does.

        The first with yes takes the request; those behind it are shadowed by it.
        """
        target = normalized(request.target, self.normalization)
        if target is None:
            return ()
        subject = Subject(replace(request, target=target, scheme=self.scheme or request.scheme))
        judged = (
            (rule, rule.conditions.judge(subject))
            for host in self.hosts_of(request.authority)
            if host is not None
            for rule in host.rules
        )
        return tuple((rule, truth) for rule, truth in judged if truth is not NO)

    def hosts_of(self, authority: str) -> tuple[VirtualHost | None, ...]:
        """Return the virtual host of an authority, which may be None.

        For an unknown authority these are all hosts that it may be.
        """
        if not authority:
            others = () if "*" in self._by_domain else (None,)
            return (*self.hosts, *others)
        name = without_port(authority).lower()
        if name in self._by_domain and "*" not in name:
            return (self._by_domain[name],)
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

    def _possible(
        self,
        host: VirtualHost | None,
        subject: Subject,
        depends_on: dict[str, None],
        not_understood: dict[str, None],
    ) -> Iterator[Decision]:
        """Yield the decisions that are possible in a host; add what they depend on."""
        request = subject.request
        if host is None:
            why = f"no virtual host of {self._name} admits {request.authority or 'this authority'}"
            yield Decision(Outcome.REJECTED, None, why, status=404)
            return
        not_understood.update(dict.fromkeys(host.not_understood))
        if host.requires_tls and request.scheme != "https":
            redirect = Redirect(scheme="https")
            yield _redirected(None, redirect, request, f"{self._name} redirects http to https")
            if request.scheme == "http":
                return
            depends_on["scheme"] = None
        for rule in host.rules:
            truth = rule.conditions.judge(subject)
            if truth is NO:
                continue
            if truth is UNKNOWN:
                unjudged = rule.conditions.unjudged
                not_understood.update(dict.fromkeys(unjudged))
                unknown = (
                    what for what, part in rule.conditions.answers(subject) if part is UNKNOWN
                )
                depends_on.update(dict.fromkeys(what for what in unknown if what not in unjudged))
            yield decided(rule, subject)
            if truth is YES:
                return
        why = f"no rule for {host.domains[0]} takes it"
        yield Decision(Outcome.REJECTED, None, why, status=404)

    @property
    def _name(self) -> str:
        return f"Gateway {self.namespace}/{self.gateway}, port {self.port}"


def without_port(authority: str) -> str:
    """Return the host of an authority without its port."""
    # Envoy does not ask what stands behind the colon (HeaderUtility::getPortStart).
    name, colon, port = authority.rpartition(":")
    return name if colon and "]" not in port else authority


def decided(rule: Rule, subject: Subject) -> Decision:
    """Return what a rule makes of a request that it takes."""
    request, action = subject.request, rule.action
    if isinstance(action, Forward):
        return Decision(
            Outcome.FORWARDED,
            rule,
            destinations=action.destinations,
            authority=action.authority or request.authority,
            target=changed_target(request.target, action.path),
            not_understood=rule.not_understood,
        )
    if isinstance(action, Answer):
        return Decision(
            Outcome.ANSWERED, rule, status=action.status, not_understood=rule.not_understood
        )
    return _redirected(rule, action, request)


def _redirected(rule: Rule | None, redirect: Redirect, request: Request, why: str = "") -> Decision:
    is_known = (redirect.authority or request.authority) and (redirect.scheme or request.scheme)
    where = location(redirect, request.authority, request.target, request.scheme or "")
    return Decision(
        Outcome.REDIRECTED,
        rule,
        why,
        status=redirect.status,
        location=where if is_known else None,
        not_understood=rule.not_understood if rule else (),
    )


def _verdict(
    candidates: Sequence[Decision], depends_on: tuple[str, ...], not_understood: tuple[str, ...]
) -> Decision:
    """Return the one decision, or undecided where the candidates differ."""
    first = candidates[0]
    notes = tuple(dict.fromkeys((*not_understood, *first.not_understood)))
    if len(candidates) == 1:
        return replace(first, not_understood=notes)
    if len({_effect(candidate) for candidate in candidates}) == 1:
        return replace(
            first,
            depends_on=depends_on,
            candidates=tuple(candidates),
            not_understood=notes,
        )
    reasons = [*depends_on, *(["what is not judged"] if not_understood else [])]
    return Decision(
        Outcome.UNDECIDED,
        why=f"it depends on {', '.join(reasons)}",
        depends_on=depends_on,
        candidates=tuple(candidates),
        not_understood=not_understood,
    )


def _effect(decision: Decision) -> tuple[object, ...]:
    """What a client and a service notice of a decision."""
    return (
        decision.outcome,
        decision.destinations,
        decision.authority,
        decision.target,
        decision.status,
        decision.location,
    )
