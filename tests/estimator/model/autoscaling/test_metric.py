from collections.abc import Mapping

import pytest

from estimator.model.autoscaling.metric import pod_of
from estimator.model.evidence.evidence import Evidence, gather
from estimator.model.policy import Policy
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

CONTAINER = Policy(hpa_metric="container")


def evidence(kind: Kind = Kind.POD, **cpu_per_rps: float) -> Evidence:
    """Return the evidence of containers whose cpu is proportional to rps, up to 400 rps."""
    names = {name.replace("_", "-"): cpu for name, cpu in cpu_per_rps.items()}
    points = tuple(
        LoadPoint(n, 4, 4 * rps, {name: Resources(cpu * rps, 1) for name, cpu in names.items()})
        for n, rps in enumerate((50.0, 100.0, 200.0, 300.0, 400.0), start=1)
    )
    requests = {name: Resources(1000, 1) for name in names}
    return gather(Component("api", kind, ("*",), requests, points), Policy())


def test_utilisation_is_of_all_requests() -> None:
    pod = pod_of(evidence(app=1, log=0.25), {"app": 600.0, "log": 150.0}, Policy())
    # 200m and 50m are used of 750m.
    assert pod.utilisation_at(200) == pytest.approx(250 / 750, rel=1e-3)
    assert pod.rps_at(250 / 750) == pytest.approx(200, rel=1e-3)


def test_replica_is_full_at_its_limit_or_its_whole_request() -> None:
    found = evidence(app=1, log=0.25)
    assert pod_of(found, {"app": 9000.0, "log": 9000.0}, Policy()).limit_rps == 400
    full = pod_of(found, {"app": 200.0, "log": 9000.0}, Policy()).limit_rps
    assert full < 200
    assert found.cpu["app"].at(full).high == pytest.approx(200)


def test_utilisation_of_a_container_is_of_its_own_request() -> None:
    found = evidence(app=1, istio_proxy=0.25)
    requests = {"app": 400.0, "istio-proxy": 300.0}
    pod = pod_of(found, requests, CONTAINER)
    assert pod.container == "app"
    assert pod.utilisation_at(200) == pytest.approx(200 / 400, rel=1e-3)
    assert pod_of(found, requests, Policy()).utilisation_at(200) == pytest.approx(250 / 700, 1e-3)
    # Every container fills a replica, whichever the HPA reads.
    tight = {"app": 9000.0, "istio-proxy": 50.0}
    assert pod_of(found, tight, CONTAINER).limit_rps == pod_of(found, tight, Policy()).limit_rps


@pytest.mark.parametrize(
    ("kind", "requests", "own"),
    [
        (Kind.POD, {"app": 100.0, "istio-proxy": 300.0}, "app"),
        (Kind.POD, {"log": 100.0, "app": 300.0}, "app"),
        (Kind.POD, {"istio-proxy": 300.0}, "istio-proxy"),
        (Kind.GATEWAY, {"istio-proxy": 300.0, "nginx": 100.0}, "istio-proxy"),
    ],
)
def test_the_container_is_the_one_that_does_the_work(
    kind: Kind, requests: Mapping[str, float], own: str
) -> None:
    found = evidence(kind, **{name.replace("-", "_"): 1.0 for name in requests})
    assert pod_of(found, requests, CONTAINER).container == own
    assert pod_of(found, requests, Policy()).container == ""
