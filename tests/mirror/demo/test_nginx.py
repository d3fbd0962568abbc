"""Checks the generated configurations with a real nginx and a plain socket as the sidecar."""

import http.client
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mirror.demo.app import start_app
from mirror.demo.nginx import (
    Nginx,
    inline_site,
    main_config,
    proxy_site,
    sink_site,
    start_nginx,
)
from mirror.demo.processes import Processes, fetch, find_program, free_ports
from tests.shipped_nginx import shipped

ROOT = Path(__file__).parents[3]
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Swarm:
    """The production side: an application, and the means to start an nginx in front of it."""

    processes: Processes
    directory: Path
    app_port: int

    def nginx(self, name: str, site: str, port: int) -> Nginx:
        binary = find_program("nginx")
        assert binary is not None
        return start_nginx(self.processes, self.directory / name, binary, site=site, port=port)


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Swarm]:
    if find_program("nginx") is None:
        pytest.skip("no nginx here: apt-get install nginx-light")
    (app_port,) = free_ports(1)
    with Processes(tmp_path) as processes:
        start_app(processes, "swarm", app_port)
        yield Swarm(processes, tmp_path, app_port)


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(5)
        yield listener


def wait_for_lines(nginx: Nginx, count: int) -> None:
    deadline = time.monotonic() + 5
    while len(nginx.logged()) < count and time.monotonic() < deadline:
        time.sleep(0.01)


