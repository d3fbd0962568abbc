"""The projection as Kubernetes and Istio objects, with the reason above each number.

Each component gets a patch of its Deployment (requests and limits of all containers, update
strategy), a HorizontalPodAutoscaler (autoscaling/v2), a PodDisruptionBudget, and a local rate limit
as an Istio EnvoyFilter and as an nginx snippet. One kustomization (a Component) lists them.

Every file states the assumption that the component is a Deployment with the name in the table,
whose pods carry that name in the label `app`. An injected istio-proxy is in no Deployment; Istio's
injector reads its requests from annotations. It does so for a native sidecar, too (an init
container with `restartPolicy: Always`): its template has one istio-proxy for both places. An HPA
and the scheduler add up the requests of both kinds, so nothing here depends on the place. This
module computes no number.

Fields: https://kubernetes.io/docs/reference/kubernetes-api/,
https://istio.io/latest/docs/reference/config/annotations/ and .../networking/envoy-filter/
Native sidecars: istio/istio, files/injection-template.yaml; kubernetes/kubernetes#120001
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from estimator import units
from estimator.errors import InputError, Problem
from estimator.model.autoscaling.recommendation import HpaRecommendation
from estimator.model.projection import ComponentProjection, Figure, Projection
from estimator.model.rollout import Rollout
from estimator.model.sizing.amounts import Amounts
from estimator.model.sizing.rate_limits import RateLimits
from estimator.report import wording
from estimator.report.yaml_text import Why, to_yaml
from estimator.table.load_points import Kind

SIDECAR = "istio-proxy"
_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_LEAVE_CPU_UNLIMITED = (
    "no cpu limit: a limit throttles, and the request already protects others. This file leaves one"
    " that you have: remove it"
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object for one component."""

    component: str
    file: str
    tree: Mapping[str, Any]
    """The object, with a `Why` at each number."""

    @property
    def kind(self) -> str:
        return str(self.tree["kind"])


def manifests(projection: Projection) -> dict[str, str]:
    """Return the text of every file by its name.

    Raises InputError with every name that Kubernetes would refuse.
    """
    objects = list(manifests_of(projection))
    files = {item.file: to_yaml(item.tree, _head(item, projection)) for item in objects}
    for component in projection.components:
        if component.rate_limits is not None:
            snippet = _nginx(component.name, component.rate_limits)
            files[f"{component.name}-nginx-limit.conf"] = snippet
    files["kustomization.yaml"] = _kustomization(objects)
    return files


def manifests_of(projection: Projection) -> Iterator[Manifest]:
    """Yield the objects, component by component. Raises InputError like `manifests`."""
    check_names(projection)
    for component in projection.components:
        yield Manifest(component.name, f"{component.name}-resources.yaml", _deployment(component))
        if component.hpa is not None:
            tree = _autoscaler(component.name, component.hpa)
            yield Manifest(component.name, f"{component.name}-hpa.yaml", tree)
        if component.rollout is not None:
            tree = _budget(component.name, component.rollout.disruption_budget)
            yield Manifest(component.name, f"{component.name}-pdb.yaml", tree)
        if component.rate_limits is not None:
            tree = _rate_limit(component, component.rate_limits)
            yield Manifest(component.name, f"{component.name}-ratelimit.yaml", tree)


def check_names(projection: Projection) -> None:
    """Raise InputError with every name of the projection that Kubernetes would refuse."""
    rule = "expected a Kubernetes name (a-z, 0-9 and -, at most 63) to write manifests, got"
    problems = [
        Problem(projection.table, f"{rule} {name!r}", component.name)
        for component in projection.components
        for name in (component.name, *component.containers)
        if not _LABEL.fullmatch(name)
    ]
    if problems:
        raise InputError(problems)


def _head(manifest: Manifest, projection: Projection) -> list[str]:
    lines = [
        f"Made by kagami estimate for component {manifest.component} of {projection.table} and the"
        f" traffic of {projection.series.source}.",
        f"Assumption: a Deployment named {manifest.component} whose pods have the label"
        f" app={manifest.component}; change both if yours differ.",
    ]
    if manifest.kind == "Deployment":
        lines += [
            "This is a patch for your Deployment, not a complete object. Server-side apply merges"
            " it as it is, containers by their names:",
            f"kubectl apply --server-side --field-manager=kagami -f {manifest.file}",
            "So does kustomization.yaml. A plain kubectl apply would take what is not here as"
            " removed.",
        ]
        if "replicas" not in manifest.tree["spec"]:
            lines.append("The HPA decides the replicas: your Deployment must not set them.")
    if projection.is_example_table:
        lines.append("FROM THE EXAMPLE TABLE: not a sizing of your cluster. Do not apply.")
    lines += [f"Low confidence: {reason}" for reason in projection.low_confidence]
    return lines


