import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.model.evidence.evidence import gather
from estimator.model.figure import Figure, Flag
from estimator.model.policy import Policy
from estimator.model.sizing import requests
from estimator.model.sizing.replicas import size
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

MIB = 2**20


def gateway(request: float = 500, **measured: dict[str, int]) -> Component:
    points = tuple(
        LoadPoint(
            n,
            2,
            2 * rps,
            {"istio-proxy": Resources(rps, 100 * MIB), "nginx": Resources(rps / 10, 9 * MIB)},
            **measured,
        )
        for n, rps in enumerate((100.0, 300.0, 500.0), start=1)
    )
    requests = {"istio-proxy": Resources(request, 256 * MIB), "nginx": Resources(100, 64 * MIB)}
    return Component("gateway", Kind.GATEWAY, ("*",), requests, points)


def test_worked_cpu_request_of_the_docstring() -> None:
    policy = Policy()
    evidence = gather(gateway(), policy)
    sizing = size(1000, evidence, policy)
    # 1.0996 * 220 / 0.6 = 403.2
    figure = requests.cpu_request("istio-proxy", evidence, sizing, policy)
    assert figure.value == 410
    assert figure.low == pytest.approx(220 * (1 - 0.0996) / 0.6, abs=0.1)
    assert "at 220 rps of the busiest replica, 242m, over the target 0.6" in figure.reason


def test_request_is_no_more_than_the_container_can_use() -> None:
    policy = Policy(workers=1)
    evidence = gather(gateway(request=4000), policy)
    narrow = replace(size(3000, evidence, policy), design_rps=700)
    figure = requests.cpu_request("istio-proxy", evidence, narrow, policy)
    assert figure.value == 1000
    assert "no more than the 1 that it can use" in figure.reason


def test_memory_is_the_highest_measured_and_15_percent() -> None:
    evidence = gather(gateway(), Policy())
    assert requests.memory_request("istio-proxy", evidence).value == 115 * MIB
    # Two containers share the minimum memory of a Pod.
    small = requests.memory_request("nginx", evidence)
    assert small.value == 64 * MIB
    assert "at least 128Mi for the Pod" in small.reason


def test_memory_limit_has_room_and_the_proxy_what_istio_gives_it() -> None:
    evidence = gather(gateway(), Policy())
    proxy = requests.memory_request("istio-proxy", evidence)
    limit = requests.memory_limit("istio-proxy", proxy, evidence)
    assert limit.value == 1024 * MIB
    assert "Istio's own default" in limit.reason
    assert requests.memory_limit("nginx", proxy, evidence).value == 173 * MIB
    large = replace(proxy, value=2000.0 * MIB)
    assert requests.memory_limit("istio-proxy", large, evidence).value == 3000 * MIB


def test_memory_that_rises_is_followed_upwards_by_the_limit() -> None:
    def limit(*used: tuple[int, int]) -> Figure:
        rows = [
            LoadPoint(n, 1, rps, {"app": Resources(rps, mib * MIB)})
            for n, (rps, mib) in enumerate(used, start=1)
        ]
        asked = {"app": Resources(1, 1)}
        evidence = gather(Component("app", Kind.POD, ("*",), asked, tuple(rows)), Policy())
        return requests.memory_limit("app", requests.memory_request("app", evidence), evidence)

    # A replica that gets 599 rps is not ended: 1 MiB for each rps, up to 750 rps.
    rising = limit((100, 100), (300, 300), (500, 500))
    assert rising.value == 863 * MIB
    assert rising.flags == (Flag.EXTRAPOLATED,)
    assert "rises by 100Mi for each 100 rps, to 750Mi at 750 rps, beyond the 500" in rising.reason
    # With 2.4 MiB for each rps above 400, 1.5 times the request are too little.
    steep = limit((400, 10), (450, 130), (500, 250))
    assert steep.value == 978 * MIB
    assert limit((100, 450), (300, 460), (500, 500)).flags == ()


def concurrency_warnings(given: int | None = None, **measured: dict[str, int]) -> list[str]:
    policy = Policy(workers=given)
    evidence = gather(gateway(**measured), policy)
    workers = requests.proxy_workers(evidence, size(600, evidence, policy), policy)
    return list(requests.concurrency_warnings(evidence, policy, workers))


def test_workers_that_no_row_states_are_said_to_be_assumed() -> None:
    (warning,) = concurrency_warnings()
    assert warning == (
        "concurrency 1 of istio-proxy is assumed, a core for each: no row states the `workers` that"
        " it was measured with; state them in the table"
    )
    assert "concurrency 2 of istio-proxy is given: no row states" in concurrency_warnings(2)[0]