def post(port: int, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/api/comments", body)
    status = connection.getresponse().status
    connection.close()
    return status


def receive_copy(listener: socket.socket) -> tuple[bytes, bytes]:
    """Receive the copy of one request and answer it like the sidecar; return head and body."""
    connection, _ = listener.accept()
    with connection:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        announced = re.search(rb"Content-Length: (\d+)", head)
        while announced and len(body) < int(announced[1]):
            body += connection.recv(65536)
        connection.sendall(NO_CONTENT)
    return head, body


def test_sink_gets_the_request_as_it_came(swarm: Swarm, tmp_path: Path) -> None:
    port, void_port = free_ports(2)
    with listening(tmp_path / "m.sock") as listener:
        site = sink_site(port, swarm.app_port, f"unix:{tmp_path}/m.sock", void_port)
        nginx = swarm.nginx("nginx", site, port)
        answer = fetch(port, "/watch/1?at=a%2Fb")
        head, body = receive_copy(listener)
    assert answer is not None and answer.status == 200
    assert head.startswith(b"GET /watch/1?at=a%2Fb HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}".encode() in head
    assert body == b""
    wait_for_lines(nginx, 1)
    (line,) = nginx.logged()
    assert line["uri"] == "/watch/1?at=a%2Fb"
    assert f"X-Request-Id: {line['id']}".encode() in head


def test_sink_copy_leaves_the_body_out(swarm: Swarm, tmp_path: Path) -> None:
    port, void_port = free_ports(2)
    with listening(tmp_path / "m.sock") as listener:
        sink = f"unix:{tmp_path}/m.sock"
        swarm.nginx("nginx", sink_site(port, swarm.app_port, sink, void_port), port)
        assert post(port, b"x" * 1000) == 200
        head, body = receive_copy(listener)
    assert head.startswith(b"POST /api/comments ")
    assert b"content-length" not in head.lower() and body == b""


def test_sink_copy_carries_the_body_when_asked(swarm: Swarm, tmp_path: Path) -> None:
    port, void_port = free_ports(2)
    with listening(tmp_path / "m.sock") as listener:
        sink = f"unix:{tmp_path}/m.sock"
        site = sink_site(port, swarm.app_port, sink, void_port, with_bodies=True)
        swarm.nginx("nginx", site, port)
        assert post(port, b"x" * 1000) == 200
        _, body = receive_copy(listener)
    assert body == b"x" * 1000


def get_many(port: int, count: int) -> float:
    """Send requests one after the other on one connection; return the seconds they took."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    begin = time.monotonic()
    for _ in range(count):
        connection.request("GET", "/watch/1")
        response = connection.getresponse()
        assert response.status == 200
        response.read()
    connection.close()
    return time.monotonic() - begin


def test_dead_sink_leaves_production_alone(swarm: Swarm, tmp_path: Path) -> None:
    port, void_port = free_ports(2)
    site = sink_site(port, swarm.app_port, f"unix:{tmp_path}/nobody.sock", void_port)
    nginx = swarm.nginx("nginx", site, port)
    get_many(port, 200)
    # The log has five failures and the notice of the outage, not one line per request.
    assert len(nginx.child.log_path.read_text().splitlines()) < 20


def test_hung_sink_stalls_few_requests(swarm: Swarm, tmp_path: Path) -> None:
    port, void_port = free_ports(2)
    with listening(tmp_path / "m.sock"):  # the kernel accepts, and nothing ever reads
        site = sink_site(port, swarm.app_port, f"unix:{tmp_path}/m.sock", void_port)
        swarm.nginx("nginx", site, port)
        # 100 requests would take 20 s if each waited 0.2 s for the previous copy.
        assert get_many(port, 100) < 5


def test_gone_sidecar_is_passed_by(swarm: Swarm, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    site = inline_site(port, swarm.app_port, f"unix:{tmp_path}/nobody.sock")
    nginx = swarm.nginx("nginx", site, port)
    for _ in range(10):
        answer = fetch(port, "/watch/1")
        assert answer is not None and answer.status == 200
    wait_for_lines(nginx, 10)
    assert all(str(swarm.app_port) in line["upstream"] for line in nginx.logged())


def test_log_nginx_writes_a_line_and_signs(swarm: Swarm) -> None:
    (port,) = free_ports(1)
    nginx = swarm.nginx("log-nginx", proxy_site(port, swarm.app_port), port)
    assert nginx.logged() == []
    answer = fetch(port, "/api/feed")
    assert answer is not None and answer.headers["server"].startswith("nginx")
    wait_for_lines(nginx, 1)
    (line,) = nginx.logged()
    assert (line["uri"], line["status"]) == ("/api/feed", "200")


def test_user_is_named_only_as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "user " not in main_config("", Path("/nowhere"), "www-data")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "user www-data;" in main_config("", Path("/nowhere"), "www-data")


def directives(text: str, block: str) -> set[str]:
    """Return the directives of one block without comments and line breaks."""
    uncommented = re.sub(r"(?m)^\s*#.*$", "", text)
    _, _, rest = uncommented.partition(block)
    return {" ".join(line.split()) for line in rest.partition("}")[0].split(";") if line.strip()}


@pytest.mark.parametrize(
    "block", ["upstream mirror_sink {", "location = /__mirror {", "location / {"]
)
def test_sink_is_the_one_we_recommend(block: str) -> None:
    deployed = shipped("mirror-http.conf", "mirror-sink.conf")
    generated = sink_site(1, 2, "unix:/run/mirror/mirror.sock", 9912)
    assert directives(deployed, block) == directives(generated, block)


def test_inline_is_the_one_we_recommend() -> None:
    deployed = shipped("inline-http.conf", "mirror-inline.conf")
    sidecar = "unix:/run/mirror/mirror.sock"
    for block in ("upstream app_through_mirror {", "location / {"):
        assert directives(deployed, block) == directives(inline_site(1, 3000, sidecar), block)


def test_maps_are_the_ones_we_recommend() -> None:
    deployed = shipped("mirror-http.conf")
    generated = main_config("", Path("/nowhere"))
    names = re.findall(r"map \S+ \S+ {", deployed)
    assert names == re.findall(r"map \S+ \S+ {", generated) and len(names) == 5
    for name in names:
        assert directives(deployed, name) == directives(generated, name)


def test_log_format_is_the_one_we_recommend() -> None:
    deployed = re.sub(r"(?m)^#.*$", "", (ROOT / "deploy/nginx/log-format.conf").read_text())
    generated = main_config("", Path("/nowhere"))
    quoted = r"'([^']*)'"
    assert re.findall(quoted, deployed) == re.findall(quoted, generated)
