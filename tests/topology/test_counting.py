"""Sends 5,000 requests through the whole topology and compares every program's count."""

import pytest

from tests.topology.conftest import Topology, hey, probes, series_total, wait_for

pytestmark = pytest.mark.topology

PARTS = {"/watch/42": 2000, "/api/feed?page=2": 2000, "/static/app.js": 1000}
TOTAL = 5000


@pytest.mark.parametrize("mode", ["sink", "inline"])
def test_everybody_counts_the_same_requests(topology: Topology, mode: str) -> None:
    topology.start_primary()
    envoy, log_nginx = topology.start_gateway_pod()
    sidecar = topology.start_sidecar(mode)
    nginx = topology.start_nginx(mode)
    apache_log = topology.start_apache()
    # The preflight probe and the readiness polls have added requests of their own.
    before = envoy.requests_arrived()

    for path, count in PARTS.items():
        assert hey(topology.ports["apache"], path, count) == {"200": count}

    # Production has each request once.
    assert wait_for(lambda: len(nginx.logged()) >= TOTAL)
    assert len(nginx.logged()) == TOTAL
    assert wait_for(lambda: apache_log.read_text().count("\n") >= TOTAL)
    assert apache_log.read_text().count("\n") == TOTAL
    assert {line["status"] for line in nginx.logged()} == {"200"}

    # The ledger has each request once, and it adds up.
    ledger = sidecar.settled_ledger()
    assert ledger["balanced"]
    assert (ledger["seen"], ledger["sent"], ledger["in_flight"]) == (TOTAL, TOTAL, 0)
    assert (ledger["not_selected"], ledger["shed"]) == ({}, {})
    assert ledger["outcomes"] == {"2xx": TOTAL}
    assert ledger["primary"] == ({"2xx": TOTAL} if mode == "inline" else {})

    # The new cluster has each request once, and its access log has none.
    assert envoy.requests_arrived() - before == TOTAL + probes(ledger)
    assert log_nginx.logged() == []

    # Datadog and the local series have each request once.
    assert wait_for(lambda: topology.agent.counted("mirror.requests") >= TOTAL)
    assert topology.agent.counted("mirror.requests") == TOTAL
    assert sum(topology.agent.points("mirror.rps").values()) == TOTAL
    assert topology.agent.counted("mirror.shadow.requests") == TOTAL
    assert wait_for(lambda: series_total(topology.series) >= TOTAL)
    assert series_total(topology.series) == TOTAL


def test_log_nginx_would_have_logged(topology: Topology) -> None:
    """Serves as the control: copies sent to the gateway's ordinary port are logged there."""
    topology.start_primary()
    _, log_nginx = topology.start_gateway_pod()
    target = {"url": f"http://127.0.0.1:{topology.ports['log_nginx']}", "accept_server": ["nginx"]}
    topology.start_sidecar("sink", shadow=target)
    topology.start_nginx("sink")
    assert hey(topology.ports["nginx"], "/watch/1", 100) == {"200": 100}

    def copies() -> int:
        return sum(line["uri"] == "/watch/1" for line in log_nginx.logged())

    assert wait_for(lambda: copies() >= 100)
    assert copies() == 100


def test_methods_not_listed_stay_in_production(topology: Topology) -> None:
    topology.start_primary()
    envoy, _ = topology.start_gateway_pod()
    sidecar = topology.start_sidecar("sink")
    topology.start_nginx("sink")
    before = envoy.requests_arrived()
    assert hey(topology.ports["nginx"], "/api/comments", 50, method="POST") == {"200": 50}
    assert hey(topology.ports["nginx"], "/api/feed", 50) == {"200": 50}
    ledger = sidecar.settled_ledger()
    assert ledger["balanced"]
    assert (ledger["seen"], ledger["sent"]) == (100, 50)
    assert ledger["not_selected"] == {"method": 50}
    assert envoy.requests_arrived() - before == 50 + probes(ledger)


def test_two_workers_count_once(topology: Topology) -> None:
    topology.start_primary()
    envoy, _ = topology.start_gateway_pod()
    sidecar = topology.start_sidecar("inline", workers=2)
    topology.start_nginx("inline")
    before = envoy.requests_arrived()
    assert hey(topology.ports["nginx"], "/watch/1", 1000) == {"200": 1000}
    ledger = sidecar.settled_ledger()
    assert ledger["balanced"]
    assert (ledger["seen"], ledger["outcomes"]) == (1000, {"2xx": 1000})
    assert envoy.requests_arrived() - before == 1000 + probes(ledger)
    assert wait_for(lambda: series_total(topology.series) >= 1000)
    assert series_total(topology.series) == 1000
