"""VirtualService of networking.istio.io: read strictly, its delegates merged into it.

Only `http` routes are judged: `tls` and `tcp` route connections. The fields are those of
networking/v1alpha3/virtual_service.proto; what may stand together follows Istio's validation
(pkg/config/validation) and pilot/pkg/model/virtualservice.go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from estimator.routing.fields import Field
from estimator.routing.istio.actions import (
    Effect,
    read_destinations,
    read_direct_response,
    read_fault,
    read_header_authority,
    read_redirect,
    read_rewrite,
)
from estimator.routing.istio.delegates import merged_matches
from estimator.routing.istio.matches import Match, read_gateway_keys, read_match
from estimator.routing.istio.names import MESH, NO_HOSTNAME, full_host, is_exported, is_hostname
from estimator.routing.objects import KubernetesObject
from estimator.routing.rules import Place

_UNJUDGED = (
    "timeout",
    "retries",
    "mirror",
    "mirrors",
    "mirrorPercent",
    "mirror_percent",
    "mirrorPercentage",
    "corsPolicy",
)
"""Keys of a route that change no verdict."""
_JUDGED = (
    "name",
    "match",
    "route",
    "redirect",
    "directResponse",
    "delegate",
    "rewrite",
    "fault",
    "headers",
)


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of `http`."""

    field: Field
    matches: tuple[Match, ...]
    effect: Effect
    delegate: tuple[str, str] | None = None
    """Namespace and name of the VirtualService that has the routes."""


@dataclass(frozen=True, slots=True)
class VirtualService:
    """One VirtualService; without hosts it is a delegate."""

    field: Field
    namespace: str
    name: str
    created: str
    hosts: tuple[str, ...]
    gateways: tuple[tuple[str, str], ...]
    """Namespace and name of each."""
    export_to: tuple[str, ...]
    routes: tuple[Route, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    @property
    def place(self) -> Place:
        return self.field.place


def read_virtual_service(item: KubernetesObject) -> VirtualService:
    """Return a VirtualService; report every problem of it."""
    fields = item.spec.keys("hosts", "gateways", "http", "tls", "tcp", "exportTo")
    hosts = fields["hosts"].texts() if "hosts" in fields else ()
    gateways = read_gateway_keys(fields["gateways"]) if "gateways" in fields else ()
    for host in hosts:
        if host and not is_hostname(host):
            fields["hosts"].report(f"{NO_HOSTNAME}, got {host!r}")
    if not hosts and gateways:
        fields["gateways"].report("expected no gateways at a delegate, which has no hosts")
    entries = tuple(fields["http"].items()) if "http" in fields else ()
    return VirtualService(
        replace(item.spec, line=item.body.line),
        item.namespace,
        item.name,
        item.created,
        tuple(full_host(host, item.namespace) for host in hosts),
        gateways or (("", MESH),),
        fields["exportTo"].texts() if "exportTo" in fields else (),
        tuple(_route(entry, is_delegate=not hosts) for entry in entries),
    )


def _route(entry: Field, is_delegate: bool) -> Route:
    fields = entry.keys(*_JUDGED, *_UNJUDGED)
    matches = tuple(map(read_match, fields["match"].items())) if "match" in fields else ()
    redirect = read_redirect(fields["redirect"]) if "redirect" in fields else None
    answer = read_direct_response(fields["directResponse"]) if "directResponse" in fields else None
    destinations, authority, doubts = (
        read_destinations(fields["route"]) if "route" in fields else ((), "", ())
    )
    abort, fault_doubts = read_fault(fields["fault"]) if "fault" in fields else (None, ())
    effect = Effect(
        redirect=redirect,
        answer=answer,
        destinations=destinations,
        destination_authority=authority,
        rewrite=read_rewrite(fields["rewrite"]) if "rewrite" in fields else None,
        abort=abort,
        has_fault="fault" in fields,
        header_authority=read_header_authority(fields["headers"]) if "headers" in fields else None,
        doubts=(*doubts, *fault_doubts),
    )
    _check_together(entry, [key for key in fields if fields[key].value != []], is_delegate)
    return Route(entry, matches, effect, _delegate(fields.get("delegate")))


def _check_together(entry: Field, keys: Iterable[str], is_delegate: bool) -> None:
    ends = [key for key in ("route", "redirect", "directResponse", "delegate") if key in keys]
    if not ends:
        entry.report("expected one of route, redirect, directResponse and delegate")
    elif len(ends) > 1 and ends != ["directResponse", "delegate"]:
        # Istio lets a root give its direct response to the routes of its delegate.
        entry.report(f"expected only one of them, got {' and '.join(ends)}")
    if "redirect" in keys and "rewrite" in keys:
        entry.report("expected no rewrite beside redirect")
    if "delegate" in keys and is_delegate:
        entry.report("expected no delegate in a VirtualService without hosts, which is one itself")


def _delegate(entry: Field | None) -> tuple[str, str] | None:
    if entry is None:
        return None
    fields = entry.keys("name", "namespace")
    if "name" not in fields:
        entry.report("name: missing; expected the name of a VirtualService without hosts")
        return None
    namespace = fields["namespace"].text() if "namespace" in fields else entry.owner.namespace
    return namespace, fields["name"].text()


# --- delegates ---


def with_delegates(services: Sequence[VirtualService]) -> list[VirtualService]:
    """Return the VirtualServices that have hosts, with the routes of their delegates.

    A delegate that is missing, not exported or used by nobody is a warning, as is a route of a
    delegate that contradicts its root: Istio leaves all of these out.
    """
    delegates = {service.key: service for service in services if not service.hosts}
    used: set[tuple[str, str]] = set()
    roots = []
    for service in services:
        if not service.hosts:
            continue
        routes: list[Route] = []
        for route in service.routes:
            if route.delegate is None:
                routes.append(route)
                continue
            used.add(route.delegate)
            routes += _delegated(service, route, delegates.get(route.delegate))
        roots.append(replace(service, routes=tuple(routes)))
    for key, delegate in delegates.items():
        if key not in used:
            delegate.field.warn("no route names this delegate, and it has no hosts; it is left out")
    return roots


def _delegated(
    root: VirtualService, route: Route, delegate: VirtualService | None
) -> Iterable[Route]:
    if route.delegate is None or delegate is None:
        name = "/".join(route.delegate or ())
        route.field.warn(f"the delegate {name} is not among these files; the route is left out")
        return
    if not is_exported(delegate.export_to, delegate.namespace, root.namespace):
        route.field.warn(f"{delegate.place.resource} is not exported here; the route is left out")
        return
    for leaf in delegate.routes:
        matches = merged_matches(route.matches, leaf.matches)
        if matches is None:
            leaf.field.warn(f"a match contradicts {route.field.place}; the route is left out")
            continue
        if not leaf.matches:
            # The entry to change is the delegate's, although the matches are the root's.
            matches = tuple(replace(match, place=leaf.field.place) for match in matches)
        yield replace(leaf, matches=matches, effect=_merged(route.effect, leaf.effect))


def _merged(root: Effect, leaf: Effect) -> Effect:
    """Return what a delegate's route does with what it takes from its root."""
    fault = leaf if leaf.has_fault else root
    headers = leaf.header_authority
    return replace(
        leaf,
        rewrite=leaf.rewrite or root.rewrite,
        answer=root.answer if leaf.answer is None else leaf.answer,
        abort=fault.abort,
        has_fault=fault.has_fault,
        header_authority=root.header_authority if headers is None else headers,
        doubts=tuple(dict.fromkeys((*leaf.doubts, *root.doubts))),
    )
