"""Real clients and servers on all sides: curl, hey, wrk, aiohttp, nginx, Apache, Envoy."""

import asyncio
import contextlib
import hashlib
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from mirror.demo.envoy import start_envoy
from mirror.demo.nginx import inline_site, start_nginx
from mirror.demo.processes import Processes, accepts, free_ports
from mirror.demo.sidecar import Sidecar
from tests.conformance.app_server import STREAMED, AppServer
from tests.conformance.process import (
    SocketClient,
    SocketUpstream,
    config_for,
    listen_addresses,
    memory_bytes,
    settled_ledger,
    start_build,
    wait_until,
    worker_of,
)
from tests.conformance.wire import PATIENCE_S, Reply, Script, crlf
from tests.topology.conftest import apache_server, require

BODY = Random(7).randbytes(3 << 20)


class Site:
    """A sidecar in front of an aiohttp application, with a scripted shadow."""

    def __init__(self, directory: Path, processes: Processes) -> None:
        self.directory = directory
        self.processes = processes
        self.app = AppServer()
        self.shadow = SocketUpstream()
        self.port = 0
        self.sidecar: Sidecar

    def start(self, mode: str, **changes: Any) -> None:
        urls = (
            changes.pop("primary_url", self.app.url),
            changes.pop("shadow_url", self.shadow.url),
        )
        config = config_for(self.directory, mode, *urls, **changes)
        config["listen"].append(f"unix:{self.directory}/mirror.sock")
        self.sidecar = start_build(self.processes, self.directory, config)
        self.port = listen_addresses(config)[0][1]

    def ledger(self, seen: int) -> dict[str, Any]:
        return settled_ledger(self.sidecar, seen)


@pytest.fixture
def site(directory: Path) -> Iterator[Site]:
    with Processes(directory) as processes:
        site = Site(directory, processes)
        yield site
    site.app.close()
    site.shadow.close()


def curl(url: str, *options: str, data: bytes | None = None) -> tuple[str, bytes]:
    """Return the status that curl saw, and the body."""
    command = [str(require("curl")), "-sS", "--max-time", "20", "-w", "%{stderr}%{http_code}"]
    process = subprocess.run(
        [*command, *options, url], input=data, capture_output=True, timeout=30, check=True
    )
    return process.stderr.decode(), process.stdout


CURLS = {
    "GET": ((), None),
    "HEAD": (("--head",), None),
    "HTTP/1.0": (("--http1.0",), None),
    "a length": (("--data-binary", "@-"), BODY),
    "chunks": (("-H", "Transfer-Encoding: chunked", "--data-binary", "@-"), BODY),
    "expect": (("-H", "Expect: 100-continue", "--data-binary", "@-"), BODY),
    "PUT": (("-T", "-"), BODY),
}


@pytest.mark.parametrize("mode", ["inline", "sink"])
def test_curl_is_served(site: Site, mode: str) -> None:
    site.start(mode)
    paths = ([], ["--unix-socket", f"{site.directory}/mirror.sock"])
    for name, (options, data) in CURLS.items():
        for path in paths:
            status, body = curl(f"http://127.0.0.1:{site.port}/echo", *options, *path, data=data)
            assert status == ("200" if mode == "inline" else "204"), name
            if mode == "inline" and name != "HEAD":
                assert body == (data or b""), name
    if mode == "inline":
        assert curl(f"http://127.0.0.1:{site.port}/streamed")[1] == b"".join(STREAMED)
    ledger = site.ledger(seen=2 * len(CURLS) + (mode == "inline"))
    assert ledger["malformed"] == {} and ledger["shed"] == {"body_too_large": 8}


@pytest.mark.parametrize("mode", ["inline", "sink"])
def test_hey_and_wrk_see_no_error(site: Site, mode: str) -> None:
    site.start(mode, shadow={"waiting": 100_000})
    url = f"http://127.0.0.1:{site.port}/echo"
    status = "200" if mode == "inline" else "204"
    hey = [str(require("hey")), "-n", "2000", "-c", "20", "-m", "POST", "-d", "x" * 100, url]
    process = subprocess.run(hey, capture_output=True, text=True, timeout=60, check=True)
    assert re.findall(r"\[(\d+)\]\s+(\d+) responses", process.stdout) == [(status, "2000")]
    wrk = [str(require("wrk")), "-t1", "-c20", "-d1s", url]
    process = subprocess.run(wrk, capture_output=True, text=True, timeout=60, check=True)
    requests = re.search(r"(\d+) requests in", process.stdout)
    assert requests is not None and int(requests[1]) > 100
    assert "Non-2xx" not in process.stdout and "Socket errors" not in process.stdout
    ledger = site.sidecar.settled_ledger()
    assert ledger["balanced"] and ledger["malformed"] == {}
    assert ledger["seen"] >= 2000 + int(requests[1])


