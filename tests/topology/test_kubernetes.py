"""Runs the configurations inside deploy/kubernetes on real programs, with their ports on loopback.

One topology holds the gateway Pod (the log nginx, and an Envoy as istiod configures it from the
Gateway and the VirtualService), a Pod of nginx with its sidecar, and an nginx as ingress-nginx
writes its configuration for the Ingress of the overlay (rootfs/etc/nginx/template/nginx.tmpl sets
log_subrequest; buildMirrorLocations in internal/ingress/controller/template/template.go writes the
location of a mirror).
"""

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirror.config import load
from mirror.demo.envoy import envoy_command
from mirror.demo.processes import Processes, accepts, answers, fetch, free_ports
from mirror.demo.sidecar import Sidecar, start_sidecar
from tests.fakes import make_config
from tests.kustomizations import build
from tests.mirror.preflight.nginx.configurations import faults
from tests.routing_referee.istiod import route_match
from tests.shipped_nginx import shipped_for_a_pod
from tests.topology.conftest import Topology, require, running_topology, wait_for
from tests.topology.envoy_parts import Object, bootstrap, cluster, http_listener

pytestmark = pytest.mark.topology

KUBERNETES = Path(__file__).parents[2] / "deploy/kubernetes"
PORTS = (
    *("app", "envoy", "envoy_admin", "gateway", "gateway_probe", "production", "void", "sidecar"),
    *("admin", "ingress", "ingress_without", "log"),
)
HOST = "www.example.com"
CLIENT = "203.0.113.7"
LARGE = b"x" * 3_000_000


class App(ThreadingHTTPServer):
    """An application that keeps what it received, and echoes what comes through a WebSocket."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        received = self.received = list[tuple[str, http.client.HTTPMessage, int]]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.headers["Upgrade"] == "websocket":
                    self.send_response(101)
                    self.send_header("Upgrade", "websocket")
                    self.send_header("Connection", "Upgrade")
                    self.end_headers()
                    self.wfile.write(self.rfile.read(5))
                    self.close_connection = True
                else:
                    self._answer(0)

            def do_POST(self) -> None:
                if self.headers["Transfer-Encoding"] == "chunked":
                    self._answer(self._chunked_length())
                else:
                    self._answer(len(self.rfile.read(int(self.headers["Content-Length"]))))

            def _chunked_length(self) -> int:
                length = 0
                while size := int(self.rfile.readline(), 16):
                    length += len(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return length

            def _answer(self, length: int) -> None:
                received.append((self.path, self.headers, length))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", port), Handler)

    def of(self, path: str) -> list[tuple[http.client.HTTPMessage, int]]:
        return [(fields, length) for asked, fields, length in self.received if asked == path]


@contextmanager
def serving(app: App) -> Iterator[App]:
    thread = threading.Thread(target=app.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield app
    finally:
        app.shutdown()
        thread.join()
        app.server_close()


def envoy_configuration(ports: Mapping[str, int]) -> Object:
    """Return what istiod makes of the gateway's objects, as far as requests can see it."""
    objects = {
        (item["kind"], item["metadata"]["name"]): item for item in build(KUBERNETES / "gateway")
    }
    (entry,) = objects["VirtualService", "site"]["spec"]["http"]
    routes = [
        {"match": route_match(match, False), "route": {"cluster": "app"}}
        for match in entry["match"]
    ]
    pod = objects["Deployment", "site-gateway"]["spec"]["template"]
    proxy = yaml.safe_load(pod["metadata"]["annotations"]["proxy.istio.io/config"])
    listener = http_listener(
        "gateway",
        ports["envoy"],
        routes,
        server_name="istio-envoy",
        use_remote_address=True,
        xff_num_trusted_hops=proxy["gatewayTopology"]["numTrustedProxies"],
        upgrade_configs=[{"upgrade_type": "websocket"}],
    )
    return bootstrap(ports["envoy_admin"], [listener], [cluster("app", ports["app"])])


