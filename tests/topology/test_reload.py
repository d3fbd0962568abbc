"""Checks that clients do not notice a SIGHUP under load, and that every copy is counted."""

import signal
import threading
from collections import Counter

import pytest

from mirror.demo.nginx import sink_site
from mirror.demo.sidecar import write_config
from tests.topology.conftest import Topology, hey, patient, wait_for

pytestmark = pytest.mark.topology

REQUESTS = 4000


# nginx does not retry a POST, so its `backup` hides no failure. The app answers a POST with 405.
@pytest.mark.parametrize(
    ("mode", "method", "status"), [("sink", "GET", "200"), ("inline", "POST", "405")]
)
def test_no_request_fails_while_the_configuration_changes(
    topology: Topology, mode: str, method: str, status: str
) -> None:
    topology.start_primary()
    topology.start_gateway_pod()
    sidecar = topology.start_sidecar(mode)
    if mode == "sink":
        ports, sink = topology.ports, f"unix:{topology.socket_path}"
        site = sink_site(ports["nginx"], ports["primary"], sink, ports["void"])
        topology.start_site("nginx", patient(site))
    else:
        topology.start_nginx(mode)
    answered: list[Counter[str]] = []
    client = threading.Thread(
        target=lambda: answered.append(
            hey(topology.ports["nginx"], "/watch/1", REQUESTS, method=method, rps=1000)
        )
    )
    client.start()
    for number in (1, 2):
        config = topology.config(mode, workers=1 + number % 2)
        write_config(topology.directory, config)
        sidecar.child.send_signal(signal.SIGHUP)
        assert wait_for(
            lambda number=number: sidecar.status()["reload"]["reloaded"] == number, timeout_s=20
        )
    client.join()
    assert answered == [{status: REQUESTS}]
    ledger = sidecar.settled_ledger()
    assert ledger["seen"] == REQUESTS
    assert ledger["balanced"]
    assert sidecar.status()["worker_restarts"] == 0
    uris = sidecar.status()["uris"]
    assert (uris["kept"], uris["seen"], uris["not_kept"], uris["lost"]) == (1, REQUESTS, 0, 0)
