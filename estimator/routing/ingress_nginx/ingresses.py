"""An Ingress as a value (networking.k8s.io/v1).

ingress-nginx reads `ImplementationSpecific` as `Prefix` and an empty path as `/`
(internal/ingress/controller/store).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from estimator.routing.fields import Field
from estimator.routing.ingress_nginx.annotations import Annotations, read_annotations
from estimator.routing.objects import KubernetesObject
from estimator.routing.rules import Destination, Place

EXACT, PREFIX, ANY_TYPE = "Exact", "Prefix", "ImplementationSpecific"
_MOST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class IngressPath:
    """A path of an Ingress with its service."""

    place: Place
    path: str
    path_type: str
    """`Exact` or `Prefix`."""
    service: Destination


@dataclass(frozen=True, slots=True)
class IngressRule:
    """The paths of a host."""

    host: str
    """In lower case; empty for every host."""
    paths: tuple[IngressPath, ...]


@dataclass(frozen=True, slots=True)
class Ingress:
    """An Ingress of ingress-nginx."""

    place: Place
    created: str
    """As the API server writes it; empty where the file does not tell."""
    annotations: Annotations
    rules: tuple[IngressRule, ...]
    default: Destination | None
    """The service of `defaultBackend`."""
    has_tls: bool


def read_ingress(resource: KubernetesObject) -> Ingress:
    """Return an Ingress; report its problems."""
    keys = resource.spec.keys("ingressClassName", "defaultBackend", "tls", "rules")
    rules = keys["rules"].items() if "rules" in keys else ()
    default = None
    if "defaultBackend" in keys:
        default = _service(keys["defaultBackend"], resource.namespace)
    if "tls" in keys:
        for entry in keys["tls"].items():
            entry.keys("hosts", "secretName")
    return Ingress(
        resource.body.place,
        resource.created,
        read_annotations(resource.annotations),
        tuple(_rule(rule, resource.namespace) for rule in rules),
        default,
        has_tls="tls" in keys and bool(keys["tls"].value),
    )


def _rule(rule: Field, namespace: str) -> IngressRule:
    keys = rule.keys("host", "http")
    host = keys["host"].text().lower() if "host" in keys else ""
    paths: tuple[IngressPath, ...] = ()
    if "http" in keys:
        http = keys["http"].keys("paths")
        if "paths" in http:
            paths = tuple(_paths(http["paths"], namespace))
    return IngressRule(host, paths)


def _paths(paths: Field, namespace: str) -> Iterator[IngressPath]:
    for entry in paths.items():
        keys = entry.keys("path", "pathType", "backend")
        path = (keys["path"].text() if "path" in keys else "") or "/"
        if "pathType" not in keys or "backend" not in keys:
            entry.report("expected pathType and backend")
            continue
        path_type = keys["pathType"].choice(EXACT, PREFIX, ANY_TYPE)
        if path_type in (EXACT, PREFIX) and not path.startswith("/"):
            keys["path"].report(f"expected a path that begins with a slash, got {path!r}")
        service = _service(keys["backend"], namespace)
        if service is not None:
            kept = EXACT if path_type == EXACT else PREFIX
            yield IngressPath(entry.place, path, kept, service)


def _service(backend: Field, namespace: str) -> Destination | None:
    """Return the service of a backend; a port that has a name only is not known."""
    keys = backend.keys("service", "resource")
    if "service" not in keys:
        backend.warn("has no service: ingress-nginx passes it over")
        return None
    service = keys["service"].keys("name", "port")
    if "name" not in service:
        keys["service"].report("expected name")
        return None
    port = service["port"].keys("number", "name") if "port" in service else {}
    number = port["number"].whole(1, _MOST_PORT) if "number" in port else None
    return Destination(f"{service['name'].text()}.{namespace}", number)
