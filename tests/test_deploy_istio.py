"""Checks that the objects of deploy/istio are valid and agree with those of deploy/kubernetes.

tests/topology/test_istio.py runs them on a real Envoy.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from cloudcoil.models.istio.networking.v1 import DestinationRule, VirtualService
from cloudcoil.models.istio.networking.v1alpha3 import EnvoyFilter
from cloudcoil.models.istio.telemetry.v1 import Telemetry

from tests.kustomizations import build

ISTIO = Path(__file__).parents[1] / "deploy/istio"
GATEWAY = build(ISTIO.parent / "kubernetes/gateway")
MODELS = {
    ("telemetry.istio.io/v1", "Telemetry"): Telemetry,
    ("networking.istio.io/v1", "VirtualService"): VirtualService,
    ("networking.istio.io/v1", "DestinationRule"): DestinationRule,
    ("networking.istio.io/v1alpha3", "EnvoyFilter"): EnvoyFilter,
}
Object = dict[str, Any]


def read(path: Path) -> list[Object]:
    return list(yaml.safe_load_all(path.read_text()))


RESOURCES = [
    resource
    for path in sorted(ISTIO.glob("*.yaml"))
    if path.name not in ("mesh-config.yaml", "kustomization.yaml")
    for resource in read(path)
]


def pruned(resource: Object) -> Object:
    """Return what Istio's schema keeps of a resource: the API server prunes unknown keys."""
    model = MODELS[resource["apiVersion"], resource["kind"]]
    kept: Object = model.model_validate(resource).model_dump(by_alias=True, exclude_none=True)
    return kept


@pytest.mark.parametrize(
    "resource", RESOURCES, ids=lambda resource: f"{resource['kind']}-{resource['metadata']['name']}"
)
def test_resource_is_valid(resource: Object) -> None:
    assert pruned(resource) == resource


def test_referee_sees_wrong_resources() -> None:
    # Guards the test above: a referee that never objects proves nothing.
    (telemetry,) = read(ISTIO / "telemetry.yaml")
    telemetry["spec"]["accessLogging"][0]["filters"] = {}
    assert pruned(telemetry) != telemetry
    (telemetry,) = read(ISTIO / "telemetry.yaml")
    telemetry["spec"]["metrics"][0]["overrides"][0]["match"]["metric"] = "REQUESTS"
    with pytest.raises(ValueError, match="REQUESTS"):
        pruned(telemetry)
    (patches,) = read(ISTIO / "access-log-copies.yaml")
    patches["spec"]["configPatches"][0]["applyTo"] = "FILTER_OF_NETWORK"
    with pytest.raises(ValueError, match="FILTER_OF_NETWORK"):
        pruned(patches)


def test_objects_select_the_gateway() -> None:
    resources = {(item["kind"], item["metadata"]["name"]): item for item in GATEWAY}
    deployment = resources["Deployment", "site-gateway"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [
        resource["spec"].get("selector", {}).get("matchLabels")
        or resource["spec"].get("workloadSelector", {}).get("labels")
        for resource in RESOURCES
        if resource["kind"] in ("Telemetry", "EnvoyFilter")
    ]
    assert len(selectors) == 4
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert {resource["metadata"]["namespace"] for resource in RESOURCES} == {
        deployment["metadata"]["namespace"]
    }


def test_variants_replace_each_other() -> None:
    # Istio uses the oldest of several Telemetry objects that select the same workload.
    variants = [resource for resource in RESOURCES if resource["kind"] == "Telemetry"]
    assert len(variants) == 2
    assert len({resource["metadata"]["name"] for resource in variants}) == 1
    for section in ("metrics", "tracing", "selector"):
        first, second = (resource["spec"][section] for resource in variants)
        assert first == second


def test_copies_and_production_have_the_same_matches() -> None:
    """Checks that no path is served in one of the two ways only, nor before this object."""
    (of_gateway,) = (item for item in GATEWAY if item["kind"] == "VirtualService")
    service, rule = read(ISTIO / "virtual-service.yaml")
    copies, production = service["spec"]["http"]
    assert production["match"] == of_gateway["spec"]["http"][0]["match"]
    marked = [match | {"headers": {"x-mirror-leg": {}}} for match in production["match"]]
    assert copies["match"] == marked
    for key in ("hosts", "gateways"):
        assert service["spec"][key] == of_gateway["spec"][key]
    assert service["metadata"] == of_gateway["metadata"], "the one takes the place of the other"
    used = [entry["route"][0]["destination"] for entry in (copies, production)]
    assert [subset["name"] for subset in rule["spec"]["subsets"]] == [to["subset"] for to in used]
    assert {to["host"] for to in used} == {rule["spec"]["host"]}
