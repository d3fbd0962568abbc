"""An entry of a VirtualService or of an HTTPRoute as a tree of YAML.

The fields are those of istio.io/docs/reference/config/networking/virtual-service (HTTPRoute) and of
apis/v1/httproute_types.go of Gateway API (HTTPRouteRule).
"""

from collections.abc import Sequence
from typing import Any

from estimator.routing.conditions import Conditions, Kind
from estimator.routing.rules import Destination, Place

HTTP_ROUTE = "HTTPRoute"


def is_service(destination: Destination) -> bool:
    """Return whether a destination is a Service of the cluster, which has one dot in its name."""
    return destination.host.count(".") == 1


def entry_of(
    matches: Sequence[Conditions], destinations: Sequence[Destination], home: Place
) -> dict[str, Any]:
    """Return an entry of `spec.http`, or of `spec.rules`, in the namespace of its object."""
    if home.kind == HTTP_ROUTE:
        return {
            "matches": [_http_route_match(each) for each in matches],
            "backendRefs": [
                _backend(each, home.namespace, len(destinations)) for each in destinations
            ],
        }
    return {
        "match": [_virtual_service_match(each) for each in matches],
        "route": [_route(each, len(destinations)) for each in destinations],
    }


def _virtual_service_match(conditions: Conditions) -> dict[str, Any]:
    match: dict[str, Any] = {"uri": {conditions.path.kind.value: conditions.path.value}}
    if conditions.method is not None:
        match["method"] = {"exact": conditions.method.value}
    return match


def _route(destination: Destination, number: int) -> dict[str, Any]:
    # A short name belongs to the namespace of the object, and one with a dot is a full name.
    suffix = ".svc.cluster.local" if is_service(destination) else ""
    target: dict[str, Any] = {"host": f"{destination.host}{suffix}"}
    if destination.port is not None:
        target["port"] = {"number": destination.port}
    if destination.subset:
        target["subset"] = destination.subset
    weight = {"weight": round(destination.share * 100)} if number > 1 else {}
    return {"destination": target, **weight}


def _http_route_match(conditions: Conditions) -> dict[str, Any]:
    kinds = {
        Kind.EXACT: "Exact",
        Kind.SEGMENTS: "PathPrefix",
        Kind.REGEX: "RegularExpression",
    }
    path = {"type": kinds[conditions.path.kind], "value": conditions.path.value}
    method = {} if conditions.method is None else {"method": conditions.method.value}
    return {"path": path, **method}


def _backend(destination: Destination, namespace: str, number: int) -> dict[str, Any]:
    name, _, other = destination.host.partition(".")
    backend: dict[str, Any] = {"name": name}
    if other != namespace:
        backend["namespace"] = other
    if destination.port is not None:
        backend["port"] = destination.port
    if number > 1:
        backend["weight"] = round(destination.share * 100)
    return backend
