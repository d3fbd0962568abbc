"""Checks what the kustomizations of deploy/kubernetes make.

The published schemas of Kubernetes check its own objects, and models made from Istio's custom
resource definitions those of Istio. Where kubectl is found, it is the referee of the reader that
makes the objects here. tests/topology/test_kubernetes.py runs the configurations.
"""

import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from cloudcoil.models.istio.networking.v1 import Gateway, VirtualService

from estimator.commands.estimate import main as estimate
from mirror import config
from mirror.commands.audit import audit
from mirror.commands.replaying.replay import replay
from mirror.process.memory_ceiling import heads_memory_ceiling_bytes, memory_ceiling_bytes
from tests.kustomizations import Object, build

DEPLOY = Path(__file__).parents[1] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
KUSTOMIZATIONS = sorted(
    path.parent
    for path in KUBERNETES.rglob("kustomization.yaml")
    # It fits the place to which a reader copies it; tests/test_deploy_example.py builds it there.
    if not path.is_relative_to(KUBERNETES / "example")
)
OVERLAYS = ("service", "ingress-nginx", "nginx", "nginx-classic")
ISTIO = {"Gateway": Gateway, "VirtualService": VirtualService}
# The oldest that docs/deploying.md names, and the newest whose schemas there are.
VERSIONS = ("1.29", "1.37")
OWN_IMAGES = ("registry.example.com/kagami", "registry.example.com/kagami-estimate")


def by_name(folder: str) -> dict[tuple[str, str], Object]:
    return {(item["kind"], item["metadata"]["name"]): item for item in build(KUBERNETES / folder)}


def pod_specs(items: list[Object]) -> Iterator[Object]:
    for item in items:
        spec = item.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            yield template["spec"]
        elif item["kind"] == "Pod":
            yield spec


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


def everything() -> dict[str, Object]:
    """Return every object by a name for it; what overlays share, once."""
    objects = {
        f"{folder.relative_to(KUBERNETES)}-{item['kind']}-{item['metadata']['name']}": item
        for folder in KUSTOMIZATIONS
        for item in build(folder)
    }
    names = {json.dumps(item, sort_keys=True): name for name, item in objects.items()}
    return {name: objects[name] for name in names.values()}


EVERYTHING = everything()
PODS = list(pod_specs(list(EVERYTHING.values())))


@cache
def kubectl_version() -> str:
    """Return what kubectl says of itself, and nothing where there is none."""
    if shutil.which("kubectl") is None:
        return ""
    return run_kubectl("version", "--client")


def run_kubectl(*words: str | Path) -> str:
    # A machine that is busy with other tests may need a minute to load the program.
    done = subprocess.run(
        ["kubectl", *words], capture_output=True, text=True, check=True, timeout=180
    )
    return done.stdout


def kubectl_kustomize(folder: Path) -> str:
    if "Kustomize Version: v5" not in kubectl_version():
        pytest.skip("no kubectl with kustomize 5 here")
    return run_kubectl("kustomize", folder)


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda path: path.name)
def test_kubectl_makes_the_same(folder: Path) -> None:
    made = kubectl_kustomize(folder)
    assert mounted_config_maps(made) <= config_maps(made) | {"estimate-table"}
    assert as_ours(made) == ordered(build(folder))


def as_ours(made: str) -> list[str]:
    """Return what kubectl made without the hashes, which are hexadecimal in other letters."""
    text = re.sub(r"\b([a-z-]+)-[bcdfghkmt2456789]{10}\b", r"\1", made)
    return ordered(list(yaml.safe_load_all(text)))


def ordered(items: list[Object]) -> list[str]:
    return sorted(json.dumps(item, sort_keys=True) for item in items)


def config_maps(made: str) -> set[str]:
    return {
        item["metadata"]["name"] for item in yaml.safe_load_all(made) if item["kind"] == "ConfigMap"
    }


def mounted_config_maps(made: str) -> set[str]:
    """Return the names in volumes, where a generated ConfigMap's hash must arrive."""
    return {
        volume["configMap"]["name"]
        for pod in pod_specs(list(yaml.safe_load_all(made)))
        for volume in pod.get("volumes", ())
        if "configMap" in volume
    }


@pytest.mark.parametrize("item", EVERYTHING.values(), ids=EVERYTHING)
def test_object_is_valid(item: Object) -> None:
    if item["kind"] in ISTIO:
        # The API server silently prunes unknown keys, as the model does; no key may be lost.
        assert pruned(item) == item
    elif item["kind"] == "PodMonitor":
        assert set(item["spec"]) == {"selector", "podMetricsEndpoints"}
        (endpoint,) = item["spec"]["podMetricsEndpoints"]
        assert set(endpoint) == {"port", "path", "interval"}
    else:
        for version in VERSIONS:
            kubernetes_validate.validate(item, version, strict=True)


