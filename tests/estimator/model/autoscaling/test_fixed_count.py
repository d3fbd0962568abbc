import numpy as np

from estimator.model.autoscaling.metric import pod_of
from estimator.model.autoscaling.recommendation import Scaled, recommend
from estimator.model.autoscaling.simulation import Load
from estimator.model.evidence.evidence import gather
from estimator.model.policy import Policy
from estimator.model.sizing.replicas import size
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

DAY = 86_400


def scaled(demand: np.ndarray, step_s: int = 1, lasting_rps: float | None = None) -> Scaled:
    points = tuple(
        LoadPoint(n, 1, rps, {"app": Resources(10 + rps, 1)})
        for n, rps in enumerate((10.0, 50.0, 100.0, 200.0, 300.0, 400.0, 500.0), start=1)
    )
    app = Component("api", Kind.POD, ("*",), {"app": Resources(1000, 1)}, points)
    policy = Policy()
    evidence = gather(app, policy)
    sizing = size(float(demand.max()), evidence, policy)
    pod = pod_of(evidence, {"app": 1000.0}, policy)
    load = Load(demand, 0, step_s)
    return recommend(load, sizing, evidence, pod, policy, lasting_rps)


def test_an_hpa_that_would_flap_for_nothing_is_declined() -> None:
    seconds = np.arange(DAY)
    found = scaled(600 + 300 * np.sin(2 * np.pi * seconds / 720))
    assert "would save" in found.declined and "changes of the count a day" in found.declined
    assert "3 replicas all the time take 72 pod-hours" in found.declined


def test_flat_traffic_needs_no_hpa() -> None:
    found = scaled(np.full(DAY, 100.0))
    assert found.declined == (
        "minimum and maximum would both be 2: 2 replicas all the time take 48 pod-hours"
    )


def test_an_hpa_that_saves_is_recommended() -> None:
    t = np.arange(DAY) / DAY
    assert scaled(1500 + 1400 * np.sin(2 * np.pi * t)).declined == ""


def test_a_count_that_flaps_gets_a_longer_stabilisation() -> None:
    # Ten busy minutes each quarter of an hour in half of the day: 300 s of stabilisation flap.
    t = np.arange(DAY)
    busy = np.where((t < DAY / 2) & (t % 900 < 450), 3000.0, 100.0)
    found = scaled(busy)
    assert found.declined == ""
    assert found.hpa.scale_down_stabilisation_s > 300
    assert found.run.changes_per_day <= 24


def test_one_second_sets_no_minimum_for_the_day() -> None:
    demand = np.full(DAY, 100.0)
    demand[40_000] = 50_000
    found = scaled(demand, lasting_rps=100.0)
    assert found.hpa.min_replicas.value == 2
    assert found.declined == "" and not found.hpa.survives
    assert "a spike sets no minimum" in found.hpa.notes[-2]
    assert "pod-hours instead of 48" in found.hpa.notes[-2]
    # Without the knowledge that it is a spike, it would.
    assert scaled(demand).hpa.min_replicas.value > 50
