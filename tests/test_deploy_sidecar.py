"""Checks the sidecar in the Pods of production's nginx, and the page's lines that put it there.

The Deployment of the tests has what the one of a reader may have: root, init containers, volumes.
"""

import re
import subprocess
import textwrap
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from mirror import config
from tests.kustomizations import Object, build
from tests.mirror.preflight.nginx.configurations import faults
from tests.shipped_nginx import PIECES_OF_A_POD, shipped_for_a_pod
from tests.test_deploy import nginx_accepts
from tests.test_deploy_kubernetes import (
    DEPLOY,
    KUBERNETES,
    VERSIONS,
    as_ours,
    by_name,
    config_maps,
    containers,
    kubectl_kustomize,
    mounted_config_maps,
    ordered,
    pod_specs,
)


def test_production_is_ready_whatever_the_sidecar_does() -> None:
    """Checks that nothing of the sidecar makes a Pod of production unready."""
    for overlay in ("nginx", "nginx-classic"):
        pod = by_name(f"overlays/{overlay}")["Deployment", "nginx"]["spec"]["template"]["spec"]
        (sidecar,) = (item for item in containers(pod) if item["name"] == "mirror")
        assert not {"readinessProbe", "livenessProbe", "startupProbe"} & set(sidecar)
        is_native = sidecar in pod.get("initContainers", ())
        assert is_native is (overlay == "nginx") is (sidecar.get("restartPolicy") == "Always")
        nginx = next(item for item in pod["containers"] if item["name"] == "nginx")

        def pause(container: Object) -> int:
            return int(container["lifecycle"]["preStop"]["exec"]["command"][1])

        # Kubernetes ends a native sidecar after nginx; the classic one has to wait itself.
        assert is_native or pause(sidecar) > pause(nginx)


ROOT_NGINX = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop-web
  labels: {mirror.example.com/sidecar: "true"}
spec:
  selector: {matchLabels: {app: shop-web}}
  template:
    metadata: {labels: {app: shop-web, app.kubernetes.io/name: shop-web}}
    spec:
      serviceAccountName: shop-web
      securityContext: {fsGroup: 33}
      initContainers: [{name: warm-up, image: "busybox:1.37"}]
      containers:
        - name: nginx
          image: nginx:1.30
          ports: [{name: http, containerPort: 80}]
          volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: other}
spec:
  selector: {matchLabels: {app: other}}
  template:
    metadata: {labels: {app: other}}
    spec: {containers: [{name: nginx, image: "nginx:1.30"}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: edge
  labels: {mirror.example.com/sidecar: "true"}
spec:
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec: {containers: [{name: nginx, image: "nginx:1.30"}]}
"""
"""An nginx that runs as root and has what a chart may give it, a Deployment that gets no sidecar,
and a DaemonSet that does."""


PAGE = (DEPLOY.parent / "docs/deploying.md").read_text()


def documented_kustomization(folder: Path, *, classic: bool = False) -> Path:
    """Write the kustomization of docs/deploying.md for a Deployment of one's own, and its files."""
    (text,) = re.findall(r"(?s)```yaml\n(# my-site/shop/kustomization.yaml\n.*?)```", PAGE)
    if classic:
        text = text.replace("components/sidecar]", "components/sidecar, PLACE/components/classic]")
        text = text.replace("PLACE", "../kagami/deploy/kubernetes")
    (folder / "kagami").symlink_to(DEPLOY.parent)
    shop = folder / "shop"
    shop.mkdir()
    (shop / "kustomization.yaml").write_text(text)
    (shop / "shop-web.yaml").write_text(ROOT_NGINX)
    (shop / "mirror.yaml").write_text((KUBERNETES / "base/mirror.yaml").read_text())
    return shop


@pytest.mark.parametrize("classic", [False, True])
def test_sidecar_joins_a_deployment_and_changes_nothing_else(tmp_path: Path, classic: bool) -> None:
    shop = documented_kustomization(tmp_path, classic=classic)
    built = {(item["kind"], item["metadata"]["name"]): item for item in build(shop)}
    before, other, _ = yaml.safe_load_all(ROOT_NGINX)
    assert built["Deployment", "other"]["spec"] == other["spec"]
    for name in (("Deployment", "shop-web"), ("DaemonSet", "edge")):
        kubernetes_validate.validate(built[name], VERSIONS[0], strict=True)
        names = [item["name"] for item in containers(built[name]["spec"]["template"]["spec"])]
        assert names.count("mirror") == 1
    assert built["Deployment", "shop-web"]["metadata"]["namespace"] == "shop"
    after = built["Deployment", "shop-web"]["spec"]
    labels = after["template"]["metadata"]["labels"]
    assert labels.pop("mirror.example.com/sidecar") == "true"
    pod = after["template"]["spec"]
    (sidecar,) = (item for item in containers(pod) if item["name"] == "mirror")
    assert sidecar["image"] == "harbor.example.org/kagami:0.1.0"
    (sidecars,) = (name for name in ("initContainers", "containers") if sidecar in pod[name])
    assert sidecars == ("containers" if classic else "initContainers")
    # Whatever the Pod is, the sidecar has no rights.
    assert (
        sidecar["securityContext"].items()
        >= {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "allowPrivilegeEscalation": False,
            "seccompProfile": {"type": "RuntimeDefault"},
        }.items()
    )
    # A mount in this place is what keeps the token of the Pod's service account out of a container.
    places = {mount["mountPath"] for mount in sidecar["volumeMounts"]}
    assert "/var/run/secrets/kubernetes.io/serviceaccount" in places
    # Beyond a sizeLimit the kubelet evicts the Pod, which is production's.
    sizes = {item["name"]: item["emptyDir"] for item in pod["volumes"] if "emptyDir" in item}
    loaded = config.load(KUBERNETES / "base/mirror.yaml")
    most = int(sizes["mirror-series"]["sizeLimit"].removesuffix("Gi")) << 30
    assert most > loaded.series.max_bytes + loaded.capture.keep_bytes
    assert "sizeLimit" not in sizes["mirror-tmp"]
    pod[sidecars].remove(sidecar)
    mounted = {mount["name"] for mount in sidecar["volumeMounts"]}
    assert mounted <= {volume["name"] for volume in pod["volumes"]}
    added = {*mounted, "mirror-nginx"}  # the second is for nginx to mount
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] not in added]
    assert after == before["spec"]