def test_classic_sidecar_needs_no_new_cluster() -> None:
    native, classic = (
        by_name(f"overlays/{name}")["Deployment", "nginx"] for name in ("nginx", "nginx-classic")
    )
    kubernetes_validate.validate(classic, "1.25", strict=True)
    with pytest.raises(kubernetes_validate.ValidationError, match="restartPolicy"):
        kubernetes_validate.validate(native, "1.25", strict=True)


def pruned(resource: Object) -> Object:
    """Return what remains of a resource after reading it with Istio's schema."""
    read = ISTIO[resource["kind"]].model_validate(resource)
    left: Object = read.model_dump(by_alias=True, exclude_none=True)
    return left


def test_referees_see_wrong_objects() -> None:
    # Guards the test above: a referee that never objects proves nothing.
    resources = by_name("gateway")
    (route,) = resources["VirtualService", "site"]["spec"]["http"]
    route["math"] = route.pop("match")
    assert pruned(resources["VirtualService", "site"]) != resources["VirtualService", "site"]
    deployment = resources["Deployment", "site-gateway"]
    deployment["spec"]["template"]["spec"]["nodeSelektor"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="nodeSelektor"):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("pod", PODS)
def test_containers_have_little(pod: Object) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(pod):
        assert {"cpu", "memory"} == set(container["resources"]["requests"])
        # A limit of cpu throttles, and nginx waits for whoever is throttled.
        assert set(container["resources"]["limits"]) == {"memory"}
        if container["image"] == "auto":
            continue  # the injector adds the rest
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        name, _, tag = container["image"].partition(":")
        assert tag and name in ("nginxinc/nginx-unprivileged", *OWN_IMAGES)


def test_no_name_is_that_of_an_istio_installation() -> None:
    for name, item in EVERYTHING.items():
        assert "istio-ingressgateway" not in json.dumps(item), name
        assert item["metadata"].get("namespace") != "istio-system", name


def test_log_nginx_is_the_same_everywhere() -> None:
    in_cluster = (KUBERNETES / "gateway/site.conf").read_text()
    assert in_cluster == (DEPLOY / "compose/gateway-nginx.conf").read_text()


def test_mirror_nodeport_goes_past_the_log_nginx() -> None:
    resources = by_name("gateway")
    pod = resources["Deployment", "site-gateway"]["spec"]["template"]
    ports = {
        container["name"]: container["ports"][0]["containerPort"]
        for container in pod["spec"]["containers"]
    }
    (direct,) = resources["Service", "site-gateway-mirror"]["spec"]["ports"]
    (logged,) = resources["Service", "site-gateway"]["spec"]["ports"]
    assert direct["targetPort"] == ports["istio-proxy"] != ports["nginx"] == logged["targetPort"]
    (server,) = resources["Gateway", "site"]["spec"]["servers"]
    assert server["port"]["number"] == direct["port"] == direct["targetPort"]
    for path in ("mirror.yaml", "swarm/mirror.yaml", "kubernetes/base/mirror.yaml"):
        assert config.load(DEPLOY / path).shadow.url.port == direct["nodePort"]
    for name in ("site-gateway-mirror", "site-gateway"):
        spec = resources["Service", name]["spec"]
        assert spec["selector"].items() <= pod["metadata"]["labels"].items()
        # Otherwise neither the log nor the NetworkPolicy sees who calls.
        assert spec["externalTrafficPolicy"] == "Local"
    assert (
        resources["Gateway", "site"]["spec"]["selector"].items()
        <= pod["metadata"]["labels"].items()
    )


def test_only_named_callers_reach_the_gateway() -> None:
    rules = by_name("gateway")["NetworkPolicy", "site-gateway"]["spec"]["ingress"]
    assert [[port["port"] for port in rule["ports"]] for rule in rules] == [
        [8080],
        [8081],
        [8081],
        [15020, 15090],
    ]
    assert all(rule["from"] for rule in rules)
    trusted = (KUBERNETES / "gateway/trusted-proxies.conf").read_text()
    apaches = [peer["ipBlock"]["cidr"].removesuffix("/32") for peer in rules[0]["from"]]
    assert re.findall(r"(?m)^set_real_ip_from (.*);$", trusted) == apaches
    # The sidecars and the replay of this folder are admitted by their label and namespace.
    sidecars, replays = rules[2]["from"]
    for peer, item in (
        (sidecars, by_name("overlays/service")["StatefulSet", "mirror"]),
        (sidecars, by_name("overlays/nginx")["Deployment", "nginx"]),
        (replays, by_name("replay/job")["Job", "mirror-replay"]),
    ):
        labels = item["spec"]["template"]["metadata"]["labels"]
        assert peer["podSelector"]["matchLabels"].items() <= labels.items()
        assert item["metadata"]["namespace"] in json.dumps(peer["namespaceSelector"])


