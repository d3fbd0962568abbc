"""Checks that one side does not notice when the other is down, and that everything is counted."""

import pytest

from mirror.commands.status import wrongs
from mirror.core.wrong_mode import wrong_mode
from mirror.demo.processes import fetch
from tests.topology.conftest import Topology, hey, wait_for

pytestmark = pytest.mark.topology


@pytest.mark.parametrize("mode", ["sink", "inline"])
def test_shadow_down_at_start(topology: Topology, mode: str) -> None:
    topology.start_primary()
    sidecar = topology.start_sidecar(mode)
    topology.start_nginx(mode)
    assert hey(topology.ports["nginx"], "/watch/1", 200) == {"200": 200}
    ledger = sidecar.settled_ledger()
    assert ledger["balanced"]
    assert ledger["seen"] == 200
    assert ledger["outcomes"].get("connect_failed", 0) + sum(ledger["shed"].values()) == 200


def test_shadow_that_comes_up_later_is_used(topology: Topology) -> None:
    topology.start_primary()
    sidecar = topology.start_sidecar("inline")
    topology.start_nginx("inline")
    assert hey(topology.ports["nginx"], "/watch/1", 50) == {"200": 50}
    topology.start_gateway_pod()

    def copies_arrive() -> bool:
        assert hey(topology.ports["nginx"], "/watch/1", 50) == {"200": 50}
        return bool(sidecar.settled_ledger()["outcomes"].get("2xx", 0))

    assert wait_for(copies_arrive, timeout_s=20)


@pytest.mark.parametrize("mode", ["sink", "inline"])
def test_nginx_in_the_other_mode_harms_nobody(topology: Topology, mode: str) -> None:
    """Clients get production's answers, and the application gets each request once."""
    other = {"sink": "inline", "inline": "sink"}[mode]
    topology.start_primary()
    sidecar = topology.start_sidecar(mode)
    nginx = topology.start_nginx(other)
    assert hey(topology.ports["nginx"], "/watch/1", 200) == {"200": 200}
    ledger = sidecar.settled_ledger()
    assert ledger["balanced"] and ledger["wrong_mode"] > 0
    assert (ledger["seen"], ledger["primary"]) == (0, {})
    assert len(nginx.logged()) == 200

    def is_said() -> bool:
        answer = fetch(topology.ports["nginx"], "/watch/1")
        assert answer is not None and answer.status == 200
        return any(wrong.startswith(wrong_mode(mode)) for wrong in wrongs(sidecar.status()))

    assert wait_for(is_said)


def test_primary_down_is_a_bad_gateway(topology: Topology) -> None:
    topology.start_gateway_pod()
    port = topology.ports["nginx"]
    sidecar = topology.start_sidecar("inline", listen=f"127.0.0.1:{port}")
    for _ in range(10):
        answer = fetch(port, "/watch/1")
        assert answer is not None and answer.status == 502
        assert len(answer.body) < 200
    ledger = sidecar.settled_ledger()
    assert ledger["balanced"]
    assert (ledger["seen"], ledger["primary"]) == (10, {"connect_failed": 10})


def test_primary_that_comes_up_later_is_used(topology: Topology) -> None:
    port = topology.ports["nginx"]
    topology.start_sidecar("inline", listen=f"127.0.0.1:{port}")
    answer = fetch(port, "/watch/1")
    assert answer is not None and answer.status == 502
    topology.start_primary()
    answer = fetch(port, "/watch/1")
    assert answer is not None and answer.status == 200
