"""Checks that a request that comes back to the sidecar ends, and counts once."""

import subprocess
import sys
from pathlib import Path

import pytest

from mirror.demo.processes import fetch
from mirror.demo.sidecar import serve_command, write_config
from tests.topology.conftest import Topology, hey

pytestmark = pytest.mark.topology

EXIT_CONFIG = 2


def test_a_primary_that_is_our_own_nginx_ends_at_once(topology: Topology) -> None:
    envoy, _ = topology.start_gateway_pod()
    primary = f"http://127.0.0.1:{topology.ports['nginx']}"
    sidecar = topology.start_sidecar("inline", primary=primary)
    topology.start_nginx("inline")
    before = sidecar.settled_ledger()
    answer = fetch(topology.ports["nginx"], "/watch/1")
    assert answer is not None and answer.status == 508
    ledger = sidecar.settled_ledger()
    assert ledger["seen"] - before["seen"] == 1
    assert ledger["sent"] - before["sent"] == 1
    assert ledger["malformed"].get("loop", 0) - before["malformed"].get("loop", 0) == 1
    assert ledger["balanced"]


def test_two_sidecars_behind_each_other_are_no_circle(topology: Topology) -> None:
    topology.start_primary()
    topology.start_gateway_pod()
    inner = topology.directory / "inner"
    inner.mkdir()
    socket_path = inner / "mirror.sock"
    config = topology.config(
        "inline",
        listen=f"unix:{socket_path}",
        admin=f"127.0.0.1:{topology.ports['void']}",
        series={"enabled": False},
    )
    child = topology.processes.start("inner", serve_command(write_config(inner, config)))
    child.wait_until(lambda: socket_path.exists())
    topology.start_sidecar("inline", primary=f"unix:{socket_path}")
    topology.start_nginx("inline")
    assert hey(topology.ports["nginx"], "/watch/1", 50) == {"200": 50}


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_primary_that_is_the_sidecar_is_refused(topology: Topology, command: str) -> None:
    primary = f"unix:{topology.socket_path}"
    path = write_config(topology.directory, topology.config("inline", primary=primary))
    done = run_mirror(command, path)
    assert done.returncode == EXIT_CONFIG
    assert "primary: unix:" in done.stderr
    assert "own address" in done.stderr


def run_mirror(command: str, path: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-P", "-m", "mirror", command, "-c", str(path)]
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
