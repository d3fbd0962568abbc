"""Gateway API: the share of a path that the gateway sends to Kubernetes (phase 2 to 3).

Each path has an HTTPRoute of its own, because rules of several HTTPRoutes are merged by how
specific they are and not by their order (kubernetes-sigs/gateway-api, apis/v1/httproute_types.go,
HTTPRouteRule.Matches). A weight is a share of the sum of all weights, and 0 means no traffic
(apis/v1/shared_types.go, BackendRef.Weight). Istio orders exact paths before prefixes and prefixes
before regular expressions (istio/istio, pilot/pkg/config/kube/gateway/conversion.go, getURIRank).
"""

from typing import Any

from estimator.migration.snippets.path import MovedPath, PathKind
from estimator.migration.snippets.step import Attachment, Backend, Snippet, Step
from estimator.report.yaml_text import to_yaml

_TYPES = {
    PathKind.EXACT: "Exact",
    PathKind.PREFIX: "PathPrefix",
    PathKind.PATTERN: "RegularExpression",
}


def http_route(step: Step, attachment: Attachment) -> Snippet:
    """Return the HTTPRoute of the path. Raises ValueError for a backend that is no Service."""
    file = f"{step.path.name}.http-route.yaml"
    return Snippet(
        file=file,
        text=_route(step, attachment),
        rollback=_route(step.undone, attachment),
        command=f"kubectl apply -f {file}",
    )


def _route(step: Step, attachment: Attachment) -> str:
    backends = [
        _backend(step.old, 100 - step.percent, attachment),
        _backend(step.new, step.percent, attachment),
    ]
    spec: dict[str, Any] = {
        "parentRefs": [{"name": attachment.gateway, "namespace": attachment.gateway_namespace}]
    }
    if attachment.hosts:
        spec["hostnames"] = list(attachment.hosts)
    spec["rules"] = [{"matches": [{"path": _path(step.path)}], "backendRefs": backends}]
    tree = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": step.path.name, "namespace": attachment.namespace},
        "spec": spec,
    }
    return to_yaml(tree, _head(step, attachment, backends))


def _path(path: MovedPath) -> dict[str, str]:
    value = path.pattern if path.kind is PathKind.PATTERN else path.text
    return {"type": _TYPES[path.kind], "value": value}


def _backend(backend: Backend, percent: int, attachment: Attachment) -> dict[str, Any]:
    """Return a reference to `name`, `name.namespace` or `name.namespace.svc.cluster.local`."""
    name, *rest = backend.host.split(".")
    is_service = not rest or len(rest) == 1 or rest[1] == "svc"
    if not is_service or not name[:1].isalpha():
        raise ValueError(
            f"expected a Service such as app or app.shop.svc.cluster.local, got {backend.host!r}"
        )
    reference: dict[str, Any] = {"name": name}
    if rest and rest[0] != attachment.namespace:
        reference["namespace"] = rest[0]
    return reference | {"port": backend.port, "weight": percent}


def _head(step: Step, attachment: Attachment, backends: list[dict[str, Any]]) -> list[str]:
    head = [
        f"{step.summary}.",
        "If another HTTPRoute of these hosts has the same match, the older one wins: remove the"
        " match there.",
    ]
    if step.path.kind is PathKind.PREFIX and step.path.text != "/":
        text = step.path.text
        head.append(f"PathPrefix ignores the slash at the end: {text[:-1]} moves with {text}.")
    if step.path.kind is PathKind.PATTERN:
        head.append(
            "Istio puts regular expressions after every prefix of the host: where another HTTPRoute"
            " has a prefix that takes these paths, this one gets none of them."
        )
    others = sorted({each["namespace"] for each in backends if "namespace" in each})
    if others:
        head.append(
            f"A ReferenceGrant in {', '.join(others)} has to allow HTTPRoutes of"
            f" {attachment.namespace}."
        )
    return head
