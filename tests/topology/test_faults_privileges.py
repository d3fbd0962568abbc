"""Checks that the sidecar and its workers run without any capability."""

import os
import re
from pathlib import Path

import pytest

from mirror.demo.processes import answers
from mirror.demo.sidecar import Sidecar, serve_command, write_config
from tests.topology.conftest import Topology, hey, require
from tests.topology.test_faults import start_sick

pytestmark = pytest.mark.topology

WITHOUT = ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


@pytest.fixture(autouse=True)
def _as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has capabilities to lay down")


def capabilities(pid: int) -> dict[str, int]:
    status = Path(f"/proc/{pid}/status").read_text()
    return {name: int(mask, 16) for name, mask in re.findall(r"(Cap\w+):\s+(\w+)", status)}


@pytest.mark.parametrize("mode", ["sink", "inline"])
def test_no_capability_is_needed(topology: Topology, mode: str) -> None:
    topology.start_primary()
    port, _ = start_sick(topology.processes)
    config = topology.config(mode, shadow={"url": f"http://127.0.0.1:{port}"})
    path = write_config(topology.directory, config)
    command = [require("setpriv"), *WITHOUT, *serve_command(path)]
    child = topology.processes.start("mirror", command)
    admin_port = topology.ports["admin"]
    child.wait_until(lambda: answers(admin_port, "/readyz", status=200))
    sidecar = Sidecar(child, admin_port)
    pids = [child.pid, *(worker["pid"] for worker in sidecar.status()["workers"])]
    for pid in pids:
        found = capabilities(pid)
        assert {found[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
    topology.start_nginx(mode)
    assert hey(topology.ports["nginx"], "/watch/1", 50) == {"200": 50}
    ledger = sidecar.settled_ledger()
    assert ledger["outcomes"] == {"2xx": 50} and ledger["balanced"]
