"""Production's log joined with the copies of real workers, through real nginx and Envoy.

One topology plays everything: pairs with and without a difference, a client that left, a worker
that is killed, lines that nginx does not send, a reload that changes the log, and a sidecar that is
down, of which nginx's own log must show nothing.
"""

import http.client
import os
import re
import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

import pytest

from mirror.demo.app import start_app
from mirror.demo.envoy import start_envoy
from mirror.demo.nginx import main_config, nginx_command, sink_site
from mirror.demo.processes import Child, accepts, fetch
from mirror.demo.sidecar import Sidecar, write_config
from mirror.formats.comparison import Comparison, decode
from tests.topology.conftest import Topology, require, running_topology, wait_for

pytestmark = pytest.mark.topology

KEPT_AWAY = """
        location /quiet/ { access_log off; return 204; }
        location / {"""


@contextmanager
def scene() -> Iterator[tuple[Topology, Sidecar, Child]]:
    """Start both clusters and the sidecar with two workers; Envoy has no route for /static/."""
    with running_topology() as topology:
        ports, directory = topology.ports, topology.directory
        topology.start_primary()
        start_app(topology.processes, "shadow", ports["shadow"])
        start_envoy(
            topology.processes,
            directory,
            require("envoy"),
            ports=(ports["envoy"], ports["envoy_admin"]),
            app_port=ports["shadow"],
            prefixes=("/watch/", "/api/"),
        )
        log = f"udp://127.0.0.1:{ports['log_nginx']}"
        sidecar = topology.start_sidecar("sink", workers=2, comparison={"access_log": log})
        yield topology, sidecar, start_nginx(topology)


def start_nginx(topology: Topology) -> Child:
    """Start nginx as docs/operations.md recommends it for datagrams."""
    home, ports = topology.directory / "nginx", topology.ports
    home.mkdir()
    logs = f"""
        access_log {home}/access.log mirror_json;
        access_log syslog:server=127.0.0.1:{ports["log_nginx"]},nohostname mirror_json;"""
    sink = f"unix:{topology.socket_path}"
    site = sink_site(ports["nginx"], ports["primary"], sink, ports["void"], also_logs=logs)
    # A loaded machine may need longer for a copy, and a copy given up is not what is tested here.
    site = site.replace("200ms", "20s").replace("50ms", "20s").replace("location / {", KEPT_AWAY, 1)
    text = main_config(f"error_log {home}/http.log error;\n{site}", home)
    path = home / "nginx.conf"
    path.write_text(text.replace("error_log stderr warn;", f"error_log {home}/main.log crit;"))
    child = topology.processes.start("nginx", nginx_command(require("nginx"), path))
    child.wait_until(lambda: accepts(ports["nginx"]))
    return child


def ask(topology: Topology, *paths: str) -> None:
    """Send requests over one connection."""
    with closing(http.client.HTTPConnection("127.0.0.1", topology.ports["nginx"])) as client:
        for path in paths:
            client.request("GET", path)
            response = client.getresponse()
            response.read()
            assert response.status < 300, (path, response.status)


def counted(sidecar: Sidecar, metric: str) -> Counter[str]:
    """Return a count by its own label, over all routes, as /metrics has it."""
    page = fetch(sidecar.admin_port, "/metrics")
    assert page is not None
    found: Counter[str] = Counter()
    pattern = rf"^mirror_{metric}_total(?:{{(.*)}})? (\S+)$"
    for labels, value in re.findall(pattern, page.body.decode(), re.M):
        own = [text for text in labels.split(",") if not text.startswith("route=")]
        found[own[0].partition("=")[2].strip('"') if own else ""] += int(float(value))
    return +found