def start_nginx(processes: Processes, home: Path, main: str, port: int) -> None:
    """Start nginx with a whole nginx.conf, whose paths are moved into `home`."""
    home.mkdir()
    text = main.replace("/tmp/", f"{home}/").replace("/dev/stdout", f"{home}/access.log")
    # A machine that is busy may need longer than the copies are given.
    text = re.sub(r"_timeout (50ms|200ms|1s|2s);", "_timeout 10s;", text)
    path = home / "nginx.conf"
    path.write_text(f"daemon off;\n{text.replace('/dev/stderr', 'stderr')}")
    command = [require("nginx"), "-e", "stderr", "-c", path]
    processes.start(home.name, command).wait_until(lambda: accepts(port))


def nginx_of(folder: str, moved: Mapping[str, str]) -> str:
    """Return the nginx.conf of a folder with its includes, and with other addresses."""
    text = shipped_for_a_pod(KUBERNETES / folder)
    for old, new in moved.items():
        assert old in text
        text = text.replace(old, new)
    return text


def ingress_nginx(ports: Mapping[str, int]) -> str:
    """Return two servers as ingress-nginx writes them, with and without the server-snippet."""
    objects = {item["kind"]: item for item in build(KUBERNETES / "overlays/ingress-nginx")}
    annotations = {
        name.partition("/")[2]: value
        for name, value in objects["Ingress"]["metadata"]["annotations"].items()
    }
    (settings,) = (
        item["data"]
        for item in build(KUBERNETES / "overlays/ingress-nginx")
        if item["metadata"]["name"] == "ingress-nginx-controller"
    )
    target = re.sub(r"//[^/$]*", f"//127.0.0.1:{ports['sidecar']}", annotations["mirror-target"])

    def server(port: int, snippet: str, log: str) -> str:
        return f"""
        server {{
            listen 127.0.0.1:{port};
            access_log {log} line;
            {snippet}
            location / {{
                mirror "/_mirror-1";
                mirror_request_body {annotations["mirror-request-body"]};
                client_max_body_size 8m;
                proxy_set_header Host $http_host;
                proxy_pass http://127.0.0.1:{ports["app"]};
            }}
            location = "/_mirror-1" {{
                internal;
                proxy_set_header Host "{annotations["mirror-host"]}";
                proxy_pass "{target}";
            }}
        }}"""

    temp_paths = re.findall(r"\w+_temp_path .*;", (KUBERNETES / "gateway/nginx.conf").read_text())
    return f"""
    pid /tmp/pid;
    events {{}}
    http {{
        {" ".join(temp_paths)}
        log_subrequest on;
        log_format line '$request_method $request_uri';
        {server(ports["ingress"], settings["server-snippet"], "/tmp/with.log")}
        {server(ports["ingress_without"], "", "/tmp/without.log")}
    }}"""