def test_nothing_is_cut_when_a_gateway_pod_ends() -> None:
    deployment = by_name("gateway")["Deployment", "site-gateway"]
    template = deployment["spec"]["template"]
    pod = template["spec"]
    nginx = next(item for item in pod["containers"] if item["name"] == "nginx")
    sleep_s = int(nginx["lifecycle"]["preStop"]["exec"]["command"][1])
    proxy = yaml.safe_load(template["metadata"]["annotations"]["proxy.istio.io/config"])
    drain_s = int(proxy["terminationDrainDuration"].removesuffix("s"))
    assert sleep_s < drain_s < pod["terminationGracePeriodSeconds"]
    assert proxy["gatewayTopology"] == {"numTrustedProxies": 1}


def test_replay_imports_what_the_gateway_states() -> None:
    pod = by_name("gateway")["Deployment", "site-gateway"]["spec"]["template"]
    proxy = yaml.safe_load(pod["metadata"]["annotations"]["proxy.istio.io/config"])
    text = (DEPLOY.parent / "docs/deploying.md").read_text()
    requests = {
        container["name"]: "{cpu},{memory}".format(**container["resources"]["requests"])
        for container in pod["spec"]["containers"]
    }
    assert dict(re.findall(r"--request (\S+?)=(\S+)", text)) == requests
    # Without it, and without a limit of cpu, Envoy would have a worker for each core of the node.
    assert f"--workers istio-proxy={proxy['concurrency']}\n" in text


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_sidecar_reads_its_configuration(overlay: str, tmp_path: Path) -> None:
    items = by_name(f"overlays/{overlay}")
    path = tmp_path / "mirror.yaml"
    path.write_text(items["ConfigMap", "mirror"]["data"]["mirror.yaml"])
    loaded = config.load(path)
    (pod,) = pod_specs(list(items.values()))
    (sidecar,) = (item for item in containers(pod) if item["name"] == "mirror")
    mounts = {mount["mountPath"] for mount in sidecar["volumeMounts"]}
    assert str(Path(loaded.series.path).parent) in mounts and "/etc/mirror" in mounts
    # The supervisor and a worker at start, and all that a worker may be made to hold.
    start = 80 << 20
    limit = int(sidecar["resources"]["limits"]["memory"].removesuffix("Mi")) << 20
    assert limit > start + memory_ceiling_bytes(loaded) + heads_memory_ceiling_bytes(loaded)
    ports = {port["name"]: port["containerPort"] for port in sidecar["ports"]}
    assert ports["mirror-admin"] == loaded.admin.port
    # `mirror set` in the container has the token, and the sidecar may read it.
    assert loaded.admin_token_file is not None
    (variable,) = sidecar["env"]
    assert (variable["name"], variable["value"]) == (
        "MIRROR_ADMIN_TOKEN_FILE",
        loaded.admin_token_file,
    )
    (token,) = (
        mount["name"]
        for mount in sidecar["volumeMounts"]
        if Path(loaded.admin_token_file).parent == Path(mount["mountPath"])
    )
    (volume,) = (item for item in pod["volumes"] if item["name"] == token)
    assert volume["secret"]["secretName"] == "mirror-token"
    assert volume["secret"]["defaultMode"] == 0o440
    # The files of a Secret belong to the group of `fsGroup`, or to root's.
    context = pod["securityContext"] | sidecar["securityContext"]
    assert context["runAsGroup"] == context.get("fsGroup", 0)
    monitor = items["PodMonitor", "mirror"]["spec"]
    assert monitor["podMetricsEndpoints"][0]["port"] == "mirror-admin"
    template = next(
        item["spec"]["template"] for item in items.values() if "template" in item.get("spec", {})
    )
    assert monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (listen,) = loaded.listen
    is_own_service = overlay in ("service", "ingress-nginx")
    assert str(listen) == ("0.0.0.0:9910" if is_own_service else "127.0.0.1:9910")
    log = loaded.comparison.access_log
    assert str(log) == ("None" if is_own_service else "udp://127.0.0.1:9914")


