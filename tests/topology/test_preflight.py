"""Runs `mirror check` against both ports of the same gateway Pod."""

import subprocess
import sys
from typing import Any

import pytest

from mirror.demo.sidecar import write_config
from tests.topology.conftest import Topology

pytestmark = pytest.mark.topology

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
    assert done.returncode == 0, done.stderr
    assert log_nginx.logged() == []


def test_log_nginx_is_refused(topology: Topology) -> None:
    topology.start_gateway_pod()
    done = check(topology, url=url(topology, "log_nginx"))
    assert done.returncode == REFUSED
    assert "nginx" in done.stderr


def test_log_nginx_is_accepted_by_name(topology: Topology) -> None:
    topology.start_gateway_pod()
    done = check(topology, url=url(topology, "log_nginx"), accept_server=["nginx"])
    assert done.returncode == 0, done.stderr
