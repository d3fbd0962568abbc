"""Checks the clients that sites have through the shipped nginx files: probes and upgrades."""

import asyncio
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from mirror.demo.processes import accepts, fetch, free_ports
from tests.conformance.app_server import AppServer
from tests.topology.conftest import Topology, series_total, wait_for

pytestmark = pytest.mark.topology

JAVA_H2C = (
    b"POST /echo HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 5\r\n"
    b"Host: h.example:8080\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n"
    b"Upgrade: h2c\r\nUser-Agent: Java-http-client/17.0.9\r\n\r\nhello"
)
ODD = {
    "HAProxy's default probe": b"OPTIONS /echo HTTP/1.0\r\n\r\n",
    "HTTP/1.0 without Host": b"GET /echo HTTP/1.0\r\n\r\n",
    "HTTP/1.0 with Host": b"GET /echo HTTP/1.0\r\nHost: h\r\n\r\n",
    "a fragment": b"GET /echo#b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    "Java asks for h2c with a body": JAVA_H2C.replace(b"Upgrade, ", b"close, Upgrade, "),
}


@pytest.fixture
def app() -> AppServer:
    server = AppServer()
    yield server
    server.close()


def site(topology: Topology, mode: str, app: AppServer) -> Callable[[], int]:
    """Start nginx with the shipped file and the sidecar in front of `app`; return its count."""
    topology.ports["primary"] = app.port
    topology.start_gateway_pod()
    shadow = {"url": f"http://127.0.0.1:{topology.ports['envoy']}"}
    sidecar = topology.start_sidecar(mode, shadow=shadow)
    topology.start_nginx(mode)

    def counted() -> int:
        ledger = sidecar.settled_ledger()
        assert ledger["balanced"] and ledger["malformed"] == {}
        return int(ledger["seen"])

    return counted


def send_raw(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(data)
        got = b""
        while piece := client.recv(65536):
            got += piece
        return got


@pytest.mark.parametrize("mode", ["sink", "inline"])
def test_odd_bytes_are_answered_and_counted(topology: Topology, mode: str, app: AppServer) -> None:
    counted = site(topology, mode, app)
    before = counted()
    for name, data in ODD.items():
        answer = send_raw(topology.ports["nginx"], data)
        assert re.match(rb"HTTP/1\.[01] 200 ", answer), (name, answer)
    assert counted() - before == len(ODD)
    assert wait_for(lambda: series_total(topology.series) >= before + len(ODD))
    assert series_total(topology.series) == before + len(ODD)


@pytest.mark.parametrize("mode", ["sink", "inline"])
def test_curl_and_ab_are_answered_and_counted(
    topology: Topology, mode: str, app: AppServer
) -> None:
    ab = shutil.which("ab")
    if ab is None:
        pytest.skip("no ab here: apt-get install apache2-utils")
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl here: apt-get install curl")
    counted = site(topology, mode, app)
    before = counted()
    url = f"http://127.0.0.1:{topology.ports['nginx']}/echo"
    for options in (["--http1.0"], ["--http2"], ["--http2", "--data", "hello"]):
        command = [curl, "-sS", "-o", "/dev/null", "-w", "%{http_code}", *options, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert done.stdout == "200", (options, done.stderr)
    for options in ([], ["-k"]):
        command = [ab, "-q", "-n", "50", "-c", "5", *options, url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert "Complete requests:      50" in done.stdout, done.stdout + done.stderr
        assert "Non-2xx" not in done.stdout
    assert counted() - before == 103


def test_a_websocket_passes_nginx_and_the_sidecar(topology: Topology, app: AppServer) -> None:
    counted = site(topology, "inline", app)
    before = counted()

    async def talk() -> str:
        url = f"http://127.0.0.1:{topology.ports['nginx']}/ws"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as stream:
            await stream.send_str("hello")
            return str((await stream.receive()).data)

    assert asyncio.run(talk()) == "echo hello"
    assert counted() - before == 1


@pytest.mark.parametrize("mode", ["sink", "inline"])
def test_haproxy_keeps_every_nginx(
    topology: Topology, mode: str, app: AppServer, tmp_path: Path
) -> None:
    """Checks the default of `option httpchk`: OPTIONS / HTTP/1.0 without a Host."""
    haproxy = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if haproxy is None:
        pytest.skip("no haproxy here: apt-get install haproxy")
    site(topology, mode, app)
    port, stats = free_ports(2)
    path = tmp_path / "haproxy.cfg"
    path.write_text(
        "defaults\n  mode http\n  timeout connect 2s\n  timeout client 5s\n  timeout server 5s\n"
        f"frontend all\n  bind 127.0.0.1:{port}\n  default_backend nginx\n"
        "backend nginx\n  option httpchk OPTIONS /echo\n"
        f"  server one 127.0.0.1:{topology.ports['nginx']} check inter 200ms fall 1 rise 1\n"
        f"frontend stats\n  bind 127.0.0.1:{stats}\n  stats enable\n  stats uri /\n"
    )
    child = topology.processes.start("haproxy", [haproxy, "-db", "-f", path])
    child.wait_until(lambda: accepts(port))

    def state() -> str:
        answer = fetch(stats, "/;csv")
        rows = [line.split(",") for line in answer.body.decode().splitlines()] if answer else []
        return next((row[17] for row in rows if row[:2] == ["nginx", "one"]), "")

    assert wait_for(lambda: state().startswith("UP"))
    for _ in range(10):
        answer = fetch(port, "/echo")
        assert answer is not None and answer.status == 200
    assert state() == "UP"