def test_aiohttp_is_served_and_its_websocket_tunnelled(site: Site) -> None:
    site.start("inline")
    url = f"http://127.0.0.1:{site.port}"

    async def main() -> None:
        async with aiohttp.ClientSession() as session:
            for size_bytes in (0, 1, 70_000):
                async with session.post(f"{url}/echo", data=BODY[:size_bytes]) as response:
                    assert await response.read() == BODY[:size_bytes]
            async with session.head(f"{url}/echo") as response:
                assert response.headers["X-Method"] == "HEAD"
            async with session.get(f"{url}/streamed") as response:
                assert await response.read() == b"".join(STREAMED)
            async with session.ws_connect(f"{url}/ws") as messages:
                await messages.send_str("hello")
                assert await messages.receive_str() == "echo hello"
                await messages.send_bytes(BODY)
                assert await messages.receive_bytes() == BODY[::-1]
                await messages.close()
                assert messages.close_code == 1000

    asyncio.run(main())
    # The tunnel ends for us before it ends for the worker, and no gauge counts open tunnels.
    wait_until(lambda: sum(site.ledger(seen=6)["primary"].values()) == 6, "the tunnel stays open")
    ledger = site.ledger(seen=6)
    assert ledger["not_selected"] == {"upgrade": 1} and ledger["primary"] == {"1xx": 1, "2xx": 5}
    assert all(b"/ws" not in request for request in site.shadow.script.requests)


