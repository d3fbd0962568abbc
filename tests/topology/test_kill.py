"""The sidecar is killed, or stopped, under load: no request of production fails.

Killed is everything at once, supervisor and workers, as when the machine's memory runs out.
Stopped (SIGSTOP) it still owns its socket, and the kernel goes on accepting for it: nginx has to
find out by its timeouts. `make soak` does both again and again.
"""

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mirror.demo.nginx import Nginx, inline_site, start_nginx
from mirror.demo.processes import fetch
from mirror.demo.sidecar import Sidecar
from tests.topology.conftest import Topology, hey, require, wait_for
from tests.topology.test_faults import start_sick

pytestmark = pytest.mark.topology

REQUESTS = 12_000
RPS = 2000


def start(topology: Topology, mode: str) -> tuple[Sidecar, Nginx]:
    topology.start_primary()
    port, _ = start_sick(topology.processes)
    config = {"shadow": {"url": f"http://127.0.0.1:{port}"}, "workers": 2}
    sidecar = topology.start_sidecar(mode, **config)
    if mode == "sink":
        return sidecar, topology.start_nginx(mode)
    ports, address = topology.ports, f"unix:{topology.socket_path}"
    # What a hung sidecar may cost one request is the user's choice; here it is not to cost time.
    site = inline_site(ports["nginx"], ports["primary"], address).replace(
        "proxy_read_timeout 15s", "proxy_read_timeout 500ms"
    )
    home = topology.directory / "nginx"
    nginx = require("nginx")
    return sidecar, start_nginx(topology.processes, home, nginx, site=site, port=ports["nginx"])


@contextmanager
def load(topology: Topology) -> Iterator[None]:
    """Requests at a steady rate while the block is run; none of them may fail."""
    answered: list[Counter[str]] = []
    port = topology.ports["nginx"]
    client = threading.Thread(
        target=lambda: answered.append(hey(port, "/watch/1", REQUESTS, rps=RPS))
    )
    client.start()
    try:
        yield
        assert client.is_alive(), "it was over before"
    finally:
        client.join()
    assert answered == [{"200": REQUESTS}]


def wait_for_more(nginx: Nginx, requests: int) -> None:
    before = len(nginx.logged())
    has_more = wait_for(lambda: len(nginx.logged()) > before + requests)
    assert has_more, f"{len(nginx.logged()) - before} in ten seconds\n{nginx.child.last_lines()}"


def seen(sidecar: Sidecar) -> int:
    return int(sidecar.status()["ledger"]["seen"])


@pytest.mark.parametrize("mode", ["sink", "inline"])
def test_sidecar_that_hangs_or_dies_costs_no_request(topology: Topology, mode: str) -> None:
    sidecar, nginx = start(topology, mode)
    with load(topology):
        wait_for_more(nginx, 500)
        os.killpg(sidecar.child.pid, signal.SIGSTOP)
        wait_for_more(nginx, 1000)
        os.killpg(sidecar.child.pid, signal.SIGCONT)
        wait_for_more(nginx, 500)
        assert sidecar.status()["ledger"]["balanced"]
        os.kill(sidecar.status()["workers"][0]["pid"], signal.SIGKILL)
        wait_for_more(nginx, 500)
        assert sidecar.status()["ledger"]["balanced"]
        sidecar.child.kill()  # with its whole group
        wait_for_more(nginx, 500)
    # Nobody was there to remove the socket: the next one takes it over, and nginx finds it again.
    assert topology.socket_path.is_socket()
    again = topology.start_sidecar(mode)
    port = topology.ports["nginx"]
    assert wait_for(lambda: fetch(port) is not None and seen(again) > 0)
