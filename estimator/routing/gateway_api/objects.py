"""The objects of Gateway API among the objects of some files, compiled into route tables.

Beside HTTPRoutes and Gateways this reads what decides about them: GatewayClasses (which ones are
Istio's), Namespaces (their labels) and ReferenceGrants. A Gateway that routes name and that is not
among the files is assumed to admit them, because often another team owns it; each decision of such
a table says so.
"""

from collections.abc import Iterable, Iterator, Sequence

from estimator.routing.fields import Findings
from estimator.routing.gateway_api.attachment import attach
from estimator.routing.gateway_api.backends import SERVICE, Grant
from estimator.routing.gateway_api.fields import (
    API_GROUP,
    GROUP,
    KIND,
    NAME,
    NAMESPACE,
    spec_of,
)
from estimator.routing.gateway_api.listeners import Gateway, Listener, read_gateway
from estimator.routing.gateway_api.namespaces import From, Namespaces
from estimator.routing.gateway_api.routes import Route, read_route
from estimator.routing.gateway_api.tables import route_tables, unreached
from estimator.routing.istio.names import ANY
from estimator.routing.objects import KubernetesObject
from estimator.routing.rules import Place
from estimator.routing.table import RouteTable

_VERSIONS = {
    "HTTPRoute": ("v1", "v1beta1"),
    "Gateway": ("v1", "v1beta1"),
    "GatewayClass": ("v1", "v1beta1"),
    "ReferenceGrant": ("v1", "v1beta1"),
}
_NOT_JUDGED = ("GRPCRoute", "ListenerSet", "XListenerSet")
"""Kinds that route HTTP, too, and that this reader names without judging them."""
_ISTIO_CONTROLLER = "istio.io/gateway-controller"
_ISTIO_CLASS = "istio"
"""The class that Istio creates itself."""
MOST_RULES = 500_000
"""Most rules of all tables. A rule counts for each listener and each hostname that it serves, so
files of some megabytes could make billions."""
_MOST_GRANTS = 16
_DEFAULT_PORT = 80


def is_read(resource: KubernetesObject) -> bool:
    """Return whether `compile_objects` reads an object, or warns that it does not judge it."""
    if resource.group == API_GROUP:
        return resource.kind in (*_VERSIONS, *_NOT_JUDGED)
    return (resource.group, resource.kind) in (
        ("", "Namespace"),
        ("gateway.networking.x-k8s.io", "XListenerSet"),
    )


def compile_objects(
    objects: Sequence[KubernetesObject], findings: Findings, port: int | None = None
) -> tuple[RouteTable, ...]:
    """Return the tables of the Gateways among the objects; ignore what is not Gateway API.

    `port` is that of a Gateway which stands in no file, unless a route names another. Problems and
    warnings go to `findings`. While there are problems, the tables are not to be used.
    """
    by_kind: dict[str, dict[tuple[str, str], KubernetesObject]] = {}
    for item in filter(is_read, objects):
        if item.version not in _VERSIONS.get(item.kind, (item.version,)):
            expected = " or ".join(f"{API_GROUP}/{version}" for version in _VERSIONS[item.kind])
            item.body.report(f"expected apiVersion {expected}, got {item.version}")
        first = by_kind.setdefault(item.kind, {}).setdefault(item.key, item)
        if first is not item:
            place = first.body.place
            item.body.report(f"expected once, first given in {place.file}:{place.line}")
        if item.kind in _NOT_JUDGED:
            item.body.warn("is not judged; its requests are judged as if it were not there")
    of_kind = {kind: tuple(by_kind.get(kind, {}).values()) for kind in (*_VERSIONS, "Namespace")}
    grants = [grant for item in of_kind["ReferenceGrant"] for grant in _grants(item)]
    classes = _istio_classes(of_kind["GatewayClass"])
    routes = [read_route(item, grants) for item in of_kind["HTTPRoute"]]
    gateways = {item.key: read_gateway(item, classes) for item in of_kind["Gateway"]}
    gateways |= {
        gateway.key: gateway for gateway in _assumed(routes, gateways, port or _DEFAULT_PORT)
    }
    labels = {item.name: item.labels for item in of_kind["Namespace"]}
    if findings.problems:
        return ()
    attachments = attach(routes, gateways, labels)
    findings.warnings += attachments.warnings
    count = sum(len(item.hostnames) * len(item.route.rules) for item in attachments.admitted)
    if count > MOST_RULES:
        rule = (
            f"makes {count:,} rules with its hostnames and listeners; the limit is {MOST_RULES:,}"
        )
        findings.report(attachments.admitted[0].route.place.file, rule)
        return ()
    tables = tuple(route_tables(gateways.values(), attachments.admitted))
    findings.warnings += unreached(tables)
    findings.warnings += _merged(gateways.values())
    return tables


