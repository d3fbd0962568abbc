"""Checks that a missing, stuck, broken or full sink costs counted losses and nothing else."""

import socket

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mirror.demo.processes import fetch, free_ports
from mirror.demo.sidecar import Sidecar
from tests.topology.conftest import Topology, series_total, wait_for

pytestmark = pytest.mark.topology

REQUESTS = 100


def dropped(topology: Topology) -> dict[str, float]:
    """Return the losses of each sink according to /metrics."""
    page = fetch(topology.ports["admin"], "/metrics")
    assert page is not None
    return {
        sample.labels["sink"]: sample.value
        for family in text_string_to_metric_families(page.body.decode())
        if family.name == "mirror_sink_dropped"
        for sample in family.samples
    }


def serve_and_count(topology: Topology, dogstatsd: str, series: str) -> Sidecar:
    """Send requests through a sidecar with these sinks; all are answered and in the ledger."""
    topology.start_primary()
    port = topology.ports["nginx"]
    sidecar = topology.start_sidecar(
        "inline",
        listen=f"127.0.0.1:{port}",
        datadog={"dogstatsd": dogstatsd},
        series={"path": series},
    )
    for _ in range(REQUESTS):
        answer = fetch(port, "/watch/1")
        assert answer is not None and answer.status == 200
    ledger = sidecar.settled_ledger()
    assert (ledger["seen"], ledger["balanced"]) == (REQUESTS, True)
    assert ledger["primary"] == {"2xx": REQUESTS}
    return sidecar


def test_a_stuck_agent_and_a_full_disk_cost_production_nothing(topology: Topology) -> None:
    path = topology.directory / "dsd.socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as never_read:
        never_read.bind(str(path))
        sidecar = serve_and_count(topology, f"unix://{path}", "/dev/full")
        assert wait_for(lambda: min(dropped(topology).values()) > 0, 20)
        sidecar.child.stop()
    log = sidecar.child.log_path.read_text()
    assert log.count("cannot be written") == 1


def test_an_absent_agent_and_a_corrupt_series_cost_production_nothing(topology: Topology) -> None:
    topology.series.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    agent = f"udp://127.0.0.1:{free_ports(1)[0]}"
    sidecar = serve_and_count(topology, agent, str(topology.series))
    assert wait_for(lambda: dropped(topology)["datadog"] > 0, 20)
    assert dropped(topology)["series"] == 0
    assert len(list(topology.directory.glob("series.db.corrupt-*"))) == 1
    assert wait_for(lambda: series_total(topology.series) == REQUESTS)
    sidecar.child.stop()
    assert sidecar.child.log_path.read_text().count("moved to") == 1
