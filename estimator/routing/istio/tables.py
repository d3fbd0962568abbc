"""The route tables of Gateways: one for each port, as istiod builds them from VirtualServices.

The model is `buildGatewayHTTPRouteConfig` of pilot/pkg/networking/core/gateway.go. Servers for HTTP
on one port share their virtual hosts. Servers for HTTPS do not: the client's SNI chooses the
server, and this module takes it to be the host of the request.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from estimator.routing.conditions import Conditions, Kind
from estimator.routing.istio.gateways import Gateway, Server
from estimator.routing.istio.matches import Match
from estimator.routing.istio.names import (
    for_namespace,
    intersection,
    is_exported,
    is_subset,
)
from estimator.routing.istio.virtual_services import Route, VirtualService
from estimator.routing.rules import Place, Rule
from estimator.routing.table import RouteTable, VirtualHost

_EVERY_REGEX = ".*"


def route_tables(
    gateways: Sequence[Gateway], services: Sequence[VirtualService]
) -> Iterator[RouteTable]:
    """Yield a table for each port of each Gateway that carries HTTP.

    `services` have their delegates merged.
    """
    for gateway in gateways:
        bound = [service for service in services if _is_bound(service, gateway)]
        by_port: dict[tuple[int, bool], list[Server]] = {}
        for server in gateway.servers:
            if server.carries_http:
                by_port.setdefault((server.port, server.is_https), []).append(server)
        for (port, is_https), servers in sorted(by_port.items()):
            others = [other for other in gateways if other is not gateway]
            yield RouteTable(
                gateway=gateway.name,
                namespace=gateway.namespace,
                port=port,
                hosts=_virtual_hosts(gateway, servers, bound),
                scheme="https" if is_https else "http",
                place=servers[0].place,
                not_understood=(*gateway.not_understood, *_conflicts(servers, others)),
            )


def _is_bound(service: VirtualService, gateway: Gateway) -> bool:
    # The namespace of a gateway's pods is not known; it is taken to be that of the Gateway.
    is_visible = is_exported(service.export_to, service.namespace, gateway.namespace)
    return gateway.key in service.gateways and is_visible


def _conflicts(servers: Sequence[Server], others: Iterable[Gateway]) -> Iterator[str]:
    """Yield the servers of other Gateways that serve one of these hosts on the same port."""
    own = [host.rpartition("/")[2] for server in servers for host in server.hosts]
    for gateway in others:
        for server in gateway.servers:
            hosts = [host.rpartition("/")[2] for host in server.hosts]
            shared = intersection(own, hosts) if server.port == servers[0].port else ()
            if shared:
                yield (
                    f"{server.place}: it also serves {', '.join(shared)} on port {server.port};"
                    f" where both select the same pods, their routes are merged or one is left out"
                )


@dataclass(frozen=True, slots=True)
class _Part:
    """The rules of one VirtualService in a virtual host."""

    service: VirtualService
    rules: tuple[Rule, ...]
    server: int
    """The place of the first server that admits it."""

    @property
    def age(self) -> tuple[object, ...]:
        """What istiod orders by: the server, and then as sortConfigByCreationTime (config.go)."""
        return self.server, self.service.created, self.service.name, self.service.namespace


@dataclass(slots=True)
class _Host:
    """A virtual host while it is put together."""

    parts: dict[tuple[str, str], _Part] = field(default_factory=dict)
    requires_tls: bool = False

    def add(self, part: _Part) -> None:
        """Add the rules of a VirtualService, unless another server has added it."""
        self.parts.setdefault(part.service.key, part)

    def virtual_host(self, domain: str) -> VirtualHost:
        """Return the host with its rules in order.

        Creation orders VirtualServices; where one of several has no known age, the order of the
        files stands and is doubtful. The first rule of each that takes every request ends it
        (BuildHTTPRoutesForVirtualService), and SortVHostRoutes puts such rules behind all others.
        What stands behind it is never reached; it is kept at the end, to be named as unused.
        """
        parts = list(self.parts.values())
        is_known = len(parts) < 2 or all(part.service.created for part in parts)
        if is_known:
            parts.sort(key=lambda part: part.age)
        before: list[Rule] = []
        all_takers: list[Rule] = []
        behind: list[Rule] = []
        for part in parts:
            place = before
            for rule in part.rules:
                if place is before and rule.band:
                    all_takers.append(rule)
                    place = behind
                else:
                    place.append(rule)
        return VirtualHost(
            (domain,),
            (*before, *all_takers, *behind),
            self.requires_tls,
            doubtful_order=() if is_known else tuple(part.service.place for part in parts),
        )


def _virtual_hosts(
    gateway: Gateway, servers: Sequence[Server], services: Sequence[VirtualService]
) -> tuple[VirtualHost, ...]:
    if servers[0].is_https:
        hosts = _by_sni(gateway, _without_duplicates(servers), services)
    else:
        hosts = {}
        for number, server in enumerate(servers):
            _add_server(hosts, gateway, (number, server), services)
    return tuple(host.virtual_host(domain) for domain, host in sorted(hosts.items()))


def _add_server(
    hosts: dict[str, _Host],
    gateway: Gateway,
    numbered: tuple[int, Server],
    services: Sequence[VirtualService],
) -> None:
    """Add the virtual hosts of a server to those of its port."""
    number, server = numbered
    for service in services:
        shared = intersection(for_namespace(server.hosts, service.namespace), service.hosts)
        rules = tuple(_rules(service, gateway, server)) if shared else ()
        for domain in map(str.lower, shared if rules else ()):
            host = hosts.setdefault(domain, _Host())
            host.add(_Part(service, rules, number))
            host.requires_tls |= server.redirects_to_https
    for domain in map(str.lower, server.hosts):
        if server.redirects_to_https and "/" not in domain:
            # istiod makes a host without routes for names without a namespace only.
            hosts.setdefault(domain, _Host()).requires_tls = True


def _without_duplicates(servers: Sequence[Server]) -> list[Server]:
    """Return servers for HTTPS, except those that istiod leaves out (CheckDuplicates)."""
    known: set[str] = set()
    kept = []
    for server in servers:
        if shared := known & {*server.hosts}:
            server.field.warn(
                f"another server of this port has the host {min(shared)}; the server is left out"
            )
            continue
        known |= {*server.hosts}
        kept.append(server)
    return kept


def _by_sni(
    gateway: Gateway, servers: Sequence[Server], services: Sequence[VirtualService]
) -> dict[str, _Host]:
    """Return the virtual hosts of a port where the SNI chooses the server.

    Every domain that a server or a virtual host names belongs to the server whose host fits it
    best, and gets the virtual host of that server that fits it best; there may be none.
    """
    own: list[dict[str, _Host]] = []
    by_name: dict[str, int] = {}
    for number, server in enumerate(servers):
        own.append({})
        _add_server(own[number], gateway, (number, server), services)
        for name in server.hosts:
            by_name.setdefault(name.rpartition("/")[2].lower(), number)
    hosts = {}
    for domain in sorted({*by_name, *(domain for part in own for domain in part)}):
        part = own[by_name[_best(domain, by_name)]]
        hosts[domain] = part[_best(domain, part)] if _best(domain, part) else _Host()
    return hosts


def _best(domain: str, names: Collection[str]) -> str:
    """Return the name that fits a domain best; empty if none does."""
    if domain in names:
        return domain
    return max((name for name in names if is_subset(domain, name)), key=len, default="")


# --- rules ---


def _rules(service: VirtualService, gateway: Gateway, server: Server) -> Iterator[Rule]:
    """Yield the rules of a VirtualService for one server; band 1 for those that take everything."""
    for route in service.routes:
        if not route.matches:
            yield _rule(service, route, (route.field.place, Conditions()), server)
        for match in route.matches:
            if _is_for(match, gateway, server):
                yield _rule(service, route, (match.place, match.conditions()), server)


def _rule(
    service: VirtualService, route: Route, match: tuple[Place, Conditions], server: Server
) -> Rule:
    place, conditions = match
    action = route.effect.action(conditions.path, server.port, server.has_tls)
    band = 1 if _takes_everything(conditions) else 0
    orderer = service.place.resource
    return Rule(place, conditions, action, route.effect.doubts, band, orderer, service.hosts)


def _is_for(match: Match, gateway: Gateway, server: Server) -> bool:
    """Return whether a match counts at this gateway and port."""
    if match.port not in (0, server.port):
        return False
    if match.gateways:
        return gateway.key in match.gateways
    # The selector tells some labels of the gateway's pods; they are taken to have no others.
    is_pod = set(match.source_labels.items()) <= set(gateway.selector)
    return is_pod and match.source_namespace in ("", gateway.namespace)


def _takes_everything(conditions: Conditions) -> bool:
    path = conditions.path
    is_all = (path.kind is Kind.PREFIX and path.value == "/") or (
        path.kind is Kind.REGEX and path.value == _EVERY_REGEX
    )
    return is_all and conditions == Conditions(path)