def test_every_pair_is_compared() -> None:
    with scene() as (topology, sidecar, nginx):
        for _ in range(8):
            ask(topology, *["/watch/1", "/static/a", "/api/x"] * 10)
        expected = Counter({"same": 160, "route_miss": 80})
        assert wait_for(lambda: counted(sidecar, "compared") == expected), (
            counted(sidecar, "compared"),
            counted(sidecar, "uncompared"),
        )
        assert counted(sidecar, "compared_classes") == {"2xx>2xx": 160, "2xx>4xx": 80}
        assert counted(sidecar, "primary_logged") == {"": 240}
        check_document(sidecar)

        kill_a_worker(sidecar)
        for _ in range(4):
            ask(topology, *["/watch/1"] * 10)
        expected["same"] += 40
        assert wait_for(lambda: counted(sidecar, "compared") == expected)
        assert sidecar.status()["comparison"]["balanced"]

        ask(topology, "/watch/1", "/quiet/1", "/quiet/2", "/watch/2")
        expected["same"] += 2
        assert wait_for(lambda: counted(sidecar, "log_lost") == {"gap": 2})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect(("127.0.0.1", topology.ports["log_nginx"]))
            stranger.send(b'1.2.3.4 - - "GET / HTTP/1.1" 200')
        assert wait_for(lambda: counted(sidecar, "log_lost")["unreadable"] == 1)

        to_the_file(topology, sidecar)
        for is_rotated in (False, True):
            if is_rotated:
                rotate(topology, nginx)
            ask(topology, "/watch/1", "/static/a")
            expected.update(["same", "route_miss"])
            assert wait_for(lambda: counted(sidecar, "compared") == expected)

        assert sidecar.status()["comparison"]["balanced"]
        assert counted(sidecar, "log_repeated") == {}

        to_nothing(topology, sidecar)
        assert (topology.directory / "nginx/main.log").read_text() == ""


def document_of(sidecar: Sidecar) -> Comparison:
    page = fetch(sidecar.admin_port, "/comparison")
    assert page is not None
    return decode(page.body)


def check_document(sidecar: Sidecar) -> None:
    """Check what a report is made of: latencies of both sides, an example, and the log."""

    def answered() -> list[int]:
        """Return the answers in all histograms; those of the open second are missing."""
        routes = document_of(sidecar).routes
        histograms = [(route.primary_latency, route.shadow_latency) for route in routes]
        return [
            sum(sum(side.values()) for side in sides) for sides in zip(*histograms, strict=True)
        ]

    assert wait_for(lambda: answered() == [240, 240])
    document = document_of(sidecar)
    assert {route.route for route in document.routes} == {"/watch/_id_", "/static/_", "/api/_"}
    (example,) = document.examples
    assert (example.result, example.path) == ("route_miss", "/static/a")
    assert example.count + document.examples_not_kept == 80
    assert document.log is not None
    assert (document.log.lines, document.log.matched, document.log.repeated) == (240, 240, 0)
    assert document.log.offset_s is None and document.log.lost == {}


def kill_a_worker(sidecar: Sidecar) -> None:
    victim = sidecar.status()["workers"][0]["pid"]
    os.kill(victim, signal.SIGKILL)

    def is_replaced() -> bool:
        workers = sidecar.status().get("workers", [])
        ready = [worker["pid"] for worker in workers if worker["ready"]]
        return len(ready) == 2 and victim not in ready

    assert wait_for(is_replaced)


def to_the_file(topology: Topology, sidecar: Sidecar) -> None:
    """Let a reload change the source of the log while nginx writes both, after one that fails."""
    before = sidecar.status()["comparison"]["log"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        taken = f"udp://127.0.0.1:{other.getsockname()[1]}"
        path = topology.directory / "nginx/access.log"
        for source, result in ((taken, "refused"), (f"file:{path}", "reloaded")):
            assert sidecar.status()["comparison"]["log"]["source"] == before["source"]
            config = topology.config("sink", workers=2, comparison={"access_log": source})
            write_config(topology.directory, config)
            sidecar.child.send_signal(signal.SIGHUP)
            assert wait_for(partial(has_reloaded, sidecar, result))
    assert sidecar.status()["comparison"]["log"]["source"] == f"file:{path}"


def has_reloaded(sidecar: Sidecar, result: str) -> bool:
    return sidecar.status()["reload"][result] == 1


def rotate(topology: Topology, nginx: Child) -> None:
    path = topology.directory / "nginx/access.log"
    path.rename(f"{path}.1")
    nginx.send_signal(signal.SIGUSR1)
    assert wait_for(path.exists)


def to_nothing(topology: Topology, sidecar: Sidecar) -> None:
    """Serve on while the sidecar is down and nobody takes the datagrams."""
    sidecar.child.send_signal(signal.SIGTERM)
    assert wait_for(lambda: not accepts(sidecar.admin_port))
    ask(topology, *["/watch/1"] * 20)