@dataclass
class Scene:
    topology: Topology
    ports: Mapping[str, int]
    app: App
    sidecar: Sidecar

    def lines(self, name: str) -> list[str]:
        """Return the complete lines of a log."""
        complete, _, _ = (self.topology.directory / name).read_text().rpartition("\n")
        return complete.splitlines()

    def logged(self) -> list[dict[str, Any]]:
        """Return the access log of the gateway Pod."""
        return [json.loads(line) for line in self.lines("gateway/access.log")]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    binary = require("envoy")
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    with running_topology() as topology, serving(App(ports["app"])) as app:
        directory, processes = topology.directory, topology.processes
        path = directory / "envoy.json"
        path.write_text(json.dumps(envoy_configuration(ports)))
        envoy = processes.start("envoy", envoy_command(binary, path))
        gateway = nginx_of(
            "gateway",
            {
                "127.0.0.1:8081": f"127.0.0.1:{ports['envoy']}",
                "listen 8080;": f"listen 127.0.0.1:{ports['gateway']};",
                "listen 8082;": f"listen 127.0.0.1:{ports['gateway_probe']};",
                # The host of Apache.
                "192.0.2.10": "127.0.0.1",
            },
        )
        start_nginx(processes, directory / "gateway", gateway, ports["gateway"])
        production = nginx_of(
            "overlays/nginx",
            {
                "app.site.svc.cluster.local:80": f"127.0.0.1:{ports['app']}",
                "127.0.0.1:9910": f"127.0.0.1:{ports['sidecar']}",
                "127.0.0.1:9912": f"127.0.0.1:{ports['void']}",
                "127.0.0.1:9914": f"127.0.0.1:{ports['log']}",
                "listen 8080;": f"listen 127.0.0.1:{ports['production']};",
            },
        )
        start_nginx(processes, directory / "production", production, ports["production"])
        start_nginx(processes, directory / "ingress", ingress_nginx(ports), ports["ingress"])
        envoy.wait_until(lambda: answers(ports["envoy_admin"], "/ready", status=200))
        token = directory / "token"
        token.write_text("0123456789abcdef0123456789abcdef\n")
        token.chmod(0o440)
        config = yaml.safe_load((KUBERNETES / "base/mirror.yaml").read_text()) | {
            "listen": f"127.0.0.1:{ports['sidecar']}",
            "shadow": {"url": f"http://127.0.0.1:{ports['envoy']}"},
            "comparison": {"access_log": f"udp://127.0.0.1:{ports['log']}"},
            "admin": f"127.0.0.1:{ports['admin']}",
            "admin_token_file": str(token),
            "series": {"path": str(topology.series)},
        }
        yield Scene(topology, ports, app, start_sidecar(processes, directory, config))