def test_workers_other_than_measured_are_said() -> None:
    (warning,) = concurrency_warnings(2, workers={"istio-proxy": 4})
    assert "concurrency 2 of istio-proxy, as given, is not what the rows were measured" in warning
    assert "measured with, 4: cpu and latency with another count" in warning
    assert concurrency_warnings(4, workers={"istio-proxy": 4}) == []
    assert concurrency_warnings(workers={"istio-proxy": 4}) == []


def test_rows_with_different_workers_are_said() -> None:
    component = gateway(workers={"istio-proxy": 2})
    last = replace(component.points[-1], workers={"istio-proxy": 4})
    evidence = gather(replace(component, points=(*component.points[:-1], last)), Policy())
    workers = Figure(2, "workers", "as the rows were measured with")
    (warning,) = requests.concurrency_warnings(evidence, Policy(), workers)
    assert (
        "concurrency 2 of istio-proxy is not what all rows were measured with, 2 and 4" in warning
    )


def test_cpu_limit_that_is_no_whole_number_of_cores_is_said() -> None:
    known = {"workers": {"istio-proxy": 2}}
    (warning,) = concurrency_warnings(**known, cpu_limit_millicores={"istio-proxy": 2500})
    assert "was measured with a cpu limit of 2500m, no whole number of cores" in warning
    assert (
        "Istio starts 3 worker(s), which it throttles" in warning
        and "Envoy from 1.37 2 where" in warning
    )
    assert concurrency_warnings(**known, cpu_limit_millicores={"istio-proxy": 2000}) == []
    # Envoy starts one at least.
    (warning,) = concurrency_warnings(**known, cpu_limit_millicores={"istio-proxy": 900})
    assert "Istio starts 1 worker(s)" in warning and "Envoy from 1.37 1 where" in warning


def test_a_component_without_the_proxy_has_no_workers_to_warn_of() -> None:
    component = gateway()
    rows = tuple(replace(p, usage={"nginx": p.usage["nginx"]}) for p in component.points)
    asked = {"nginx": component.requests["nginx"]}
    evidence = gather(replace(component, requests=asked, points=rows), Policy())
    assert list(requests.concurrency_warnings(evidence, Policy(), None)) == []


def vpa_memory(samples: list[int]) -> float:
    """Return the memory in bytes that the Vertical Pod Autoscaler would recommend.

    It takes the end of the bucket with the 90th percentile in its histogram, whose first bucket has
    10 MB and whose further buckets are each 5 % wider, and adds 15 %.

    Source: kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender (exponential histogram
    options, TargetMemoryPercentile 0.9, recommendation margin fraction 0.15).
    """
    wanted = sorted(samples)[math.ceil(0.9 * len(samples)) - 1]
    end, width = 0.0, 10e6
    while end <= wanted:
        end, width = end + width, width * 1.05
    return end * 1.15


@given(st.lists(st.integers(150 * MIB, 8192 * MIB), min_size=3, max_size=12))
def test_memory_is_below_vpa_by_less_than_its_bucket(samples: list[int]) -> None:
    points = tuple(
        LoadPoint(n, 1, 100.0 * n, {"app": Resources(100.0 * n, used)})
        for n, used in enumerate(samples, start=1)
    )
    asked = {"app": Resources(4000, 8192 * MIB)}
    evidence = gather(Component("app", Kind.POD, ("*",), asked, points), Policy())
    ours = requests.memory_request("app", evidence).value
    assert ours >= 1.15 * max(samples)
    assert vpa_memory(samples) <= 1.05 * ours + 1.15 * 10e6


def test_workers_are_what_was_given_then_measured_then_needed() -> None:
    def workers(policy: Policy, of: Component) -> float:
        evidence = gather(of, policy)
        figure = requests.proxy_workers(evidence, size(1000, evidence, policy), policy)
        assert figure is not None
        return figure.value

    measured = gateway(workers={"istio-proxy": 2})
    assert workers(Policy(workers=4), measured) == 4
    assert workers(Policy(), measured) == 2
    assert workers(Policy(), gateway()) == 1


def test_only_the_proxy_gets_a_cpu_limit_of_whole_cores() -> None:
    policy = Policy(workers=2)
    evidence = gather(gateway(), policy)
    workers = requests.proxy_workers(evidence, size(100, evidence, policy), policy)
    limit = requests.cpu_limit("istio-proxy", workers)
    assert limit is not None and limit.value == 2000
    assert requests.cpu_limit("nginx", workers) is None


def test_pod_without_a_proxy_has_no_workers() -> None:
    points = (LoadPoint(1, 1, 100, {"app": Resources(10, MIB)}),)
    pod = Component("api", Kind.POD, ("*",), {"app": Resources(500, MIB)}, points)
    evidence = gather(pod, Policy())
    assert requests.proxy_workers(evidence, size(10, evidence, Policy()), Policy()) is None
