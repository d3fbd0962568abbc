"""Runs `mirror check` against both ports of the same gateway Pod."""

import signal
import subprocess
import sys
from typing import Any

import pytest

from mirror.demo.nginx import start_nginx
from mirror.demo.sidecar import write_config
from tests.topology.conftest import Topology, hey, require, wait_for

pytestmark = pytest.mark.topology

NOTES_OR_WARNINGS = (0, 1)  # what a host lacks, such as descriptors, differs between machines
UNREACHABLE = 3
REFUSED = 4


def check(topology: Topology, **shadow: Any) -> subprocess.CompletedProcess[str]:
    path = write_config(topology.directory, topology.config("sink", shadow=shadow))
    command = [sys.executable, "-m", "mirror", "check", "-c", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def url(topology: Topology, name: str) -> str:
    return f"http://127.0.0.1:{topology.ports[name]}"


def test_istio_proxy_is_accepted(topology: Topology) -> None:
    _, log_nginx = topology.start_gateway_pod()
    done = check(topology, url=url(topology, "envoy"))
    assert done.returncode in NOTES_OR_WARNINGS, done.stdout
    assert "note: shadow.accepted" in done.stdout
    assert log_nginx.logged() == []


def test_log_nginx_is_refused(topology: Topology) -> None:
    topology.start_gateway_pod()
    done = check(topology, url=url(topology, "log_nginx"))
    assert done.returncode == REFUSED
    assert "refused: shadow.log_nginx" in done.stdout


def test_a_log_nginx_that_appears_later_gets_no_copy(topology: Topology) -> None:
    """Checks that a sidecar that started without its shadow asks who has come up in the meantime.

    Then the Envoy takes the same address, and a reload makes the sidecar ask again at once.
    """
    topology.start_primary()
    shadow = {"url": url(topology, "envoy")}
    sidecar = topology.start_sidecar("sink", shadow=shadow)
    topology.start_nginx("sink")
    assert hey(topology.ports["nginx"], "/watch/1", 50) == {"200": 50}
    site = f"server {{ listen 127.0.0.1:{topology.ports['envoy']}; return 200; }}"
    nginx = start_nginx(
        topology.processes,
        topology.directory / "late",
        require("nginx"),
        site=site,
        port=topology.ports["envoy"],
    )

    def is_refused() -> bool:
        assert hey(topology.ports["nginx"], "/watch/1", 50) == {"200": 50}
        return any(worker["refused"] for worker in sidecar.status()["workers"])

    assert wait_for(is_refused, timeout_s=20)
    assert hey(topology.ports["nginx"], "/watch/1", 50) == {"200": 50}
    ledger = sidecar.settled_ledger()
    assert ledger["balanced"] and ledger["shed"]["target_refused"] >= 50
    assert "2xx" not in ledger["outcomes"]
    logged = [(line["method"], line["uri"]) for line in nginx.logged()]
    assert set(logged) <= {("HEAD", "/"), ("GET", "/")}  # GET is the wait for its start
    assert logged.count(("HEAD", "/")) == ledger["probes"]["refused"]

    nginx.child.stop()
    topology.start_gateway_pod()
    sidecar.child.send_signal(signal.SIGHUP)
    assert wait_for(lambda: sidecar.status()["reload"]["reloaded"] == 1, timeout_s=20)
    assert hey(topology.ports["nginx"], "/watch/1", 200) == {"200": 200}
    assert sidecar.settled_ledger()["outcomes"]["2xx"] >= 100  # the first went to the old worker


def test_log_nginx_is_accepted_by_name(topology: Topology) -> None:
    topology.start_gateway_pod()
    done = check(topology, url=url(topology, "log_nginx"), accept_server=["nginx"])
    assert done.returncode in NOTES_OR_WARNINGS, done.stdout


def test_the_primary_is_asked_in_mode_inline(topology: Topology) -> None:
    topology.start_gateway_pod()
    path = write_config(topology.directory, topology.config("inline"))
    command = [sys.executable, "-m", "mirror", "check", "-c", str(path)]
    down = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert down.returncode == UNREACHABLE
    assert "unknown: primary.unreachable" in down.stdout
    topology.start_primary()
    up = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert up.returncode in NOTES_OR_WARNINGS, up.stdout
    assert "answers 200 to GET /" in up.stdout