def _why(figure: Figure, quantity: str) -> str:
    return f"{quantity}: {figure.reason} {wording.caution(figure)}".rstrip()


def _whole(figure: Figure, quantity: str) -> Why:
    return Why(int(figure.value), _why(figure, quantity))


def _deployment(component: ComponentProjection) -> dict[str, Any]:
    is_injected = component.kind is Kind.POD and SIDECAR in component.containers
    annotations: dict[str, Any] = {}
    if is_injected:
        annotations |= _sidecar(component.containers[SIDECAR])
    if component.workers is not None:
        why = _why(component.workers, "Envoy worker threads")
        annotations["proxy.istio.io/config"] = Why(f"concurrency: {component.workers.value:g}", why)
    containers = [
        {"name": name, "resources": _resources(amounts)}
        for name, amounts in component.containers.items()
        if not (is_injected and name == SIDECAR)
    ]
    spec: dict[str, Any] = {}
    if component.hpa is None:
        why = component.no_hpa or _why(component.replicas, component.decided_by)
        spec["replicas"] = Why(int(component.replicas.value), why)
    if (rollout := component.rollout) is not None:
        spec["strategy"] = {
            "type": "RollingUpdate",
            "rollingUpdate": {
                "maxSurge": Why(
                    f"{rollout.max_surge_ratio:.0%}", _why(rollout.update_highest, "at most")
                ),
                "maxUnavailable": Why(
                    f"{rollout.max_unavailable_ratio:.0%}", _why(rollout.update_lowest, "at least")
                ),
            },
        }
    template: dict[str, Any] = {"metadata": {"annotations": annotations}} if annotations else {}
    pod: dict[str, Any] = {}
    if rollout is not None and rollout.zones > 1:
        pod["topologySpreadConstraints"] = [_spread(component.name, rollout)]
    # A pod with only an injected proxy has no container to patch.
    if containers:
        pod["containers"] = containers
    if pod:
        template["spec"] = pod
    spec["template"] = template
    metadata = {"name": component.name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def _spread(name: str, rollout: Rollout) -> dict[str, Any]:
    """Return the constraint that the zones get equal shares, which the sizing rests on."""
    why = f"the replicas were counted for the loss of one of {rollout.zones} zones, evenly filled"
    return {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": Why("DoNotSchedule", why),
        "nodeTaintsPolicy": Why("Honor", "a lost zone must not keep pods out of the others"),
        "labelSelector": {"matchLabels": {"app": name}},
        "matchLabelKeys": ["pod-template-hash"],
    }


def _resources(amounts: Amounts) -> dict[str, Any]:
    limits: dict[str, Any] = {"cpu": _cpu_limit(amounts)}
    if amounts.memory_limit is not None:
        limits["memory"] = _memory(amounts.memory_limit)
    requests = {"cpu": _cpu(amounts.cpu_request), "memory": _memory(amounts.memory_request)}
    return {"requests": requests, "limits": limits}


def _sidecar(amounts: Amounts) -> dict[str, Any]:
    chosen = {
        "sidecar.istio.io/proxyCPU": _cpu(amounts.cpu_request),
        "sidecar.istio.io/proxyMemory": _memory(amounts.memory_request),
        "sidecar.istio.io/proxyCPULimit": _cpu_limit(amounts),
    }
    if amounts.memory_limit is not None:
        chosen["sidecar.istio.io/proxyMemoryLimit"] = _memory(amounts.memory_limit)
    return chosen


def _cpu(figure: Figure) -> Why:
    return Why(units.format_cpu(figure.value), _why(figure, "cpu"))


def _cpu_limit(amounts: Amounts) -> Why:
    limit = amounts.cpu_limit
    return Why(None, _LEAVE_CPU_UNLIMITED) if limit is None else _cpu(limit)


def _memory(figure: Figure) -> Why:
    return Why(units.format_memory(int(figure.value)), _why(figure, "memory"))


def _autoscaler(name: str, hpa: HpaRecommendation) -> dict[str, Any]:
    up = f"the simulation used it; reaction lag {wording.shown(hpa.reaction_lag)}"
    period = hpa.scale_up_period_s
    notes = "".join(f"; {note}" for note in hpa.notes)
    policies = [
        {"type": "Percent", "value": Why(hpa.scale_up_percent, up), "periodSeconds": period},
        {"type": "Pods", "value": Why(hpa.scale_up_pods, up), "periodSeconds": period},
    ]
    down = Why(hpa.scale_down_stabilisation_s, f"the simulation used it{notes}")
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": _whole(hpa.min_replicas, "least"),
            "maxReplicas": _whole(hpa.max_replicas, "most"),
            "metrics": [_metric(hpa)],
            "behavior": {
                "scaleUp": {"selectPolicy": "Max", "policies": policies},
                "scaleDown": {"stabilizationWindowSeconds": down},
            },
        },
    }


