"""Checks that a real Prometheus scrapes the ledger's numbers, and evaluates every query on them."""

import json
import re
from urllib.parse import quote

import pytest

from mirror.demo.processes import answers, fetch, find_program, free_ports
from tests.test_deploy_prometheus import SELECTOR, queries
from tests.topology.conftest import Topology, hey, wait_for

pytestmark = pytest.mark.topology


def value(port: int, query: str) -> float | None:
    """Return the value of an instant query with one result."""
    answer = fetch(port, f"/api/v1/query?query={quote(query)}")
    found = json.loads(answer.body)["data"]["result"] if answer else []
    return float(found[0]["value"][1]) if found else None


def evaluated(port: int, query: str) -> list[dict[str, object]]:
    """Return the results of an instant query, which must be a valid one."""
    answer = fetch(port, f"/api/v1/query?query={quote(query)}")
    assert answer is not None and answer.status == 200, (query, answer and answer.body)
    found: list[dict[str, object]] = json.loads(answer.body)["data"]["result"]
    return found


def check_queries(port: int) -> None:
    """Evaluate the dashboard and the alerts; a query of series that exist must find some of them.

    Queries of single labels and of what went wrong find nothing here; they only have to be valid.
    """
    names_answer = fetch(port, "/api/v1/label/__name__/values")
    assert names_answer is not None
    existing = set(json.loads(names_answer.body)["data"])
    with_data = 0
    for query in queries():
        is_of_everything = not re.search(r'!~|="|[<>=] [0-9.]+$|unless|absent', query)
        if is_of_everything and {name for name, _ in SELECTOR.findall(query)} <= existing:
            # A rate needs two scrapes.
            assert wait_for(lambda q=query: bool(evaluated(port, q))), query
            with_data += 1
        else:
            evaluated(port, query)
    # Most panels of a sidecar to which nothing happens.
    assert with_data >= 25


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
    check_queries(port)
