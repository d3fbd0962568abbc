"""Checks that no production request fails when the sidecar is killed or stopped under load.

The kill hits supervisor and workers at once, as when the machine runs out of memory. A stopped
sidecar (SIGSTOP) still owns its socket, and the kernel keeps accepting connections for it, so nginx
has to notice by its timeouts. `make soak` does both repeatedly.
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
    # The user chooses how long a hung sidecar may delay one request; a short time makes the test
    # fast.
    site = inline_site(ports["nginx"], ports["primary"], address).replace(
        "proxy_read_timeout 15s", "proxy_read_timeout 500ms"
    )
    home = topology.directory / "nginx"
    nginx = require("nginx")
    return sidecar, start_nginx(topology.processes, home, nginx, site=site, port=ports["nginx"])


@contextmanager
def load(topology: Topology) -> Iterator[None]:
    """Send requests at a steady rate while the block runs; none of them may fail."""
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
        sidecar.child.kill()  # the whole process group
        wait_for_more(nginx, 500)
    # The killed sidecar left its socket behind; the next one takes it over, and nginx uses it.
    assert topology.socket_path.is_socket()
    again = topology.start_sidecar(mode)
    port = topology.ports["nginx"]
    assert wait_for(lambda: fetch(port) is not None and seen(again) > 0)
