"""Checks that a real Prometheus scrapes the ledger's numbers from the sidecar."""

import json
from urllib.parse import quote

import pytest

from mirror.demo.processes import answers, fetch, find_program, free_ports
from tests.topology.conftest import Topology, hey, wait_for

pytestmark = pytest.mark.topology


def value(port: int, query: str) -> float | None:
    """Return the value of an instant query with one result."""
    answer = fetch(port, f"/api/v1/query?query={quote(query)}")
    found = json.loads(answer.body)["data"]["result"] if answer else []
    return float(found[0]["value"][1]) if found else None


def test_prometheus_holds_the_ledger(topology: Topology) -> None:
    program = find_program("prometheus")
    if program is None:
        pytest.skip("no prometheus here: apt-get install prometheus")
    topology.start_primary()
    topology.start_gateway_pod()
    sidecar = topology.start_sidecar("inline", workers=2)
    topology.start_nginx("inline")
    (port,) = free_ports(1)
    settings = topology.directory / "prometheus.yml"
    settings.write_text(
        "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
        "scrape_configs: [{job_name: mirror, static_configs:"
        f" [{{targets: ['127.0.0.1:{topology.ports['admin']}']}}]}}]\n"
    )
    child = topology.processes.start(
        "prometheus",
        [
            program,
            f"--config.file={settings}",
            f"--storage.tsdb.path={topology.directory}/prometheus",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
    )
    child.wait_until(lambda: answers(port, "/-/ready", status=200))

    assert hey(topology.ports["nginx"], "/watch/1", 300) == {"200": 300}
    assert hey(topology.ports["nginx"], "/api/comments", 50, method="POST") == {"200": 50}
    ledger = sidecar.settled_ledger()
    assert ledger["seen"] == 350

    assert wait_for(lambda: value(port, "sum(mirror_requests_total)") == 350)
    assert value(port, 'mirror_requests_total{route="/api/_",method_class="unsafe"}') == 50
    assert value(port, 'mirror_not_selected_total{reason="method"}') == 50
    assert value(port, "sum(mirror_shadow_sent_total)") == ledger["sent"] == 300
    assert value(port, 'sum(mirror_primary_requests_total{outcome="2xx"})') == 350
    assert value(port, "mirror_shadow_in_flight") == 0
    assert value(port, "mirror_workers") == 2
    for leg, number in (("shadow", 300), ("primary", 350)):
        name = f"mirror_{leg}_latency_seconds"
        assert wait_for(lambda n=name, k=number: value(port, f"sum({n}_count)") == k)
        assert value(port, f'sum({name}_bucket{{le="+Inf"}})') == number
        quantile = value(port, f"histogram_quantile(0.5, sum by (le) ({name}_bucket))")
        assert quantile is not None and quantile > 0