def ask(
    port: int,
    path: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    source: str = "127.0.0.1",
) -> int:
    """Send one request from a loopback address; return the status."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=20, source_address=(source, 0)
    )
    with closing(connection):
        connection.request(method, path, body, {"Host": HOST, **(headers or {})})
        answer = connection.getresponse()
        answer.read()
        return answer.status


def test_client_address_is_that_of_the_client(scene: Scene) -> None:
    chain = {"X-Forwarded-For": f"192.0.2.99, {CLIENT}"}
    assert ask(scene.ports["gateway"], "/watch/client", headers=chain) == 200
    # Nobody but Apache may say who the client is.
    assert ask(scene.ports["gateway"], "/watch/forged", headers=chain, source="127.0.0.2") == 200
    expected = {"/watch/client": CLIENT, "/watch/forged": "127.0.0.2"}
    assert wait_for(
        lambda: expected.items() <= {line["uri"]: line["client"] for line in scene.logged()}.items()
    )
    for path, client in expected.items():
        ((fields, _),) = scene.app.of(path)
        # Envoy appends the Pod's own address in the place of nginx' loopback.
        assert fields["X-Forwarded-For"].split(",")[:-1] == [client]
    ((fields, _),) = scene.app.of("/watch/client")
    assert fields["X-Envoy-External-Address"] == CLIENT


def test_large_bodies_arrive_whole(scene: Scene) -> None:
    assert ask(scene.ports["gateway"], "/api/large", method="POST", body=LARGE) == 200
    assert [length for _, length in scene.app.of("/api/large")] == [len(LARGE)]


def test_websockets_pass(scene: Scene) -> None:
    with socket.create_connection(("127.0.0.1", scene.ports["gateway"]), timeout=10) as client:
        client.sendall(
            f"GET /watch/socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        received = b""
        while b"\r\n\r\n" not in received:
            received += client.recv(4096)
        assert received.startswith(b"HTTP/1.1 101 ")
        client.sendall(b"hello")
        while chunk := client.recv(4096):
            received += chunk
    assert received.endswith(b"\r\n\r\nhello")


def test_probe_is_answered_and_not_logged(scene: Scene) -> None:
    answer = fetch(scene.ports["gateway_probe"])
    assert answer is not None and answer.status == 204
    assert not [line for line in scene.logged() if line["uri"] == "/"]


def copies_of(scene: Scene, path: str) -> list[http.client.HTTPMessage]:
    return [fields for fields, _ in scene.app.of(path) if fields["X-Mirror-Leg"]]


@pytest.mark.parametrize("name", ["production", "ingress"])
def test_copies_pass_the_access_log_by(scene: Scene, name: str) -> None:
    path = f"/watch/copied-{name}"
    assert ask(scene.ports[name], path) == 200
    assert wait_for(lambda: bool(copies_of(scene, path)))
    (copy,) = copies_of(scene, path)
    # The Host that clients ask for, so that the new routes fit.
    assert copy["Host"] == HOST and copy["X-Mirror-Leg"] == "shadow"
    assert all(line["mirror_leg"] == "" for line in scene.logged())
    assert path not in {line["uri"] for line in scene.logged()}


def test_answers_of_production_are_compared(scene: Scene) -> None:
    assert ask(scene.ports["production"], "/watch/compared") == 200
    assert wait_for(lambda: scene.sidecar.status()["comparison"]["results"].get("same", 0) > 0)


def test_ingress_nginx_logs_each_request_once(scene: Scene) -> None:
    for name, port, lines in (
        ("with", scene.ports["ingress"], 1),
        # What the snippet is for: a copy is a second line.
        ("without", scene.ports["ingress_without"], 2),
    ):
        path = f"/watch/once-{name}"
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            # nginx reads the next request of a connection when the first one is over and logged.
            for asked in (path, "/watch/next"):
                connection.request("GET", asked, headers={"Host": HOST})
                connection.getresponse().read()
        logged = [line for line in scene.lines(f"ingress/{name}.log") if line.endswith(path)]
        assert logged == [f"GET {path}"] * lines


def test_linter_refuses_ingress_nginx_without_the_snippet(scene: Scene) -> None:
    directory = scene.topology.directory
    findings = faults(str(directory / "ingress/nginx.conf"), load(directory / "mirror.yaml"))
    # Of the two servers, the one without the snippet.
    (refused,) = (finding for finding in findings if finding.severity == "refused")
    assert refused.code == "nginx.log_subrequest"


def test_page_lists_what_remains_for_ingress_nginx(tmp_path: Path) -> None:
    ports = {name: 8080 for name in ("ingress", "ingress_without", "app")} | {"sidecar": 9910}
    text = ingress_nginx(ports)
    with_snippet = text[: text.index("server {", text.index("server {") + 1)] + "}"
    path = tmp_path / "nginx.conf"
    path.write_text(with_snippet)
    found = faults(str(path), make_config("sink", primary=None, listen="127.0.0.1:9910"))
    page = (KUBERNETES.parents[1] / "docs/deploying.md").read_text()
    listed = page.partition("names what remains")[2].partition("Repair what else")[0]
    assert {finding.code for finding in found} == set(re.findall(r"`(nginx\.\w+)`", listed))
    assert {finding.severity for finding in found} == {"warning"}
    (body,) = (finding for finding in found if finding.code == "nginx.body_buffering")
    assert "leave mirror-request-body on" in body.instead
    path.write_text(with_snippet.replace("proxy_read_timeout 2s;", "proxy_read_timeout 3s;"))
    changed = faults(str(path), make_config("sink", primary=None, listen="127.0.0.1:9910"))
    assert {finding.code for finding in changed} - {finding.code for finding in found} == {
        "nginx.timeouts"
    }


def test_ingress_nginx_mirrors_large_requests(scene: Scene) -> None:
    before = scene.sidecar.settled_ledger()["seen"]
    for name in ("ingress", "ingress_without"):
        assert ask(scene.ports[name], "/api/l", method="POST", body=LARGE) == 200
    # Without the snippet nginx answers the copy with 413, and nobody counts the request.
    assert scene.sidecar.settled_ledger()["seen"] == before + 1
