"""The backends of an HTTPRoute's rule: who gets which share of its requests.

Istio (`buildDestination` and `buildHTTPDestination` of
pilot/pkg/config/kube/gateway/conversion.go) knows Services, ServiceImports, hostnames of
ServiceEntries and InferencePools. The share of any other kind, and of a backend in another
namespace that no ReferenceGrant allows, is answered with 500. Whether a Service exists is not
judged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from estimator.routing.gateway_api.fields import GROUP, KIND, MOST_PORT, NAME, NAMESPACE, Fields
from estimator.routing.rules import Destination

_MOST_BACKENDS = 16
_MOST_WEIGHT = 1_000_000
_KEYS = ("group", "kind", "name", "namespace", "port", "weight", "filters")

SERVICE = ("", "Service")
_BY_NAMESPACE = (SERVICE, ("multicluster.x-k8s.io", "ServiceImport"))
_BY_HOSTNAME = ("networking.istio.io", "Hostname")
_POOL = ("inference.networking.k8s.io", "InferencePool")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a ReferenceGrant allows to the HTTPRoutes of one namespace."""

    from_namespace: str
    to_namespace: str
    to_name: str | None
    """None allows every Service of the namespace."""

    def allows(self, from_namespace: str, to_namespace: str, name: str) -> bool:
        namespaces = (from_namespace, to_namespace)
        return namespaces == (self.from_namespace, self.to_namespace) and (
            self.to_name in (None, name)
        )


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend with its weight."""

    fields: Fields
    host: str
    port: int | None
    weight: int
    is_valid: bool = True
    doubt: str = ""
    """Why its share may be answered otherwise, as a sentence."""


def read_backends(rule: Fields, namespace: str, grants: Sequence[Grant]) -> list[Backend]:
    """Return the backends of a rule of a route in `namespace`."""
    refs = rule.mappings("backendRefs", _MOST_BACKENDS)
    return [_backend(ref, namespace, grants) for ref in refs]


def _backend(ref: Fields, namespace: str, grants: Sequence[Grant]) -> Backend:
    ref.only(*_KEYS)
    kind = (ref.text("group", GROUP, "") or "", ref.text("kind", KIND, "Service") or "")
    name = ref.text("name", NAME, is_required=True) or ""
    target = ref.text("namespace", NAMESPACE, namespace) or ""
    weight = ref.number("weight", 0, _MOST_WEIGHT)
    weight = 1 if weight is None else weight
    port = ref.number("port", 1, MOST_PORT, is_required=kind != _POOL and _is_known(kind))
    if kind == SERVICE and "." in name:
        ref.report("name", f"expected the name of a Service and not a hostname, got {name!r}")
    if kind == _BY_HOSTNAME and ref.has("namespace"):
        ref.report("namespace", "expected no namespace with the kind Hostname")
    host = name if kind == _BY_HOSTNAME else f"{name}.{target}"
    if not _is_known(kind):
        what = f"{kind[0] or 'the core group'}/{kind[1]} is no kind that Istio routes to"
        return Backend(ref, host, port, weight, False, what)
    doubt = ""
    if target != namespace and not any(grant.allows(namespace, target, name) for grant in grants):
        doubt = f"no ReferenceGrant among these files allows HTTPRoutes of {namespace} to use it"
    elif kind == _POOL:
        doubt = "the extension of an InferencePool chooses the endpoint"
    return Backend(ref, host, port, weight, True, doubt)


def _is_known(kind: tuple[str, str]) -> bool:
    return kind in (*_BY_NAMESPACE, _BY_HOSTNAME, _POOL)


def destinations(backends: Sequence[Backend]) -> tuple[tuple[Destination, ...], tuple[str, ...]]:
    """Return the destinations with their shares, and doubts about them.

    No destinations means that every request is answered with 500, because no backend is valid or
    none has a weight.
    """
    chosen = [backend for backend in backends if backend.weight > 0]
    if not any(backend.is_valid for backend in chosen):
        return (), ()
    total = sum(backend.weight for backend in chosen)
    shares = tuple(
        Destination(backend.host, backend.port, backend.weight / total) for backend in chosen
    )
    return shares, tuple(_doubts(chosen, total))


def _doubts(chosen: Sequence[Backend], total: int) -> Iterator[str]:
    for backend in chosen:
        if backend.doubt:
            share = f"{backend.weight / total:.4g}"
            end = "is" if not backend.is_valid else "may be"
            place = backend.fields.place
            yield f"{place}: {backend.doubt}; its share of {share} {end} answered with 500"
