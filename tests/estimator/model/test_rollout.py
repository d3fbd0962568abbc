import numpy as np
import pytest

from estimator.model.autoscaling.metric import pod_of
from estimator.model.autoscaling.recommendation import Scaled, recommend
from estimator.model.autoscaling.simulation import Load
from estimator.model.evidence.evidence import gather
from estimator.model.policy import Policy
from estimator.model.rollout import Rollout, rollout_of
from estimator.model.sizing.replicas import size
from estimator.table.load_points import Component, Kind, LoadPoint, Resources


def rolled(peak: float, trough: float = 100, **given: float) -> tuple[Rollout, Scaled]:
    points = tuple(
        LoadPoint(n, 4, 4 * rps, {"app": Resources(rps, 1)})
        for n, rps in enumerate((50.0, 100.0, 200.0, 300.0, 400.0), start=1)
    )
    app = Component("api", Kind.POD, ("*",), {"app": Resources(1000, 1)}, points)
    policy = Policy(**given)
    evidence = gather(app, policy)
    t = np.arange(5760) / 5760
    demand = (peak + trough) / 2 + (peak - trough) / 2 * np.sin(2 * np.pi * t)
    sizing = size(float(demand.max()), evidence, policy)
    pod = pod_of(evidence, {"app": 600.0}, policy)
    scaled = recommend(Load(demand, 0, 15), sizing, evidence, pod, policy)
    return rollout_of(sizing, scaled, policy), scaled


def test_budget_holds_at_the_minimum_of_the_hpa() -> None:
    rollout, scaled = rolled(6000, zones=3)
    budget, least = rollout.disruption_budget.value, scaled.hpa.min_replicas.value
    assert least == 3
    # At the peak a zone, 9 replicas, may be lost; at night that would be all there are.
    assert rollout.after_zone_loss.value - rollout.serving.value == 0
    assert budget == 1
    assert "what the 3 replicas of the HPA's minimum can spare" in rollout.disruption_budget.reason


@pytest.mark.parametrize("peak", [900, 3000, 6000, 20_000])
@pytest.mark.parametrize("trough", [100, 700])
def test_replicas_that_are_left_serve_what_the_hpa_left_to_them(peak: float, trough: float) -> None:
    rollout, scaled = rolled(peak, trough, zones=3)
    budget = int(rollout.disruption_budget.value)
    if scaled.declined:
        assert budget == max(1, rollout.after_pod_loss.value + 1 - rollout.serving.value)
        return
    limit, trigger = scaled.pod.limit_rps, scaled.hpa.trigger_rps.value
    for count in range(int(scaled.hpa.min_replicas.value), int(scaled.hpa.max_replicas.value)):
        left = count - budget
        assert left >= 1
        if budget > 1:
            assert count * trigger * scaled.pod.imbalance <= left * limit * (1 + 1e-9)


def test_fixed_count_may_lose_what_the_peak_does_not_need() -> None:
    rollout, scaled = rolled(3000, lose_pods=3, hpa_min=100)
    assert scaled.hpa.min_replicas.value == scaled.hpa.max_replicas.value
    assert rollout.disruption_budget.value == 3


def test_single_replica_has_no_budget() -> None:
    rollout, _ = rolled(200, min_replicas=1, lose_pods=0)
    assert rollout.disruption_budget.value == 0
    assert "a single replica" in rollout.disruption_budget.reason


def test_a_drain_is_always_possible() -> None:
    rollout, _ = rolled(3000, lose_pods=0)
    assert rollout.disruption_budget.value == 1
    assert "no node can be drained" in rollout.disruption_budget.reason
