"""The objects of Gateway API among the objects of some files, compiled into route tables.

Beside HTTPRoutes and Gateways this reads what decides about them: GatewayClasses (which ones are
Istio's), Namespaces (their labels) and ReferenceGrants. A Gateway that routes name and that is not
among the files is assumed to admit them, because often another team owns it; each decision of such
a table says so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from estimator.routing.gateway_api.attachment import attach
from estimator.routing.gateway_api.backends import SERVICE, Grant
from estimator.routing.gateway_api.fields import (
    API_GROUP,
    GROUP,
    KIND,
    NAME,
    NAMESPACE,
    Fields,
)
from estimator.routing.gateway_api.hostnames import ANY
from estimator.routing.gateway_api.listeners import Gateway, Listener, read_gateway
from estimator.routing.gateway_api.namespaces import From, Labels, Namespaces
from estimator.routing.gateway_api.routes import Route, read_route
from estimator.routing.gateway_api.tables import route_tables
from estimator.routing.rules import Place
from estimator.routing.table import RouteTable

_ISTIO_CONTROLLER = "istio.io/gateway-controller"
_ISTIO_CLASS = "istio"
"""The class that Istio creates itself."""
_OTHER_ROUTES = ("GRPCRoute", "ListenerSet", "XListenerSet")
_MOST_GRANTS = 16
_DEFAULT_PORT = 80


@dataclass(frozen=True, slots=True)
class Compiled:
    """The tables of all Gateways, and what the objects mean against expectation."""

    tables: tuple[RouteTable, ...]
    warnings: tuple[str, ...]
    """Each with file and line."""


def compile_objects(objects: Sequence[Fields]) -> Compiled:
    """Return the tables of the Gateways among the objects; ignore objects of other kinds.

    Problems are reported to the sources of the objects. While there are any, the tables are not to
    be used.
    """
    by_kind: dict[str, list[Fields]] = {}
    for fields in objects:
        by_kind.setdefault(fields.place.kind, []).append(fields)
    grants = [grant for fields in by_kind.get("ReferenceGrant", []) for grant in _grants(fields)]
    classes = _istio_classes(by_kind.get("GatewayClass", []))
    labels = {fields.place.name: _labels(fields) for fields in by_kind.get("Namespace", [])}
    routes = [read_route(fields, grants) for fields in by_kind.get("HTTPRoute", [])]
    gateways = {}
    for fields in by_kind.get("Gateway", []):
        gateway = read_gateway(fields, classes)
        gateways[gateway.key] = gateway
    for gateway in _assumed(routes, gateways):
        gateways[gateway.key] = gateway
    attachments = attach(routes, gateways, labels)
    unread = (
        f"{fields.place}: is not judged; its requests are judged as if it were not there"
        for kind in _OTHER_ROUTES
        for fields in by_kind.get(kind, [])
    )
    noted = [note for fields in objects for note in fields.source.warnings]
    tables = tuple(route_tables(gateways.values(), attachments.admitted))
    return Compiled(tables, (*noted, *attachments.warnings, *unread))


def _assumed(
    routes: Sequence[Route], gateways: dict[tuple[str, str], Gateway]
) -> Iterator[Gateway]:
    """Yield a Gateway for each one that routes name and that is missing: it admits every route."""
    missing: dict[tuple[str, str], dict[tuple[str, int], None]] = {}
    places: dict[tuple[str, str], Place] = {}
    for route in routes:
        for parent in route.parents:
            key = (parent.namespace, parent.name)
            if parent.kind == "Gateway" and key not in gateways:
                places.setdefault(key, parent.place)
                end = (parent.section or "assumed", parent.port or _DEFAULT_PORT)
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
            (
                f"{written}: Gateway {namespace}/{name} is not among these files; it is judged as"
                f" if it admitted every route for HTTP on port {ports}",
            ),
        )


def _istio_classes(objects: Sequence[Fields]) -> set[str]:
    controllers = {}
    for fields in objects:
        spec = fields.mapping("spec", is_required=True)
        if spec is not None:
            controllers[fields.place.name] = spec.text("controllerName", NAME, is_required=True)
    controllers.setdefault(_ISTIO_CLASS, _ISTIO_CONTROLLER)
    return {name for name, controller in controllers.items() if controller == _ISTIO_CONTROLLER}


def _labels(fields: Fields) -> Labels:
    metadata = fields.mapping("metadata")
    labels = metadata.mapping("labels") if metadata else None
    return {key: str(value) for key, value in labels.raw.items()} if labels else {}


def _grants(fields: Fields) -> Iterator[Grant]:
    """Yield what a ReferenceGrant allows to HTTPRoutes about Services."""
    spec = fields.mapping("spec", is_required=True) or Fields({}, "spec", fields.source)
    froms = []
    for entry in spec.mappings("from", _MOST_GRANTS, is_required=True):
        group = entry.text("group", GROUP, "")
        kind = entry.text("kind", KIND, is_required=True)
        namespace = entry.text("namespace", NAMESPACE, is_required=True)
        if namespace is not None and (group, kind) == (API_GROUP, "HTTPRoute"):
            froms.append(namespace)
    for entry in spec.mappings("to", _MOST_GRANTS, is_required=True):
        kinds = (entry.text("group", GROUP, ""), entry.text("kind", KIND, is_required=True))
        if kinds == SERVICE:
            name = entry.text("name", NAME)
            yield from (Grant(one, fields.place.namespace, name) for one in froms)
