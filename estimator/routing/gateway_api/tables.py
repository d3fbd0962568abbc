"""The route tables of Gateways: one for each port, as istiod builds them from HTTPRoutes.

istiod turns the routes of each listener and hostname into one VirtualService with sorted rules
(`mergeHTTPRoutes` of pilot/pkg/config/kube/gateway/route_collections.go) and those into virtual
hosts (`buildGatewayHTTPRouteConfig` of pilot/pkg/networking/core/gateway.go). So a request is
judged by the rules of the one virtual host that fits best, and never falls back to a wider one.
The specification only gives the rules of the narrower hostname precedence; Istio counts here.

Listeners for HTTP on one port share their virtual hosts. Listeners for HTTPS do not: the client's
SNI chooses the listener, and this module takes it to be the host of the request.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, groupby

from estimator.routing.conditions import Kind
from estimator.routing.gateway_api.attachment import Attachment
from estimator.routing.gateway_api.filters import RedirectTo
from estimator.routing.gateway_api.hostnames import intersection
from estimator.routing.gateway_api.listeners import Gateway, Listener
from estimator.routing.gateway_api.precedence import Rank, may_both_match, takes_all
from estimator.routing.gateway_api.routes import Route, RouteRule
from estimator.routing.istio.names import is_subset
from estimator.routing.rules import Place, Rule
from estimator.routing.table import RouteTable, VirtualHost

_MOST_COMPARED = 200
"""Most rules of one rank and path that are compared pair by pair; more are all held for tied."""


@dataclass(frozen=True, slots=True)
class _Group:
    """What istiod makes one VirtualService of: the routes of one hostname at one listener."""

    listener: Listener
    hostname: str
    members: tuple[Attachment, ...]
    """In order of precedence: the oldest route first."""

    @property
    def is_order_known(self) -> bool:
        return len(self.members) == 1 or all(member.route.created for member in self.members)


def route_tables(
    gateways: Iterable[Gateway], attachments: Sequence[Attachment]
) -> Iterator[RouteTable]:
    """Yield a table for each port and protocol of each gateway, also for those without routes."""
    for gateway in gateways:
        listeners = [listener for listener in gateway.listeners if listener.carries_http]
        listeners.sort(key=lambda listener: (*_end(listener), listener.name))
        own = [item for item in attachments if item.gateway is gateway]
        for (port, _), members in groupby(listeners, _end):
            together = tuple(members)
            is_tls = together[0].is_tls
            yield RouteTable(
                gateway=gateway.place.name,
                namespace=gateway.place.namespace,
                port=port,
                hosts=_virtual_hosts(together, own, is_tls),
                scheme="https" if is_tls else "http",
                place=together[0].place,
                not_understood=gateway.not_understood,
            )


def _end(listener: Listener) -> tuple[int, str]:
    return listener.port, listener.protocol


def unreached(tables: Iterable[RouteTable]) -> Iterator[str]:
    """Yield a warning for each rule that stands behind one that takes everything, in every host.

    Where the order of their routes is unknown, either may come first, and neither is warned of.
    """
    reached: set[Place] = set()
    behind: dict[Place, Place] = {}
    for host in (host for table in tables for host in table.hosts):
        doubtful = {place.resource for place in host.doubtful_order}
        taker: Place | None = None
        for rule in host.rules:
            owners = {rule.place.resource, taker.resource} if taker else set()
            if taker and (len(owners) == 1 or not owners <= doubtful):
                behind.setdefault(rule.place, taker)
                continue
            reached.add(rule.place)
            if taker is None and takes_all(rule.conditions):
                taker = rule.place
    for place, taker in behind.items():
        if place not in reached:
            yield (
                f"{place}: no request reaches it, because {taker.part} of {taker.resource} goes"
                " first and takes everything"
            )


def _virtual_hosts(
    listeners: tuple[Listener, ...], attachments: Sequence[Attachment], is_tls: bool
) -> tuple[VirtualHost, ...]:
    groups: dict[str, list[_Group]] = {}
    for listener in listeners:
        others = [other.hostname for other in listeners if other is not listener]
        for group in _groups(listener, attachments):
            domain = intersection(listener.hostname, group.hostname)
            if domain is None or (is_tls and _is_served_by_narrower(domain, listener, others)):
                continue
            groups.setdefault(domain, []).append(group)
        if is_tls and any(is_subset(listener.hostname, other) for other in others):
            # A host that a listener owns and that none of its routes names is not found, although
            # a route of a wider listener may name it.
            groups.setdefault(listener.hostname, [])
    return tuple(_virtual_host(domain, members) for domain, members in sorted(groups.items()))


def _is_served_by_narrower(domain: str, listener: Listener, others: Iterable[str]) -> bool:
    """Return whether the SNI of every host in `domain` chooses another listener."""
    return any(
        other != listener.hostname
        and is_subset(other, listener.hostname)
        and is_subset(domain, other)
        for other in others
    )


def _groups(listener: Listener, attachments: Sequence[Attachment]) -> list[_Group]:
    """Return the groups of a listener in the order in which istiod reads VirtualServices.

    That order is by the creation of the oldest route and then by the name of the VirtualService,
    which ends with the hostname (`sortConfigByCreationTime` of pilot/pkg/model/config.go).
    """
    members: dict[str, list[Attachment]] = {}
    for item in attachments:
        if item.listener is listener:
            for hostname in item.hostnames:
                members.setdefault(hostname, []).append(item)
    groups = [
        _Group(listener, hostname, tuple(_by_age(items))) for hostname, items in members.items()
    ]
    if all(group.members[0].route.created for group in groups):
        return sorted(groups, key=lambda group: (group.members[0].route.created, group.hostname))
    return sorted(groups, key=lambda group: group.hostname)


def _by_age(items: Sequence[Attachment]) -> list[Attachment]:
    """Return attachments with the oldest route first, or by name where an age is missing."""

    def name(item: Attachment) -> tuple[str, str]:
        return item.route.place.namespace, item.route.place.name

    if all(item.route.created for item in items):
        return sorted(items, key=lambda item: (item.route.created, name(item)))
    return sorted(items, key=name)


def _virtual_host(domain: str, groups: Sequence[_Group]) -> VirtualHost:
    """Return the rules of all groups with this domain, in the order in which Envoy tries them.

    A rule that takes every request ends its group; `SortVHostRoutes` of
    pilot/pkg/networking/core/route/route.go then puts such rules behind the rules of all groups.
    What stands behind such a rule is never reached. It is kept at the end, to be named as unused.
    """
    before: list[Rule] = []
    all_takers: list[Rule] = []
    behind: list[Rule] = []
    for group in groups:
        place = before
        ranks: dict[Rank, int] = {}
        for item, ranked in _ranked(group):
            # Only ties depend on the order of routes. Several groups may come in any order.
            takes_everything = takes_all(ranked.conditions)
            band = ranks.setdefault(ranked.rank, len(ranks)) if len(groups) == 1 else 0
            band = max(band, 1) if takes_everything else band
            compiled = replace(_compiled(item, ranked), band=band)
            if place is before and takes_everything:
                all_takers.append(compiled)
                place = behind
            else:
                place.append(compiled)
    # A route with several hostnames may stand in several groups of one domain.
    rules: dict[Place, Rule] = {}
    for rule in (*before, *all_takers, *behind):
        rules.setdefault(rule.place, rule)
    return VirtualHost((domain,), tuple(rules.values()), doubtful_order=_doubtful(groups))


def _ranked(group: _Group) -> list[tuple[Attachment, RouteRule]]:
    rules = [(item, rule) for item in group.members for rule in item.route.rules]
    return sorted(rules, key=lambda pair: pair[1].rank, reverse=True)


def _compiled(item: Attachment, rule: RouteRule) -> Rule:
    stated, listener = rule.action, item.listener
    action = (
        stated.of(rule.conditions.path, listener.port, listener.is_tls)
        if isinstance(stated, RedirectTo)
        else stated
    )
    doubts = (*rule.not_understood, *item.route.not_understood, *filter(None, [item.doubt]))
    return Rule(rule.place, rule.conditions, action, doubts, hosts=item.route.hostnames)


def _doubtful(groups: Sequence[_Group]) -> tuple[Place, ...]:
    """Return the routes whose order decides a request and is unknown before they are created."""
    doubtful: dict[Place, None] = {}
    for group in groups:
        if not group.is_order_known:
            doubtful |= dict.fromkeys(_tied(group))
    # The oldest route of a group places all routes of it.
    members = {member.route.place: member.route for group in groups for member in group.members}
    is_known = all(route.created for route in members.values())
    if len(groups) > 1 and len(members) > 1 and not is_known:
        doubtful |= dict.fromkeys(members)
    return tuple(doubtful)


def _tied(group: _Group) -> Iterator[Place]:
    alike: dict[tuple[Rank, str | None], list[tuple[Route, RouteRule]]] = {}
    for item, rule in _ranked(group):
        path = rule.conditions.path
        value = None if path.kind is Kind.REGEX else path.value
        alike.setdefault((rule.rank, value), []).append((item.route, rule))
    for rules in alike.values():
        if len(rules) > _MOST_COMPARED:
            yield from (route.place for route, _ in rules)
            continue
        for (route, rule), (other, other_rule) in combinations(rules, 2):
            if route is not other and may_both_match(rule.conditions, other_rule.conditions):
                yield from (route.place, other.place)
