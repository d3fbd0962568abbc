"""Existing objects in the one form that is compared.

Kubernetes fills in what a manifest leaves out, so an absent field is its default and no difference.
What other versions and places say of the same thing is moved to where the projection has it: an HPA
of version 1, the resources of an injected istio-proxy, a native sidecar among the init containers.
A value that the manifest does not have at that place is `Elsewhere`, with the place.

Defaults: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/ and
.../horizontal-pod-autoscaler-v2/
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

WORKLOADS = ("Deployment", "Rollout", "StatefulSet")
"""Kinds whose pods are compared with a projected Deployment."""
PROXY = "istio-proxy"
_BY_DEFAULT = "the default of Kubernetes"
_SURGE = _UNAVAILABLE = "25%"
_UTILISATION = 80
_SCALE_UP = (("Percent", 100, 15), ("Pods", 4, 15))
_STABILISATION_DOWN_S = 300
_INJECTED = (
    ("sidecar.istio.io/proxyCPU", "requests", "cpu"),
    ("sidecar.istio.io/proxyMemory", "requests", "memory"),
    ("sidecar.istio.io/proxyCPULimit", "limits", "cpu"),
    ("sidecar.istio.io/proxyMemoryLimit", "limits", "memory"),
)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A value that holds although the manifest does not have it at this place."""

    value: Any
    where: str


def completed(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of an object in the form that is compared."""
    result: dict[str, Any] = copy.deepcopy(dict(tree))
    kind = str(result.get("kind"))
    spec = _child(result, "spec")
    if kind in WORKLOADS:
        _default(spec, "replicas", 1)
        if kind == "Deployment":
            _strategy(_child(spec, "strategy"))
        _pods(_child(spec, "template"))
    elif kind == "HorizontalPodAutoscaler":
        _metrics(spec)
        _default(spec, "minReplicas", 1)
        _behaviour(_child(spec, "behavior"))
    return result


def _is_native(container: Mapping[str, Any]) -> bool:
    """Say whether an init container runs as long as its pod."""
    return container.get("restartPolicy") == "Always"


def _strategy(strategy: dict[str, Any]) -> None:
    # The other type, Recreate, has no rollingUpdate.
    if strategy.get("type", "RollingUpdate") == "RollingUpdate":
        rolling = _child(strategy, "rollingUpdate")
        _default(rolling, "maxSurge", _SURGE)
        _default(rolling, "maxUnavailable", _UNAVAILABLE)


def _pods(template: dict[str, Any]) -> None:
    pod = _child(template, "spec")
    for key in ("containers", "initContainers"):
        for container in _mappings(pod.get(key)):
            _requests(container)
    # One list of both, wherever the projection looks for a container.
    sidecars = [item for item in _mappings(pod.get("initContainers")) if _is_native(item)]
    together = [*_mappings(pod.get("containers")), *sidecars]
    if together:
        pod["containers"] = together
        pod["initContainers"] = together
    annotations = _child(_child(template, "metadata"), "annotations")
    for container in together:
        if container.get("name") == PROXY:
            _annotations(annotations, container.get("resources"))


def _requests(container: Any) -> None:
    """Add the requests that follow from limits."""
    resources = container.get("resources")
    if not isinstance(resources, dict) or not isinstance(resources.get("limits"), Mapping):
        return
    requests = _child(resources, "requests")
    for name, limit in resources["limits"].items():
        if requests.get(name) is None:
            requests[name] = Elsewhere(limit, "its limit")


def _annotations(annotations: dict[str, Any], resources: Any) -> None:
    """Add what the container of an injected proxy says in place of the pod's annotations."""
    for annotation, part, name in _INJECTED:
        chosen = resources.get(part) if isinstance(resources, Mapping) else None
        value = chosen.get(name) if isinstance(chosen, Mapping) else None
        if value is not None and annotations.get(annotation) is None:
            value = value.value if isinstance(value, Elsewhere) else value
            annotations[annotation] = Elsewhere(value, f"the container {PROXY}")


def _metrics(spec: dict[str, Any]) -> None:
    """Write the metrics of autoscaling/v1 and v2beta1 as autoscaling/v2 has them."""
    for metric in _mappings(spec.get("metrics")):
        resource = metric.get("resource")
        if isinstance(resource, dict) and "targetAverageUtilization" in resource:
            old = resource["targetAverageUtilization"]
            value = Elsewhere(old, "targetAverageUtilization")
            resource["target"] = {"type": "Utilization", "averageUtilization": value}
    if not spec.get("metrics"):
        old = spec.get("targetCPUUtilizationPercentage")
        value = (
            Elsewhere(_UTILISATION, _BY_DEFAULT)
            if old is None
            else Elsewhere(old, "targetCPUUtilizationPercentage")
        )
        target = {"type": "Utilization", "averageUtilization": value}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def _behaviour(behaviour: dict[str, Any]) -> None:
    up, down = _child(behaviour, "scaleUp"), _child(behaviour, "scaleDown")
    _default(up, "stabilizationWindowSeconds", 0)
    _default(down, "stabilizationWindowSeconds", _STABILISATION_DOWN_S)
    for rules in (up, down):
        _default(rules, "selectPolicy", "Max")
    if up.get("policies") is None:
        up["policies"] = [
            {"type": kind, "value": Elsewhere(value, _BY_DEFAULT), "periodSeconds": period}
            for kind, value, period in _SCALE_UP
        ]


def _default(mapping: dict[str, Any], key: str, value: Any) -> None:
    if mapping.get(key) is None:
        mapping[key] = Elsewhere(value, _BY_DEFAULT)


def _child(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the mapping under a key, and put an empty one there if nothing is.

    A value of another shape stays what it is, and is compared as that.
    """
    if mapping.get(key) is None:
        mapping[key] = {}
    child = mapping[key]
    return child if isinstance(child, dict) else {}


def _mappings(items: Any) -> Iterator[dict[str, Any]]:
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, dict))
