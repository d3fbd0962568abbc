from dataclasses import replace

import numpy as np
import pytest

from estimator.errors import InputError, Refused
from estimator.observed.prometheus import PrometheusQuery, read_prometheus
from mirror.demo.processes import free_ports
from tests.estimator.observed.conftest import Backfilled
from tests.fakes_datadog import FakeDatadog

API = {"api": ("app", "istio-proxy")}


def test_query_names_the_pods_of_one_component() -> None:
    query = PrometheusQuery("http://x", "shop")
    text = query.text(query.cpu, "a.b")
    assert text.startswith(
        "1000 * sum by (pod, container) (rate(container_cpu_usage_seconds_total{"
    )
    assert 'namespace="shop", pod=~"a\\\\.b-(' in text
    assert text.endswith("[60s]))")


def test_matchers_replace_the_name() -> None:
    query = PrometheusQuery("http://x", matchers={"api": 'pod="x",zone=~"a$|b"'})
    assert '{ pod="x",zone=~"a$|b", container!=""' in query.text(query.memory, "api")
    assert '{ pod=~"web-(' in query.text(query.memory, "web")


@pytest.mark.topology
def test_real_prometheus_gives_known_usage(prometheus: Backfilled) -> None:
    query = PrometheusQuery(prometheus.url, "shop")
    usage = read_prometheus(query, API, (prometheus.start + 300, prometheus.start + 900))
    found = usage.of("api")
    # The pause container, the pod's own sum and the pods of api-worker are left out.
    assert set(found) == {"app", "istio-proxy"}
    assert found["app"].covers_s == (60, 0)
    assert len(found["app"].pods) == 2
    assert found["app"].mean_cpu() == pytest.approx(200, rel=1e-3)
    assert found["istio-proxy"].mean_cpu() == pytest.approx(40, rel=1e-3)
    assert np.nanmax(found["app"].memory_bytes) == 100_000_885
    # The window of rate() for the first sample must not begin before the start.
    cpu = ~np.isnan(found["app"].cpu_millicores)
    assert found["app"].seconds[cpu].min() == prometheus.start + 360
    assert found["app"].seconds.max() == prometheus.start + 885


@pytest.mark.topology
def test_long_times_are_asked_for_in_pieces(prometheus: Backfilled) -> None:
    query = PrometheusQuery(prometheus.url, "shop", step_s=1)
    start, end = prometheus.start - 12_000, prometheus.start + 1800
    used = read_prometheus(query, API, (start, end)).of("api")["app"]
    memory = used.seconds[~np.isnan(used.memory_bytes) & (used.pod == 0)]
    assert len(memory) == len(set(memory)) == 1800


@pytest.mark.topology
def test_own_queries_may_lack_a_container(prometheus: Backfilled) -> None:
    one = 'sum by (pod) (container_memory_working_set_bytes{container="app",pod=~"$component-.*"})'
    query = PrometheusQuery(prometheus.url, cpu=one, memory=one)
    period = (prometheus.start, prometheus.start + 300)
    usage = read_prometheus(query, {"api-7d9f8c6b5": ("app",)}, period)
    assert len(usage.of("api-7d9f8c6b5")["app"].pods) == 2
    with pytest.raises(InputError, match="expected series with a `container` label"):
        read_prometheus(query, {"api-7d9f8c6b5": ("app", "proxy")}, period)


@pytest.mark.topology
def test_nothing_found_is_refused_with_advice(prometheus: Backfilled) -> None:
    query = PrometheusQuery(prometheus.url, "other")
    with pytest.raises(Refused, match="has no series of api.*spans two scrapes"):
        read_prometheus(query, API, (prometheus.start, prometheus.end))


@pytest.mark.topology
def test_rejected_query_is_bad_input(prometheus: Backfilled) -> None:
    query = replace(PrometheusQuery(prometheus.url), cpu="rate(")
    with pytest.raises(InputError, match="rejects the query 'rate\\('"):
        read_prometheus(query, API, (prometheus.start, prometheus.end))


def test_other_servers_are_told_from_prometheus() -> None:
    with (
        FakeDatadog() as stranger,
        pytest.raises(Refused, match="answered 404, but not as its API does"),
    ):
        read_prometheus(PrometheusQuery(stranger.url), API, (0, 600))


def test_unreachable_prometheus_is_refused() -> None:
    (port,) = free_ports(1)
    with pytest.raises(Refused, match="cannot be reached"):
        read_prometheus(PrometheusQuery(f"http://127.0.0.1:{port}"), API, (0, 600))


def test_what_is_no_url_is_bad_input() -> None:
    with pytest.raises(InputError, match="--prometheus-url: expected a URL"):
        read_prometheus(PrometheusQuery("no url"), API, (0, 600))