def test_each_side_of_a_tunnel_may_end_first(site: Site) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    switched = crlf("HTTP/1.1 101 Switching Protocols|Upgrade: x|Connection: upgrade||")

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(4096)
            connection.sendall(switched)
            data = b""
            while piece := connection.recv(4096):  # until the client closes its sending side
                data += piece
            connection.sendall(b"after the end: " + data)

    thread = threading.Thread(target=serve)
    thread.start()
    site.start("inline", primary_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    with SocketClient("127.0.0.1", site.port) as client, listener:
        client.send(crlf("GET /ws HTTP/1.1|Host: h|Upgrade: x|Connection: upgrade||"))
        client.receive_until(switched)
        client.send(b"last words")
        client.send_eof()
        assert client.receive_all().endswith(b"\r\n\r\nafter the end: last words")
    thread.join(PATIENCE_S)
    assert site.ledger(seen=1)["primary"] == {"1xx": 1}


@pytest.mark.topology
@pytest.mark.parametrize("front", ["nginx", "apache2"])
def test_a_server_in_front_passes_everything_through(site: Site, front: str) -> None:
    require(front)
    site.start("inline")
    (port,) = free_ports(1)
    if front == "nginx":
        start_nginx(
            site.processes,
            site.directory / "nginx",
            require("nginx"),
            site=inline_site(port, site.app.port, f"unix:{site.directory}/mirror.sock").replace(
                "location / {", "client_max_body_size 0; location / {"
            ),
            port=port,
        )
    else:
        path = site.directory / "apache.conf"
        path.write_text(apache_before(site.directory, port, site.port))
        child = site.processes.start(
            "apache2", [require("apache2"), "-D", "FOREGROUND", "-f", path]
        )
        child.wait_until(lambda: accepts(port))
    site.directory.chmod(0o755)
    for name, (options, data) in CURLS.items():
        status, body = curl(f"http://127.0.0.1:{port}/echo", *options, data=data)
        assert status == "200" and (name == "HEAD" or body == (data or b"")), name
    assert curl(f"http://127.0.0.1:{port}/streamed")[1] == b"".join(STREAMED)
    assert site.ledger(len(CURLS) + 1)["primary"] == {"2xx": len(CURLS) + 1}


def apache_before(directory: Path, port: int, sidecar_port: int) -> str:
    modules = ("mpm_event", "authz_core", "proxy", "proxy_http")
    return f"""{apache_server(directory, port, modules)}
ProxyPass / http://127.0.0.1:{sidecar_port}/
"""


@pytest.mark.topology
def test_envoy_is_primary_and_shadow(site: Site) -> None:
    ports = free_ports(2)
    envoy = start_envoy(
        site.processes,
        site.directory,
        require("envoy"),
        ports=(ports[0], ports[1]),
        app_port=site.app.port,
    )
    url = f"http://127.0.0.1:{envoy.port}"
    site.start(
        "inline",
        primary_url=url,
        shadow_url=url,
        shadow={"accept_server": ["istio-envoy"], "max_body_bytes": 8 << 20},
    )
    probed = envoy.requests_arrived()
    for name, (options, data) in CURLS.items():
        status, body = curl(f"http://127.0.0.1:{site.port}/echo", *options, data=data)
        assert status == "200" and (name == "HEAD" or body == (data or b"")), name
    ledger = site.ledger(seen=len(CURLS))
    assert ledger["primary"] == ledger["outcomes"] == {"2xx": len(CURLS)}
    probes = sum(ledger["probes"].values())
    assert envoy.requests_arrived() - probed == 2 * len(CURLS) + probes


# --- bodies stream ---

BIG_BYTES = 64 << 20
MOST_GROWTH_BYTES = 8 << 20


def test_bodies_pass_in_little_memory_while_the_shadow_hangs(site: Site) -> None:
    """The benchmark of bodies measures the same with 1 GiB."""
    primary = BigBodies()
    site.start("inline", primary_url=primary.url, shadow={"timeout": 0.5})
    site.shadow.begin(Script((Reply(),)))
    worker = worker_of(site.sidecar)
    with contextlib.closing(primary):
        exchange(site.port, 1 << 20)  # the first exchange allocates what stays allocated
        before_bytes = memory_bytes(worker, "VmRSS")
        Path(f"/proc/{worker}/clear_refs").write_text("5")  # resets the peak
        exchange(site.port, BIG_BYTES)
        growth_bytes = memory_bytes(worker, "VmHWM") - before_bytes
    assert growth_bytes < MOST_GROWTH_BYTES
    status = site.sidecar.status()["ledger"]
    assert status["balanced"] and set(status["shed"]) <= {"body_too_large"}


def exchange(port: int, size_bytes: int) -> None:
    """Upload and download this many bytes, and check that all of them arrive."""
    block = BODY[: 1 << 20]
    digest = hashlib.md5(block * (size_bytes >> 20)).hexdigest().encode()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        head = f"POST /up HTTP/1.1|Host: h|Content-Length: {size_bytes}||"
        client.sendall(crlf(head))
        for _ in range(size_bytes >> 20):
            client.sendall(block)
        reader = client.makefile("rb")
        assert read_answer(reader).endswith(digest)
        client.sendall(crlf(f"GET /down/{size_bytes} HTTP/1.1|Host: h||"))
        assert read_head(reader).startswith(b"HTTP/1.1 200 ")
        assert read_digest(reader, size_bytes) == digest


def read_head(reader: Any) -> bytes:
    """Read the head of a message; return b"" where the connection ends before it is complete."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = reader.readline()
        if not line:
            return b""
        head += line
    return head


def read_digest(reader: Any, size_bytes: int) -> bytes:
    """Read a body of this size, and return its MD5 digest in hexadecimal."""
    digest = hashlib.md5()
    while size_bytes:
        data = reader.read(min(size_bytes, 1 << 16))
        assert data, "the body ended early"
        digest.update(data)
        size_bytes -= len(data)
    return digest.hexdigest().encode()


def read_answer(reader: Any) -> bytes:
    head = read_head(reader)
    length = re.search(rb"content-length: (\d+)", head.lower())
    assert length is not None
    return head + reader.read(int(length[1]))


class BigBodies:
    """A primary that takes an upload of any size, and sends a download of any size."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_S)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        block = BODY[: 1 << 20]
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as reader:
            while head := read_head(reader):
                length = re.search(rb"content-length: (\d+)", head.lower())
                if length is not None:
                    answer = read_digest(reader, int(length[1]))
                    connection.sendall(crlf("HTTP/1.1 200 OK|Content-Length: 32||") + answer)
                else:
                    size_bytes = int(head.split(b" ")[1].rpartition(b"/")[2])
                    connection.sendall(crlf(f"HTTP/1.1 200 OK|Content-Length: {size_bytes}||"))
                    for _ in range(size_bytes >> 20):
                        connection.sendall(block)
