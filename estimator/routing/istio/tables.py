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

    `services` have their delegates merged. Their creation orders them; where it is not known, the
    order of the files stands, and the virtual hosts say that it is doubtful.
    """
    ordered = _by_creation(services)
    for gateway in gateways:
        bound = [service for service in ordered if _is_bound(service, gateway)]
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


def _by_creation(services: Sequence[VirtualService]) -> list[VirtualService]:
    # sortConfigByCreationTime of pilot/pkg/model/config.go: by time, then by name and namespace.
    if all(service.created for service in services):
        return sorted(services, key=lambda each: (each.created, each.name, each.namespace))
    return list(services)


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


@dataclass(slots=True)
class _Host:
    """A virtual host while it is put together."""

    before: list[Rule] = field(default_factory=list)
    all_takers: list[Rule] = field(default_factory=list)
    behind: list[Rule] = field(default_factory=list)
    services: list[VirtualService] = field(default_factory=list)
    requires_tls: bool = False

    def add(self, service: VirtualService, rules: Iterable[Rule]) -> None:
        """Add the rules of a VirtualService, unless another server has added it.

        Its first rule that takes every request ends it (BuildHTTPRoutesForVirtualService), and
        SortVHostRoutes puts such rules behind those of all VirtualServices. What stands behind it
        is never reached; it is kept at the end, to be named as unused.
        """
        if service in self.services:
            return
        self.services.append(service)
        place = self.before
        for rule in rules:
            if place is self.before and rule.band:
                self.all_takers.append(rule)
                place = self.behind
            else:
                place.append(rule)

    def virtual_host(self, domain: str) -> VirtualHost:
        is_doubtful = len(self.services) > 1 and not all(each.created for each in self.services)
        return VirtualHost(
            (domain,),
            (*self.before, *self.all_takers, *self.behind),
            self.requires_tls,
            doubtful_order=tuple(each.place for each in self.services) if is_doubtful else (),
        )


def _virtual_hosts(
    gateway: Gateway, servers: Sequence[Server], services: Sequence[VirtualService]
) -> tuple[VirtualHost, ...]:
    if servers[0].is_https:
        hosts = _by_sni(gateway, _without_duplicates(servers), services)
    else:
        hosts = {}
        for server in servers:
            _add_server(hosts, gateway, server, services)
    return tuple(host.virtual_host(domain) for domain, host in sorted(hosts.items()))


def _add_server(
    hosts: dict[str, _Host], gateway: Gateway, server: Server, services: Sequence[VirtualService]
) -> None:
    """Add the virtual hosts of a server to those of its port."""
    for service in services:
        shared = intersection(for_namespace(server.hosts, service.namespace), service.hosts)
        rules = list(_rules(service, gateway, server)) if shared else []
        for domain in map(str.lower, shared if rules else ()):
            host = hosts.setdefault(domain, _Host())
            host.add(service, rules)
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
        _add_server(own[number], gateway, server, services)
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
    return Rule(place, conditions, action, route.effect.doubts, band, service.place.resource)


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
