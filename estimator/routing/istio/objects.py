"""The objects of networking.istio.io among the objects of some files, compiled into route tables.

A Gateway that VirtualServices name and that is not among the files is assumed to admit them,
because often another team owns it; each decision of such a table says so.
"""

from collections.abc import Sequence

from estimator.routing.istio.gateways import Gateway, assumed_gateway, read_gateway
from estimator.routing.istio.names import MESH, for_namespace, intersection, is_exported
from estimator.routing.istio.tables import route_tables
from estimator.routing.istio.virtual_services import (
    VirtualService,
    read_virtual_service,
    with_delegates,
)
from estimator.routing.objects import KubernetesObject
from estimator.routing.table import RouteTable

GROUP = "networking.istio.io"
VERSIONS = ("v1", "v1beta1", "v1alpha3")
_KINDS = ("VirtualService", "Gateway")
_DEFAULT_PORT = 80


def is_read(item: KubernetesObject) -> bool:
    """Return whether `compile_objects` reads an object."""
    return item.group == GROUP and item.kind in _KINDS


def compile_objects(
    objects: Sequence[KubernetesObject], port: int | None = None
) -> tuple[RouteTable, ...]:
    """Return the tables of the Gateways among the objects; ignore what is not Istio's.

    `port` is that of a Gateway which stands in no file. Problems and warnings go to the findings of
    the objects. While there are problems, the tables are not to be used.
    """
    own = list(filter(is_read, objects))
    by_kind = {kind: _distinct(own, kind) for kind in _KINDS}
    read = [read_virtual_service(item) for item in by_kind["VirtualService"]]
    gateways = {
        gateway.key: gateway for gateway in (read_gateway(item) for item in by_kind["Gateway"])
    }
    services = with_delegates(read)
    for service in services:
        for key in service.gateways:
            if key != ("", MESH) and key not in gateways:
                gateways[key] = assumed_gateway(service.field, key, port or _DEFAULT_PORT)
    _warn_of_unbound(services, gateways)
    _warn_of_sources(services)
    _warn_of_unknown_order(services)
    return tuple(route_tables(tuple(gateways.values()), services))


def _distinct(objects: Sequence[KubernetesObject], kind: str) -> list[KubernetesObject]:
    """Return the objects of a kind; report a wrong version, and an object that is given twice."""
    by_key: dict[tuple[str, str], KubernetesObject] = {}
    for item in objects:
        if item.kind != kind:
            continue
        if item.version not in VERSIONS:
            expected = ", ".join(f"{GROUP}/{version}" for version in VERSIONS)
            item.body.report(f"expected apiVersion {expected}, got {GROUP}/{item.version}")
        first = by_key.setdefault(item.key, item)
        if first is not item:
            place = first.body.place
            item.body.report(f"expected once, first given in {place.file}:{place.line}")
    return list(by_key.values())


def _warn_of_unbound(
    services: Sequence[VirtualService], gateways: dict[tuple[str, str], Gateway]
) -> None:
    """Warn of each VirtualService, or host of one, that no Gateway admits."""
    for service in services:
        if service.gateways == (("", MESH),):
            service.field.warn("names no gateway, so it counts for sidecars only")
            continue
        admitted: set[str] = set()
        for key in service.gateways:
            gateway = gateways.get(key)
            if gateway is None:
                continue
            if not is_exported(service.export_to, service.namespace, gateway.namespace):
                text = f"is not exported to {gateway.namespace}, where {gateway.place.resource} is"
                service.field.warn(text)
            for server in gateway.servers:
                own = tuple(for_namespace(server.hosts, service.namespace))
                admitted |= {
                    host
                    for host in service.hosts
                    if server.carries_http and intersection(own, [host])
                }
        for host in service.hosts:
            if host not in admitted:
                names = ", ".join("/".join(key) for key in service.gateways if key[0])
                service.field.warn(f"no server for HTTP of {names} admits its host {host}")


def _warn_of_sources(services: Sequence[VirtualService]) -> None:
    for service in services:
        matches = (match for route in service.routes for match in route.matches)
        for match in matches if service.gateways != (("", MESH),) else ():
            if (match.source_labels and not match.gateways) or match.source_namespace:
                service.field.owner.findings.warn(
                    match.place,
                    "asks where a request comes from; it counts only where the gateway's own"
                    " selector and namespace fit",
                )


def _warn_of_unknown_order(services: Sequence[VirtualService]) -> None:
    by_host: dict[tuple[tuple[str, str], str], list[VirtualService]] = {}
    for service in services:
        for gateway in service.gateways:
            for host in service.hosts:
                by_host.setdefault((gateway, host), []).append(service)
    warned: set[tuple[str, ...]] = set()
    for (gateway, host), sharing in by_host.items():
        names = tuple(service.place.resource for service in sharing)
        is_known = len(sharing) < 2 or all(service.created for service in sharing)
        if is_known or gateway[1] == MESH or names in warned:
            continue
        warned.add(names)
        sharing[0].field.warn(
            f"shares the host {host} with {', '.join(names[1:])}; which of them comes first is"
            " undefined, because it depends on their creation"
        )
