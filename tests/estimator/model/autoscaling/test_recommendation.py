import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.model.autoscaling.metric import pod_of
from estimator.model.autoscaling.recommendation import Scaled, explain_hpa, recommend, steepest_ramp
from estimator.model.autoscaling.simulation import Load, Pod
from estimator.model.evidence.evidence import Evidence, gather
from estimator.model.policy import Policy
from estimator.model.sizing.replicas import Sizing, size
from estimator.table.load_points import Component, Kind, LoadPoint, Resources

DAY = 86_400


def component(**measured: object) -> Component:
    points = tuple(
        LoadPoint(n, 4, 4 * rps, {"app": Resources(rps, 1), "proxy": Resources(rps / 4, 1)})
        for n, rps in enumerate((50.0, 100.0, 200.0, 300.0, 400.0), start=1)
    )
    requests = {"app": Resources(1000, 1), "proxy": Resources(500, 1)}
    return Component("api", Kind.POD, ("*",), requests, points)


def wave(peak: float, trough: float = 300, days: int = 1) -> np.ndarray:
    t = np.arange(days * DAY // 15) * 15 / DAY
    return (peak + trough) / 2 + (peak - trough) / 2 * np.sin(2 * np.pi * t)


def scaled(demand: np.ndarray, **policy: Any) -> tuple[Scaled, Sizing, Evidence, Pod]:
    chosen = Policy(**policy)
    evidence = gather(component(), chosen)
    sizing = size(float(np.nanmax(demand)), evidence, chosen)
    requests = {"app": 600.0, "proxy": 150.0}
    pod = pod_of(evidence, requests, chosen)
    load = Load(demand, 0, 15)
    return recommend(load, sizing, evidence, pod, chosen), sizing, evidence, pod


def test_trigger_has_the_bounds_of_the_curve() -> None:
    found, *_ = scaled(wave(3000))
    trigger = found.hpa.trigger_rps
    assert trigger.low is not None and trigger.high is not None
    assert trigger.low < trigger.value < trigger.high
    # More CPU than expected triggers scaling earlier.
    *_, pod = scaled(wave(3000))
    assert pod.utilisation_at(trigger.low) < pod.utilisation_at(trigger.value)


def test_gentle_day_survives_with_the_first_choice() -> None:
    found, sizing, _, pod = scaled(wave(3000))
    hpa = found.hpa
    assert hpa.survives and hpa.notes == ()
    assert hpa.max_replicas.value == sizing.replicas
    assert hpa.trigger_rps.value < pod.limit_rps
    assert hpa.rps_target.value == pytest.approx(hpa.trigger_rps.value / 1.1, rel=0.02)


def test_target_brings_the_sized_replicas_at_the_peak() -> None:
    found, sizing, _, _ = scaled(wave(3000))
    assert found.run.desired.max() == sizing.replicas


def test_steep_ramps_all_day_lower_the_target() -> None:
    calm, *_ = scaled(wave(3000))
    bursts = np.where(np.arange(5760) % 240 < 40, 1.7, 1.0)
    found, *_ = scaled(wave(3000, trough=100) * bursts)
    # Growth counts from the load that the minimum of replicas carries.
    assert 1.5 < found.hpa.steepest_ramp.value <= 1.8
    assert found.hpa.target_percent.value < calm.hpa.target_percent.value
    assert found.hpa.target_percent.constraint == "the steepest ramp"
    assert found.hpa.survives


def test_one_steep_ramp_is_met_by_the_minimum_where_that_is_cheaper() -> None:
    calm, *_ = scaled(wave(3000))
    steep = np.concatenate([np.full(4000, 1500.0), np.full(1760, 3000.0)])
    found, *_ = scaled(steep)
    assert found.hpa.target_percent.value == calm.hpa.target_percent.value
    assert found.hpa.min_replicas.value == 9
    assert "fewer pod-hours than 33 %" in found.hpa.target_percent.reason
    assert found.hpa.survives


def test_jump_that_no_target_survives_raises_the_minimum() -> None:
    jump = np.concatenate([np.full(4000, 100.0), np.full(400, 4000.0), np.full(1360, 100.0)])
    found, sizing, _, _ = scaled(jump)
    assert found.hpa.survives
    assert found.hpa.min_replicas.value > 2
    assert "raised to survive the series" in found.hpa.min_replicas.reason
    assert "is saturated for" in found.hpa.notes[0]
    assert found.hpa.min_replicas.value <= sizing.replicas


def test_what_cannot_survive_says_when_and_how_far() -> None:
    jump = np.concatenate([np.full(4000, 100.0), np.full(400, 4000.0), np.full(1360, 100.0)])
    found, *_ = scaled(jump, hpa_max=8)
    assert not found.hpa.survives
    assert found.hpa.max_replicas.value == 8
    assert "2 ready of 11 needed" in found.hpa.notes[-1]
    assert "does not survive its series" in found.hpa.notes[-1]


def test_cpu_that_does_not_follow_rps_is_said() -> None:
    points = tuple(LoadPoint(n, 9, 900.0 * n, {"app": Resources(1, 1)}) for n in (1, 2, 3, 4))
    still = Component("api", Kind.POD, ("*",), {"app": Resources(500, 1)}, points)
    policy = Policy()
    evidence = gather(still, policy)
    sizing = size(3000, evidence, policy)
    pod = pod_of(evidence, {"app": 500.0}, policy)
    found = recommend(Load(wave(3000), 0, 15), sizing, evidence, pod, policy)
    assert "cpu hardly follows rps here" in found.hpa.notes[-1]


@pytest.mark.parametrize(
    ("policy", "least", "reason"),
    [
        ({}, 2, "min replicas"),
        ({"min_replicas": 5}, 5, "min replicas"),
        ({"hpa_min": 4}, 4, "lowest minReplicas of the policy"),
        ({"zones": 3}, 3, "one in each of 3 zones"),
        ({"lose_pods": 3}, 4, "one left when 3 are lost"),
    ],
)
def test_minimum_has_its_reason(policy: dict[str, float], least: int, reason: str) -> None:
    found, *_ = scaled(wave(3000, trough=10), **policy)
    assert found.hpa.min_replicas.value == least
    assert found.hpa.min_replicas.reason == reason


def test_quiet_hours_have_their_minimum() -> None:
    found, *_ = scaled(wave(3000, trough=2000))
    assert found.hpa.min_replicas.value > 2
    assert "exceeds 95 % of the time" in found.hpa.min_replicas.reason


def test_ramp_is_growth_within_the_lag() -> None:
    demand = np.array([100.0, 100, 150, 300, 300, np.nan, 900])
    assert steepest_ramp(Load(demand, 0, 15), 30, 0) == pytest.approx(3)
    # A rise within the capacity of the minimum of replicas is no ramp.
    assert steepest_ramp(Load(demand, 0, 15), 30, 250) == pytest.approx(3)
    assert steepest_ramp(Load(demand[:5], 0, 15), 30, 250) == pytest.approx(300 / 250)
    assert steepest_ramp(Load(demand[:2], 0, 15), 90, 0) == 1


@settings(max_examples=25)
@given(
    st.lists(st.floats(10, 3000), min_size=10, max_size=80),
    st.floats(0, 120),
)
def test_recommendation_survives_its_own_series(rps: list[float], start_s: float) -> None:
    # Without a quota the sized replicas always suffice.
    found, sizing, _, _ = scaled(np.repeat(rps, 8), pod_start_s=start_s)
    assert found.hpa.survives
    assert found.hpa.min_replicas.value <= found.hpa.max_replicas.value == sizing.replicas


def test_target_is_of_the_container_that_the_hpa_reads() -> None:
    found, sizing, _, pod = scaled(wave(3000), hpa_metric="container")
    whole, *_ = scaled(wave(3000))
    assert (found.hpa.container, whole.hpa.container) == ("app", "")
    # A millicore of app for each rps, of its own 600 m.
    at_peak = min(sizing.rps_per_replica, pod.limit_rps / pod.imbalance) / 1.1
    assert found.hpa.target_percent.value == pytest.approx(100 * at_peak / 600, abs=1)
    assert found.hpa.trigger_rps.value == pytest.approx(
        found.hpa.target_percent.value / 100 * 1.1 * 600, rel=0.01
    )


def test_arithmetic_names_the_container_that_the_hpa_reads() -> None:
    requests = {"app": 600.0, "proxy": 150.0}
    for policy, words in (({"hpa_metric": "container"}, "c / request of app"), ({}, "sum c /")):
        found, sizing, *_ = scaled(wave(3000), **policy)
        (line,) = [
            line
            for line in explain_hpa(found, sizing, requests)
            if line.result is found.hpa.target_percent
        ]
        assert words in line.formula
        used, over = re.findall(r"floor\(100 \* ([\d.]+) / ([\d.]+)", line.substituted)[0]
        assert float(over) == (600 if policy else 750)
        assert int(100 * float(used) / float(over) + 0.001) == line.result.value