@pytest.mark.parametrize("classic", [False, True])
def test_kubectl_adds_the_same_sidecar(tmp_path: Path, classic: bool) -> None:
    shop = documented_kustomization(tmp_path, classic=classic)
    made = kubectl_kustomize(shop)
    assert config_maps(made) == mounted_config_maps(made)
    assert as_ours(made) == ordered(build(shop))


def test_folder_of_the_datadog_agent_is_mounted_as_the_page_says(tmp_path: Path) -> None:
    shop = documented_kustomization(tmp_path)
    (block,) = re.findall(r"(?s)```yaml\n(  patches:\n.*?)  ```", PAGE)
    path = shop / "kustomization.yaml"
    path.write_text(path.read_text() + textwrap.dedent(block))
    (pod,) = (spec for spec in pod_specs(build(shop)) if "serviceAccountName" in spec)
    sidecar = pod["initContainers"][0]
    assert sidecar["name"] == "mirror"
    assert {"name": "datadog", "mountPath": "/var/run/datadog"} in sidecar["volumeMounts"]
    assert pod["volumes"][-1]["hostPath"]["type"] == "DirectoryOrCreate"
    assert as_ours(kubectl_kustomize(shop)) == ordered(build(shop))


def own_namespace(folder: Path) -> str:
    text = (documented_kustomization(folder) / "kustomization.yaml").read_text()
    return str(yaml.safe_load(text)["namespace"])


def test_name_for_nodes_is_made_of_valid_objects(tmp_path: Path) -> None:
    (block,) = re.findall(r"(?s)```yaml\n(apiVersion: v1\nkind: Service\n.*?)```", PAGE)
    service, addresses = yaml.safe_load_all(block)
    for item in (service, addresses):
        kubernetes_validate.validate(item, VERSIONS[0], strict=True)
    label = addresses["metadata"]["labels"]["kubernetes.io/service-name"]
    assert label == service["metadata"]["name"]
    assert service["spec"]["ports"] == addresses["ports"]
    metadata = service["metadata"]
    # kustomize sets the namespace, and does not change the name in `shadow.url`.
    assert "namespace" not in metadata | addresses["metadata"]
    host = f"{metadata['name']}.{own_namespace(tmp_path)}.svc.cluster.local"
    assert f"`url: http://{host}:{service['spec']['ports'][0]['port']}`" in PAGE


def test_a_command_reaches_each_sidecar(tmp_path: Path) -> None:
    (function,) = re.findall(r"(?s)\n(each_sidecar\(\) \{.*?\n\})\n", PAGE)
    log = tmp_path / "log"
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(
        f'#!/bin/sh\necho "$*" >>{log}\n'
        'case "$*" in *" get "*) echo pod/a; echo pod/b;; */a*) exit 7;; esac\n'
    )
    kubectl.chmod(0o755)
    script = f"NS=shop\n{function}\neach_sidecar -- mirror set ratio 0\n"
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", "-c", script], env=path, capture_output=True, timeout=30)
    # A Pod that fails is named, and keeps no other from its command.
    assert done.stdout.decode().splitlines() == ["pod/a:", "pod/a: exit code 7", "pod/b:"]
    listed, *executed = log.read_text().splitlines()
    for folder in ("overlays/service", "overlays/nginx"):
        (template,) = (
            item["spec"]["template"]
            for item in build(KUBERNETES / folder)
            if "template" in item.get("spec", {})
        )
        label = re.findall(r"-l (\S+)=(\S+)", listed)
        assert dict(label).items() <= template["metadata"]["labels"].items()
    assert executed == [f"-n shop exec pod/{pod} -c mirror -- mirror set ratio 0" for pod in "ab"]


def loop() -> list[str]:
    pod = by_name("overlays/nginx")["Deployment", "nginx"]["spec"]["template"]["spec"]
    (sidecar,) = pod["initContainers"]
    return [*sidecar["command"], *sidecar["args"]]


