"""Checks SIGTERM: requests in flight complete, and nginx continues without the sidecar.

The sidecar does not promise to serve a new connection made directly to it while it shuts down;
nginx's `backup` line covers that case, and both tests under load go through nginx.
"""

import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mirror.demo.processes import fetch
from tests.topology.conftest import Topology, hey, wait_for

pytestmark = pytest.mark.topology

SLOW_S = 2.0


class PartlySlowApp(BaseHTTPRequestHandler):
    """Answers /api/slow after a delay and everything else at once."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/api/slow":
            time.sleep(SLOW_S)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *_: object) -> None:
        """Write no log."""


class AppServer(ThreadingHTTPServer):
    # The default of 5 would refuse some of the 20 simultaneous connections and cause a 502.
    request_queue_size = 128


@pytest.fixture
def slow_primary(topology: Topology) -> Iterator[None]:
    server = AppServer(("127.0.0.1", topology.ports["primary"]), PartlySlowApp)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def test_requests_in_flight_are_finished(topology: Topology, slow_primary: None) -> None:
    topology.start_gateway_pod()
    port = topology.ports["nginx"]
    sidecar = topology.start_sidecar("inline", listen=f"127.0.0.1:{port}")
    with ThreadPoolExecutor(20) as clients:
        answers = [clients.submit(fetch, port, "/api/slow", timeout_s=10) for _ in range(20)]
        time.sleep(SLOW_S / 4)  # all heads have arrived, no response has left
        sidecar.child.send_signal(signal.SIGTERM)
        found = [answer.result() for answer in answers]
    assert [answer.body for answer in found if answer] == [b"done"] * 20
    assert sidecar.child.wait(10) == 0


def test_new_requests_do_not_wait_for_the_drain(topology: Topology, slow_primary: None) -> None:
    sidecar = topology.start_sidecar("inline")
    topology.start_nginx("inline")
    port = topology.ports["nginx"]
    with ThreadPoolExecutor(1) as clients:
        slow = clients.submit(fetch, port, "/api/slow", timeout_s=10)
        time.sleep(SLOW_S / 4)
        sidecar.child.send_signal(signal.SIGTERM)
        time.sleep(SLOW_S / 4)
        begin = time.monotonic()
        answer = fetch(port, "/watch/1", timeout_s=10)
        waited_s = time.monotonic() - begin
        assert slow.result() is not None
    assert answer is not None and answer.status == 200
    assert waited_s < SLOW_S / 4


@pytest.mark.parametrize("mode", ["sink", "inline"])
def test_no_request_fails_under_load(topology: Topology, mode: str) -> None:
    topology.start_primary()
    topology.start_gateway_pod()
    sidecar = topology.start_sidecar(mode)
    nginx = topology.start_nginx(mode)
    answered: list[Counter[str]] = []
    client = threading.Thread(
        target=lambda: answered.append(hey(topology.ports["nginx"], "/watch/1", 5000))
    )
    client.start()
    assert wait_for(lambda: len(nginx.logged()) > 1500)
    sidecar.child.send_signal(signal.SIGTERM)
    assert sidecar.child.wait(15) == 0
    assert len(nginx.logged()) < 5000  # the sidecar ended while traffic flowed
    client.join()
    assert answered == [{"200": 5000}]


def test_socket_file_is_gone_after_the_end(topology: Topology) -> None:
    sidecar = topology.start_sidecar("sink")
    assert topology.socket_path.is_socket()
    sidecar.child.send_signal(signal.SIGTERM)
    assert sidecar.child.wait(15) == 0
    assert not topology.socket_path.exists()
    with socket.socket(socket.AF_UNIX) as probe, pytest.raises(FileNotFoundError):
        probe.connect(str(topology.socket_path))
