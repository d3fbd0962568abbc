"""Checks that a folder outside of this repository can deploy with its own values.

The folder is a copy of deploy/kubernetes/example, in which every numbered value is another one. Our
reader of kustomizations makes objects of it, and so does kubectl where it is found.
"""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from mirror import config
from tests.kustomizations import Object, build
from tests.mirror.preflight.nginx.configurations import faults
from tests.shipped_nginx import PIECES_OF_A_POD, shipped_for_a_pod
from tests.test_deploy import nginx_accepts
from tests.test_deploy_kubernetes import (
    KUBERNETES,
    config_maps,
    kubectl_kustomize,
    mounted_config_maps,
)

EXAMPLE = KUBERNETES / "example"
PAGE = (KUBERNETES.parents[1] / "docs/deploying.md").read_text()
VALUES = {
    "sidecar": {
        "newName: registry.example.com/kagami": "newName: harbor.example.org/site/kagami",
        "newTag: 0.1.0": "newTag: 0.2.0",
        "value: ingress-nginx": "value: edge",
        "value: monitoring": "value: prometheus",
    },
    "gateway": {
        "www.example.com": "shop.example.org",
        "/watch/": "/basket/",
        "app.site.svc": "basket.shop.svc",
        "192.0.2.10/32": "198.51.100.10/32",
        "192.0.2.20/32": "198.51.100.20/32",
        "value: [mirror, site]": "value: [shop]",
        "value: monitoring": "value: prometheus",
        "/spec/replicas, value: 2": "/spec/replicas, value: 3",
    },
}


def laid_out(folder: Path) -> Path:
    """Run the commands of the page that copy the files; return the folder of the reader."""
    (commands,) = re.findall(r"(?m)((?:^mkdir .*\n|^cp -r .*\n)+)", PAGE)
    guide = (KUBERNETES.parents[1] / "docs/getting-started.md").read_text()
    for line in commands.splitlines():
        assert line.partition("  #")[0].rstrip() in guide
    script = f"cd {shlex.quote(str(folder))}\n{commands}"
    (folder / "deploy").symlink_to(KUBERNETES.parent)
    subprocess.run(["/bin/sh", "-e", "-c", script], check=True, timeout=30)
    return folder / "my-site"


def copied(part: str, folder: Path) -> Path:
    """Copy a part of the example as the page does, with other values."""
    path = laid_out(folder) / part / "kustomization.yaml"
    text = path.read_text()
    for old, new in VALUES[part].items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path.parent


def own_objects(part: str, folder: Path) -> dict[tuple[str, str], Object]:
    built = build(copied(part, folder))
    return {(item["kind"], item["metadata"]["name"]): item for item in built}


def test_example_changes_nothing_by_itself(tmp_path: Path) -> None:
    folder = laid_out(tmp_path)
    for part, base in (("gateway", "gateway"), ("sidecar", "overlays/service")):
        ours, theirs = build(folder / part), build(KUBERNETES / base)
        for item in (*ours, *theirs):
            if "mirror.yaml" in item.get("data", {}):
                item["data"]["mirror.yaml"] = yaml.safe_load(item["data"]["mirror.yaml"])
        assert ours == theirs