def test_service_of_its_own_can_be_reached_by_nginx_only() -> None:
    items = by_name("overlays/ingress-nginx")
    copies, metrics = items["NetworkPolicy", "mirror"]["spec"]["ingress"]
    controller = items["ConfigMap", "ingress-nginx-controller"]["metadata"]["namespace"]
    assert copies["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": controller}}}
    ]
    assert [port["port"] for port in metrics["ports"]] == ["mirror-admin"]
    service = items["Service", "mirror"]
    target = items["Ingress", "site"]["metadata"]["annotations"][
        "nginx.ingress.kubernetes.io/mirror-target"
    ]
    namespace, port = service["metadata"]["namespace"], service["spec"]["ports"][0]["port"]
    assert target == f"http://mirror.{namespace}.svc.cluster.local:{port}$request_uri"


def test_replay_job_is_a_sharded_replay() -> None:
    job = by_name("replay/job")["Job", "mirror-replay"]
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    # The instant is written to the volume before, as the page says.
    text = (DEPLOY.parent / "docs/deploying.md").read_text()
    (write,) = re.findall(r"(date -u .*) > /replay/start-at", text)
    start = subprocess.run(["/bin/sh", "-c", write], capture_output=True, text=True, check=True)
    variables = {item["name"]: item.get("value", "0") for item in container["env"]}
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == int(variables["SHARDS"])
    (line,) = container["args"]
    line = line.replace("$(cat /replay/start-at)", start.stdout.strip())
    words = shlex.split(re.sub(r"\$(\w+)", lambda name: variables[name[1]], line))
    assert words[:3] == ["exec", "mirror", "replay"]
    assert words[-2:] == [">", "/replay/results/0.json"]
    options = replay.make_context("replay", words[3:-2]).params
    assert str(options["shard"]) == "0/4" and len(options["steps"]) == 4
    assert options["start_at"] > time.time()
    service = by_name("gateway")["Service", "site-gateway-mirror"]
    host = f"site-gateway-mirror.{service['metadata']['namespace']}.svc.cluster.local"
    assert f"--to http://{host}:8081" in line
    assert pod["securityContext"]["fsGroup"] == 10001


def test_replay_is_not_beside_the_gateway() -> None:
    gateway = by_name("gateway")["Deployment", "site-gateway"]
    pod = by_name("replay/job")["Job", "mirror-replay"]["spec"]["template"]["spec"]
    (term,) = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    (label,) = gateway["spec"]["template"]["spec"]["nodeSelector"]
    assert term == {"matchExpressions": [{"key": label, "operator": "DoesNotExist"}]}
    # Else four shards would need four such nodes, because the scheduler counts nodes with a taint.
    (spread,) = pod["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"


def test_replay_reads_and_writes_the_volume_of_its_shell() -> None:
    objects = by_name("replay")
    shards = by_name("replay/job")["Job", "mirror-replay"]["spec"]["template"]["spec"]
    for pod in (shards, objects["Pod", "mirror-replay-shell"]["spec"]):
        (volume,) = (item for item in pod["volumes"] if item["name"] == "replay")
        claim = objects["PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]]
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
        (container,) = pod["containers"]
        assert {"name": "replay", "mountPath": "/replay"} in container["volumeMounts"]


def test_hourly_audit_has_valid_options_and_reads_only() -> None:
    (pod,) = pod_specs([by_name(".")["CronJob", "mirror-audit"]])
    (container,) = pod["containers"]
    assert container["command"][:2] == ["mirror", "audit"]
    options: dict[str, Any] = audit.make_context("audit", container["command"][2:]).params
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert mounts["logs"]["readOnly"] is True
    for name in ("access_log", "gateway_log", "envoy_log", "series"):
        (path,) = map(str, options[name])
        assert Path(path).is_relative_to(mounts["logs"]["mountPath"])
    assert (options["last_s"], options["max_unexplained"]) == (3600, 0.001)


def test_weekly_estimate_has_valid_options() -> None:
    (pod,) = pod_specs([by_name(".")["CronJob", "mirror-estimate"]])
    (container,) = pod["containers"]
    (variable,) = container["env"]
    words = shlex.split(container["args"][0].replace(f"${variable['name']}", variable["value"]))
    assert words[:2] == ["exec", "estimate"]
    assert words[2:4] == ["--from-prometheus", variable["value"]]
    options: dict[str, Any] = estimate.make_context("estimate", words[2:]).params
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(Path(options["table"]).parent) in mounts
    assert str(Path(options["html"]).parent) in mounts