def test_loop_starts_the_sidecar_again_and_ends_with_it(tmp_path: Path) -> None:
    """Runs the loop with a sidecar that ends with 4, then with 1, then stays until SIGTERM."""
    log = tmp_path / "log"
    programs = {
        "mirror": (
            f'echo "$@" >>{log}\n'
            f"case $(grep -c serve {log}) in 1) exit 4;; 2) exit 1;; esac\n"
            f"trap 'echo drained >>{log}; exit' TERM\n"
            "kill -TERM $PPID\n"
            "while :; do :; done"
        ),
        "sleep": f'echo "sleep $1" >>{log}',
    }
    for name, text in programs.items():
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    subprocess.run(loop(), env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, timeout=30, check=False)
    serve = "serve -c /etc/mirror/mirror.yaml"
    assert log.read_text().splitlines() == [
        *(serve, "sleep 15", serve, "sleep 1", serve, "drained"),
    ]


@pytest.mark.parametrize("folder", ["gateway", "overlays/nginx"])
def test_nginx_accepts_its_configuration(folder: str, tmp_path: Path) -> None:
    main = shipped_for_a_pod(KUBERNETES / folder)
    inner = main.partition("http {")[2].rpartition("}")[0]
    # The paths of the program are those of the test; the rest is as it is.
    site = re.sub(r"\w+_temp_path .*;", "", inner)
    site = site.replace("/dev/stdout", str(tmp_path / "log"))
    site = site.replace("app.site.svc.cluster.local:80", "127.0.0.1:80")
    assert "[warn]" not in nginx_accepts(tmp_path, site)
    assert "worker_processes 2;" in main


def test_linter_finds_nothing_in_the_pod(tmp_path: Path) -> None:
    folder = KUBERNETES / "overlays/nginx"
    (tmp_path / "mirror").symlink_to(PIECES_OF_A_POD)
    path = tmp_path / "nginx.conf"
    path.write_text((folder / "nginx.conf").read_text().replace("/etc/nginx/conf.d", str(folder)))
    assert faults(str(path), config.load(KUBERNETES / "base/mirror.yaml")) == []


def test_lines_for_an_nginx_that_exists_are_all_it_needs(tmp_path: Path) -> None:
    (block,) = re.findall(r"(?s)```nginx\n(error_log /dev/stderr crit;.*?)```", PAGE)
    upstream = "http { upstream shop { server 127.0.0.1:80; }"
    (tmp_path / "mirror").symlink_to(PIECES_OF_A_POD)
    path = tmp_path / "linted.conf"
    path.write_text("events {}\n" + block.replace("http {", upstream))
    assert faults(str(path), config.load(KUBERNETES / "base/mirror.yaml")) == []
    _, _, http = block.partition("http {")
    site = re.sub(
        r"include mirror/(.*);", lambda name: shipped_for_a_pod(PIECES_OF_A_POD, name[1]), http
    )
    site = site.rpartition("}")[0].replace("http://shop", "http://127.0.0.1:80")
    assert "[warn]" not in nginx_accepts(tmp_path, site.replace("/dev/stdout", f"{tmp_path}/log"))


def test_an_nginx_at_the_edge_may_remove_the_mark(tmp_path: Path) -> None:
    (block,) = re.findall(r"(?s)```nginx\n(error_log /dev/stderr crit;.*?)```", PAGE)
    (line,) = re.findall(r'add `(proxy_set_header X-Mirror-Leg "";)`', PAGE)
    location = (PIECES_OF_A_POD / "mirror-server.conf").read_text()
    (tmp_path / "mirror").symlink_to(PIECES_OF_A_POD)
    path = tmp_path / "linted.conf"
    for old, new in (
        ("include mirror/mirror-server.conf;", location),
        ("proxy_pass http", f"{line} proxy_pass http"),
        ("http {", "http { upstream shop { server 127.0.0.1:80; }"),
    ):
        assert old in block
        block = block.replace(old, new)
    assert block.count(line) == 2
    path.write_text("events {}\n" + block)
    assert faults(str(path), config.load(KUBERNETES / "base/mirror.yaml")) == []


@pytest.mark.parametrize(
    "path",
    [*sorted(PIECES_OF_A_POD.glob("*.conf")), KUBERNETES / "overlays/nginx/mirror-sink.conf"],
    ids=lambda path: path.name,
)
def test_nginx_of_a_pod_has_the_directives_of_a_host(path: Path) -> None:
    def directives(text: str) -> str:
        return " ".join(re.sub(r"(?m)^\s*#.*$", "", text).split())

    expected = directives((DEPLOY / "nginx" / path.name).read_text())
    for old, new in (
        ("unix:/run/mirror/mirror.sock", "127.0.0.1:9910"),
        ("listen 80;", "listen 8080;"),
        (
            "access_log /var/log/nginx/access.log mirror_json;",
            "access_log /dev/stdout mirror_json;"
            " access_log syslog:server=127.0.0.1:9914,nohostname mirror_json;",
        ),
    ):
        expected = expected.replace(old, new)
    assert directives(path.read_text()) == expected