def _metric(hpa: HpaRecommendation) -> dict[str, Any]:
    of = "of the requests of all containers, so they must all be set"
    if hpa.container:
        of = f"of the request of {hpa.container} (Kubernetes 1.30 or newer)"
    target = {"type": "Utilization", "averageUtilization": _whole(hpa.target_percent, of)}
    if not hpa.container:
        return {"type": "Resource", "resource": {"name": "cpu", "target": target}}
    source = {"name": "cpu", "container": hpa.container, "target": target}
    return {"type": "ContainerResource", "containerResource": source}


def _budget(name: str, most: Figure) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {
            "maxUnavailable": _whole(most, "voluntary disruptions at once"),
            "selector": {"matchLabels": {"app": name}},
        },
    }


def _rate_limit(component: ComponentProjection, limits: RateLimits) -> dict[str, Any]:
    always = {"numerator": 100, "denominator": "HUNDRED"}
    bucket = {
        "max_tokens": _whole(limits.envoy_max_tokens, "the burst"),
        "tokens_per_fill": _whole(limits.envoy_tokens_per_fill, "the rate"),
        "fill_interval": Why(
            f"{limits.envoy_fill_interval.value:g}s", _why(limits.envoy_fill_interval, "the rate")
        ),
    }
    api = "type.googleapis.com"
    value = {
        "name": "envoy.filters.http.local_ratelimit",
        "typed_config": {
            "@type": f"{api}/udpa.type.v1.TypedStruct",
            "type_url": f"{api}/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "value": {
                "stat_prefix": "http_local_rate_limiter",
                "token_bucket": bucket,
                "filter_enabled": {"runtime_key": "local_limit_on", "default_value": always},
                "filter_enforced": {"runtime_key": "local_limit_acts", "default_value": always},
            },
        },
    }
    manager = "envoy.filters.network.http_connection_manager"
    match = {
        "context": "GATEWAY" if component.kind is Kind.GATEWAY else "SIDECAR_INBOUND",
        "listener": {"filterChain": {"filter": {"name": manager}}},
    }
    patch = {"operation": "INSERT_BEFORE", "value": value}
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": f"{component.name}-local-ratelimit"},
        "spec": {
            "workloadSelector": {"labels": {"app": component.name}},
            "configPatches": [{"applyTo": "HTTP_FILTER", "match": match, "patch": patch}],
        },
    }


def _nginx(name: str, limits: RateLimits) -> str:
    """Return the nginx snippet. One zone for the server: the limit is per pod, not per client."""
    rate, burst = int(limits.nginx_rate.value), int(limits.nginx_burst.value)
    why = " ".join(_why(limits.nginx_rate, "rate").split())
    why_burst = " ".join(_why(limits.nginx_burst, "burst").split())
    return (
        f"# For the nginx in a pod of {name}; the first line into http, the others\n"
        "# into server.\n"
        f"# {why}\n"
        f"limit_req_zone $server_name zone={name}:1m rate={rate}r/s;\n"
        f"# {why_burst}\n"
        f"limit_req zone={name} burst={burst} nodelay;\n"
        "limit_req_status 429;\n"
    )


def _kustomization(objects: list[Manifest]) -> str:
    tree: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "resources": [item.file for item in objects if item.kind != "Deployment"],
        "patches": [{"path": item.file} for item in objects if item.kind == "Deployment"],
    }
    if not tree["resources"]:
        del tree["resources"]
    head = [
        "Made by kagami estimate. Name this directory under `components` of your kustomization, and"
        " its `namespace` there: it then holds for every object.",
    ]
    return to_yaml(tree, head)