def test_sidecar_gets_the_values(tmp_path: Path) -> None:
    objects = own_objects("sidecar", tmp_path)
    pod = objects["StatefulSet", "mirror"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "harbor.example.org/site/kagami:0.2.0"
    copies, metrics = objects["NetworkPolicy", "mirror"]["spec"]["ingress"]
    for rule, namespace in ((copies, "edge"), (metrics, "prometheus")):
        assert rule["from"] == [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
        ]
    assert config.load(EXAMPLE / "sidecar/mirror.yaml").shadow.url.port == 30080


def test_gateway_gets_the_values(tmp_path: Path) -> None:
    objects = own_objects("gateway", tmp_path)
    (server,) = objects["Gateway", "site"]["spec"]["servers"]
    routes = objects["VirtualService", "site"]["spec"]
    assert server["hosts"] == routes["hosts"] == ["shop.example.org"]
    (route,) = routes["http"]
    assert route["match"][0] == {"uri": {"prefix": "/basket/"}}
    assert route["route"][0]["destination"]["host"] == "basket.shop.svc.cluster.local"
    apache, sidecars, inside, metrics = objects["NetworkPolicy", "site-gateway"]["spec"]["ingress"]
    assert apache["from"][0]["ipBlock"]["cidr"] == "198.51.100.10/32"
    assert sidecars["from"][0]["ipBlock"]["cidr"] == "198.51.100.20/32"
    (namespace,) = inside["from"][0]["namespaceSelector"]["matchExpressions"]
    assert "podSelector" in inside["from"][0] and namespace["values"] == ["shop"]
    assert list(metrics["from"][0]["namespaceSelector"]["matchLabels"].values()) == ["prometheus"]
    assert objects["Deployment", "site-gateway"]["spec"]["replicas"] == 3


@pytest.mark.parametrize("part", VALUES)
def test_kubectl_makes_the_same_outside(part: str, tmp_path: Path) -> None:
    folder = copied(part, tmp_path)
    made = kubectl_kustomize(folder)
    assert mounted_config_maps(made) <= config_maps(made)
    objects = {item["kind"]: item for item in yaml.safe_load_all(made)}
    for item in build(folder):
        if item["kind"] in ("NetworkPolicy", "Gateway", "VirtualService"):
            assert objects[item["kind"]] == item


def test_prefix_reaches_every_name(tmp_path: Path) -> None:
    (tmp_path / "kagami").symlink_to(KUBERNETES)
    (tmp_path / "kustomization.yaml").write_text(
        "namePrefix: blue-\nresources: [kagami/gateway, kagami/overlays/nginx]\n"
    )
    made = kubectl_kustomize(tmp_path)
    assert mounted_config_maps(made) <= config_maps(made)
    (routes,) = (item for item in yaml.safe_load_all(made) if item["kind"] == "VirtualService")
    assert routes["spec"]["gateways"] == ["blue-site"]


def test_pod_monitor_can_be_left_out(tmp_path: Path) -> None:
    folder = copied("sidecar", tmp_path)
    path = folder / "kustomization.yaml"
    text = path.read_text()
    path.write_text(text.replace("  # - patch:", "  - patch:"))
    assert path.read_text() != text
    assert "kind: PodMonitor" not in kubectl_kustomize(folder)


def test_values_that_are_left_are_found(tmp_path: Path) -> None:
    (found,) = re.findall(r"(?m)^kubectl kustomize my-site/gateway \| grep -E '(\S+)'", PAGE)
    folder = laid_out(tmp_path)
    for part in VALUES:
        assert re.search(found, kubectl_kustomize(folder / part))
        for path in (folder / part).iterdir():
            text = path.read_text().replace("www.example.com", "shop.example.org")
            text = text.replace("192.0.2.", "198.51.100.").replace("gateway-nodes.example.com", "n")
            path.write_text(text.replace("newName: registry.example.com", "newName: example.org"))
        # A label has the name of a domain, too.
        assert re.findall(found, kubectl_kustomize(folder / part)) == []


def test_copies_can_be_kept_out_of_the_log_of_envoy(tmp_path: Path) -> None:
    folder = copied("gateway", tmp_path)
    path = folder / "kustomization.yaml"
    text = path.read_text()
    path.write_text(re.sub(r"(?m)^  # - ", "  - ", text))
    for made in (build(folder), list(yaml.safe_load_all(kubectl_kustomize(folder)))):
        (telemetry,) = (item for item in made if item["kind"] == "Telemetry")
        assert set(telemetry["spec"]) == {"selector", "accessLogging", "metrics"}
    path.write_text(text)
    assert "kind: Telemetry" not in kubectl_kustomize(folder)


def test_replay_gets_other_steps(tmp_path: Path) -> None:
    folder = page_folder("replay-job", "replay/job", tmp_path)
    (job,) = build(folder)
    assert [job] == list(yaml.safe_load_all(kubectl_kustomize(folder)))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "harbor.example.org/kagami:0.1.0"
    assert container["env"][0] == {"name": "STEPS", "value": "100,200,400,800"}
    assert '--steps "$STEPS"' in container["args"][0]


def page_folder(name: str, base: str, folder: Path) -> Path:
    """Write the kustomization that the page gives for a folder of kagami's, beside the example."""
    place = re.escape(f"[../kagami/deploy/kubernetes{'/' * bool(base)}{base}]")
    (text,) = re.findall(rf"(?ms)^```yaml\n(apiVersion[^`]*{place}[^`]*)```$", PAGE)
    own = laid_out(folder) / name
    own.mkdir()
    (own / "kustomization.yaml").write_text(text)
    return own


def test_page_sets_values_of_the_jobs(tmp_path: Path) -> None:
    folder = page_folder("jobs", "", tmp_path)
    built = build(folder)
    audit, weekly = (
        item["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
        for item in built
        if item["kind"] == "CronJob"
    )
    # They wait for their files, and the page lets them run.
    for items, is_suspended in ((build(KUBERNETES), True), (built, False)):
        suspended = [item["spec"]["suspend"] for item in items if item["kind"] == "CronJob"]
        assert suspended == [is_suspended, is_suspended]
    assert audit["image"] == "harbor.example.org/kagami:0.1.0"
    assert weekly["image"] == "harbor.example.org/kagami-estimate:0.1.0"
    assert weekly["env"] == [{"name": "PROMETHEUS", "value": "http://prometheus.example.org:9090"}]
    made = {
        item["metadata"]["name"]: item for item in yaml.safe_load_all(kubectl_kustomize(folder))
    }
    assert made == {item["metadata"]["name"]: item for item in built}


def test_page_annotates_as_the_overlay_does() -> None:
    (command,) = re.findall(r"(?m)^kubectl -n site annotate ingress site ((?:.*\\\n)+.*)$", PAGE)
    overlay = build(KUBERNETES / "overlays/ingress-nginx")
    (ingress,) = (item for item in overlay if item["kind"] == "Ingress")
    words = shlex.split(command.replace("\\\n", " "))
    assert dict(word.split("=", 1) for word in words) == ingress["metadata"]["annotations"]


def test_nginx_and_linter_accept_the_service_as_the_page_says(tmp_path: Path) -> None:
    service, loopback = "mirror.mirror.svc.cluster.local:9910", "127.0.0.1:9910"
    assert f"write `{service}` instead of `{loopback}`" in PAGE
    sink = shipped_for_a_pod(KUBERNETES / "overlays/nginx", "mirror-sink.conf")
    assert "access_log syslog:" in sink
    sink = re.sub(r"(?m)^ *access_log syslog:.*\n", "", sink)
    app = "upstream app { server 127.0.0.1:80; keepalive 64; }"
    http = shipped_for_a_pod(PIECES_OF_A_POD, "mirror-http.conf")
    assert loopback in http
    site = "\n".join((http, app, sink))
    # With loopback, because nginx looks names up.
    assert "[warn]" not in nginx_accepts(tmp_path, site.replace("/dev/stdout", f"{tmp_path}/log"))
    path = tmp_path / "linted.conf"
    path.write_text(f"events {{}} http {{ {site.replace(loopback, service)} }}")
    assert faults(str(path), config.load(EXAMPLE / "sidecar/mirror.yaml")) == []
