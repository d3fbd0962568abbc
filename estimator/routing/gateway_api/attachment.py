"""Which listeners admit which routes, and why the others do not.

A listener admits a route when the route names it (parentRefs with name, sectionName and port), when
its namespace and kind are allowed (allowedRoutes) and when a hostname of both overlaps. The rules
are Istio's `referenceAllowed` (pilot/pkg/config/kube/gateway/conversion.go), with its comparison of
hostnames by text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from estimator.routing.conditions import NO, UNKNOWN
from estimator.routing.gateway_api.hostnames import intersection, is_isolated
from estimator.routing.gateway_api.listeners import Gateway, Listener
from estimator.routing.gateway_api.namespaces import Labels
from estimator.routing.gateway_api.routes import ParentRef, Route

_MESH_PARENTS = ("/Service", "networking.istio.io/ServiceEntry")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A route that a listener admits."""

    route: Route
    gateway: Gateway
    listener: Listener
    hostnames: tuple[str, ...]
    """The hostnames of the route that the listener serves, as the route states them."""
    doubt: str = ""
    """Why the listener might not admit the route after all, as a sentence."""


@dataclass(frozen=True, slots=True)
class Attachments:
    """The routes of some files and the listeners that admit them."""

    admitted: tuple[Attachment, ...]
    warnings: tuple[str, ...]
    """The parentRefs that attach to nothing, with the reason, and the routes without any."""


def attach(
    routes: Iterable[Route],
    gateways: Mapping[tuple[str, str], Gateway],
    labels: Mapping[str, Labels],
) -> Attachments:
    """Return which listeners admit which routes. `labels` are those of the known Namespaces."""
    admitted: list[Attachment] = []
    warnings: list[str] = []
    for route in routes:
        attached: list[Attachment] = []
        for parent in route.parents:
            gateway = gateways.get((parent.namespace, parent.name))
            if parent.kind != "Gateway" or gateway is None:
                warnings.append(f"{parent.place}: {_no_gateway(parent)}")
                continue
            answers = [
                _admits(gateway, listener, route, labels)
                for listener in gateway.listeners
                if _is_meant(listener, parent)
            ]
            taken = [answer for answer in answers if isinstance(answer, Attachment)]
            attached += taken
            if not taken:
                warnings.append(f"{parent.place}: {_refusal(gateway, answers)}")
        if not attached:
            warnings.append(f"{route.place}: is attached to no listener; its requests are rejected")
        admitted += attached
    return Attachments(tuple(admitted), tuple(warnings))


def _no_gateway(parent: ParentRef) -> str:
    target = f"{parent.namespace}/{parent.name}"
    if parent.kind in _MESH_PARENTS:
        kind = parent.kind.rpartition("/")[2]
        return f"{kind} {target} is a parent within the mesh, so no gateway serves the route for it"
    if parent.kind != "Gateway":
        return f"a parent of kind {parent.kind} is not judged"
    return f"Gateway {target} is not among these files"


def _is_meant(listener: Listener, parent: ParentRef) -> bool:
    is_name = parent.section in (None, listener.name)
    return is_name and parent.port in (None, listener.port)


def _admits(
    gateway: Gateway, listener: Listener, route: Route, labels: Mapping[str, Labels]
) -> Attachment | str:
    """Return the attachment, or the reason why there is none."""
    name = f"listener {listener.name}"
    if not listener.carries_http:
        return f"{name} has the protocol {listener.protocol}"
    hostnames = [
        hostname
        for hostname in dict.fromkeys(route.hostnames)
        if intersection(listener.hostname, hostname) is not None
    ]
    if not hostnames:
        return f"{name} serves {listener.hostname}, and no hostname of the route overlaps with it"
    namespace = route.place.namespace
    answer = listener.namespaces.admit(namespace, gateway.place.namespace, labels)
    if answer is NO:
        return f"{name} does not allow routes of namespace {namespace}"
    if not listener.admits_http_routes:
        return f"{name} does not allow routes of kind HTTPRoute"
    others = [
        other.hostname
        for other in gateway.listeners
        if other is not listener
        and (other.port, other.protocol) == (listener.port, listener.protocol)
    ]
    own = [
        hostname for hostname in hostnames if not is_isolated(hostname, listener.hostname, others)
    ]
    if not own:
        return f"{name} leaves {', '.join(hostnames)} to a listener with a narrower hostname"
    doubt = ""
    if answer is UNKNOWN:
        doubt = (
            f"{listener.place}: selects namespaces by labels, and Namespace {namespace} is not"
            " among these files; it is judged as selected"
        )
    return Attachment(route, gateway, listener, tuple(own), doubt)


def _refusal(gateway: Gateway, answers: Sequence[Attachment | str]) -> str:
    reasons = [answer for answer in answers if isinstance(answer, str)]
    reason = "; ".join(reasons) or "none has the name and the port that it asks for"
    name = f"{gateway.place.namespace}/{gateway.place.name}"
    return f"no listener of Gateway {name} admits the route: {reason}"
