"""Checks that nginx, as another user, reaches the sidecar's socket through a common group."""

import os
import pwd

import pytest

from tests.topology.conftest import Topology, hey

pytestmark = pytest.mark.topology

NGINX_USER = "www-data"


@pytest.fixture(autouse=True)
def _as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can start an nginx whose workers are another user")
    try:
        pwd.getpwnam(NGINX_USER)
    except KeyError:
        pytest.skip(f"no user {NGINX_USER} here: apt-get install nginx-light")


@pytest.mark.parametrize(("mode", "seen"), [("0660", 100), ("0600", 0)])
def test_mode_and_group_decide(topology: Topology, mode: str, seen: int) -> None:
    topology.start_primary()
    topology.start_gateway_pod()
    listen = {"path": str(topology.socket_path), "mode": mode, "group": NGINX_USER}
    sidecar = topology.start_sidecar("sink", listen=listen)
    topology.start_nginx("sink", user=NGINX_USER)
    # Production is served with and without access to the socket.
    assert hey(topology.ports["nginx"], "/watch/1", 100) == {"200": 100}
    assert sidecar.settled_ledger()["seen"] == seen
