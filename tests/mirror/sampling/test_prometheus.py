"""Usage from Prometheus, from a real one too."""

import pytest

from mirror.errors import SamplingError
from mirror.sampling.prometheus import PrometheusSampler
from mirror.sampling.usage import Part, Window
from tests.estimator.observed.conftest import Backfilled
from tests.estimator.observed.conftest import prometheus as prometheus
from tests.mirror.sampling.conftest import Api


def vector(*values: tuple[str, str, str]) -> dict[str, object]:
    series = [
        {"metric": {"pod": pod, "container": name}, "value": [160, value]}
        for pod, name, value in values
    ]
    return {"status": "success", "data": {"resultType": "vector", "result": series}}


def test_mean_of_pods_and_highest_memory(api: Api) -> None:
    api.answers = [
        vector(("api-1", "app", "100"), ("api-2", "app", "200"), ("api-3", "app", "NaN")),
        vector(("api-1", "app", "1000"), ("api-2", "app", "2000")),
    ]
    found = PrometheusSampler(api.url, {"api": None}).usage(Window(100, 160.7))
    used = found[Part("api", "app")]
    assert (used.cpu_millicores, used.memory_bytes, used.replicas) == (150, 2000, 2)
    assert used.cpu_max_millicores is None and not used.is_exact
    (path, parameters, _), _ = api.asked
    assert path == "/api/v1/query"
    assert parameters["time"] == "160.700"
    assert parameters["query"].startswith(
        '1000 * sum by (pod, container) (rate(container_cpu_usage_seconds_total{pod=~"api-('
    )
    assert parameters["query"].endswith(',container!="",container!="POD"}[60s]))')


def test_selector_stands_in_for_the_name(api: Api) -> None:
    api.answers = [vector(("x", "app", "1")), vector(("x", "app", "1"))]
    PrometheusSampler(api.url, {"api": 'pod="x"'}).usage(Window(100, 160))
    assert '{pod="x",container!=""' in api.asked[0][1]["query"]


def test_nothing_found_names_the_component(api: Api) -> None:
    api.answers = [vector(), vector()]
    with pytest.raises(SamplingError, match="no sample of cpu and memory of api"):
        PrometheusSampler(api.url, {"api": None}).usage(Window(100, 160))


@pytest.mark.parametrize("answer", [{}, {"data": {"result": [{"metric": {}, "value": [1, "1"]}]}}])
def test_other_answers_are_refused(api: Api, answer: object) -> None:
    api.answers = [answer]
    with pytest.raises(SamplingError, match="no vector by pod and container"):
        PrometheusSampler(api.url, {"api": None}).usage(Window(100, 160))


@pytest.mark.topology
def test_real_prometheus_gives_known_usage(prometheus: Backfilled) -> None:
    window = Window(prometheus.start + 300, prometheus.start + 900)
    found = PrometheusSampler(prometheus.url, {"api": None}).usage(window)
    # Neither the pause container, nor the pod's own sum, nor the pods of api-worker.
    assert found.keys() == {Part("api", "app"), Part("api", "istio-proxy")}
    app = found[Part("api", "app")]
    assert app.cpu_millicores == pytest.approx(200, rel=1e-3)
    assert (app.replicas, app.memory_bytes) == (2, 100_000_900)
    one = 'namespace="shop",pod="api-7d9f8c6b5-zzq9m"'
    selected = PrometheusSampler(prometheus.url, {"api": one}).usage(window)[Part("api", "app")]
    assert (selected.replicas, round(selected.cpu_millicores)) == (1, 300)


@pytest.mark.topology
def test_real_prometheus_says_what_is_wrong_with_a_selector(prometheus: Backfilled) -> None:
    with pytest.raises(SamplingError, match="answered 400: .*parse error"):
        PrometheusSampler(prometheus.url, {"api": "pod=x"}).usage(Window(100, 160))