def _assumed(
    routes: Sequence[Route], gateways: dict[tuple[str, str], Gateway], default_port: int
) -> Iterator[Gateway]:
    """Yield a Gateway for each one that routes name and that is missing: it admits every route."""
    missing: dict[tuple[str, str], dict[tuple[str, int], None]] = {}
    places: dict[tuple[str, str], Place] = {}
    for route in routes:
        for parent in route.parents:
            key = (parent.namespace, parent.name)
            if parent.kind == "Gateway" and key not in gateways:
                places.setdefault(key, parent.place)
                end = (parent.section or "assumed", parent.port or default_port)
                missing.setdefault(key, {})[end] = None
    for (namespace, name), ends in missing.items():
        written = places[namespace, name]
        place = Place(written.file, written.line, "Gateway", namespace, name)
        ports = ", ".join(sorted({str(port) for _, port in ends}))
        yield Gateway(
            place,
            tuple(
                Listener(place, section, port, "HTTP", ANY, Namespaces(From.ALL))
                for section, port in ends
            ),
            not_understood=(
                f"{written}: Gateway {namespace}/{name} is not among these files; it is judged as"
                f" if it admitted every route for HTTP on port {ports}",
            ),
        )


def _merged(gateways: Iterable[Gateway]) -> Iterator[str]:
    """Yield a warning for each Gateway whose Envoy serves one above, too."""
    first: dict[str, Gateway] = {}
    for gateway in gateways:
        for service in gateway.services:
            other = first.setdefault(service, gateway)
            if other is not gateway:
                yield (
                    f"{gateway.place}: has the address {service} of {other.place.resource}, so one"
                    " Envoy serves both; they are judged apart"
                )


def _istio_classes(objects: Sequence[KubernetesObject]) -> set[str]:
    controllers: dict[str, str | None] = {_ISTIO_CLASS: _ISTIO_CONTROLLER}
    for item in objects:
        spec = spec_of(item)
        controllers[item.name] = spec.text("controllerName", NAME, is_required=True)
    return {name for name, controller in controllers.items() if controller == _ISTIO_CONTROLLER}


def _grants(resource: KubernetesObject) -> Iterator[Grant]:
    """Yield what a ReferenceGrant allows to HTTPRoutes about Services."""
    spec = spec_of(resource)
    namespaces = []
    for entry in spec.mappings("from", _MOST_GRANTS, is_required=True):
        group = entry.text("group", GROUP, "")
        kind = entry.text("kind", KIND, is_required=True)
        namespace = entry.text("namespace", NAMESPACE, is_required=True)
        if namespace is not None and (group, kind) == (API_GROUP, "HTTPRoute"):
            namespaces.append(namespace)
    for entry in spec.mappings("to", _MOST_GRANTS, is_required=True):
        kinds = (entry.text("group", GROUP, ""), entry.text("kind", KIND, is_required=True))
        if kinds == SERVICE:
            name = entry.text("name", NAME)
            yield from (Grant(namespace, resource.namespace, name) for namespace in namespaces)
