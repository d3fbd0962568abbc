from collections import Counter

import pytest

from estimator.migration.switch_plan.parts import Part, parts_of
from estimator.model.demand.traffic import Traffic
from estimator.model.policy import Policy
from estimator.model.projection import project
from estimator.series.ended_legs import EndedLegs
from tests.estimator.migration.switch_plan.cases import recorded, table


def part(policy: Policy, is_flat: bool = False) -> Part:
    series = recorded(is_flat=is_flat)
    projection = project(series, table(), policy)
    return parts_of(Traffic(series), table(), policy, projection)[0]


def test_hpa_is_the_recommended_one() -> None:
    found = part(Policy())
    hpa = found.projection.hpa
    assert hpa is not None
    assert (found.loop.min_replicas, found.loop.max_replicas) == (
        hpa.min_replicas.value,
        hpa.max_replicas.value,
    )
    assert found.loop.target == hpa.target_percent.value / 100
    assert found.released == hpa.min_replicas.value


def test_pod_is_that_of_the_projection() -> None:
    found = part(Policy())
    hpa = found.projection.hpa
    assert hpa is not None
    assert found.pod.rps_at(found.loop.target) == pytest.approx(hpa.rps_target.value)


def test_fixed_count_is_simulated_as_an_hpa_of_the_policy() -> None:
    found = part(Policy(min_replicas=3, target_utilisation=0.5), is_flat=True)
    assert found.projection.hpa is None
    assert (found.loop.min_replicas, found.loop.target) == (3, 0.5)
    assert found.loop.max_replicas == found.released == found.projection.replicas.value


def test_growth_and_event_are_one_factor() -> None:
    found = part(Policy(growth_per_month=0.1, horizon_months=2, event_factor=2))
    assert found.growth == pytest.approx(1.21 * 2)


def test_quota_below_the_minimum_bounds_both() -> None:
    series = recorded(is_flat=True)
    series.rps.setflags(write=True)
    series.rps[:] /= 20
    policy = Policy(min_replicas=3, hpa_max=1)
    projection = project(series, table(), policy)
    (found,) = parts_of(Traffic(series), table(), policy, projection)
    assert (found.loop.min_replicas, found.loop.max_replicas) == (1, 1)


def test_what_its_copies_met_is_its_own() -> None:
    series, policy = recorded(), Policy()
    projection = project(series, table(), policy)
    legs = {
        tag: EndedLegs(compared=Counter({"same": 900, "app_error": 100})) for tag in series.routes
    }
    (found,) = parts_of(Traffic(series), table(), policy, projection, legs=legs)
    assert found.compared is not None and found.compared.rehearsal.copies.errors >= 100
    (doubt,) = found.new_error_doubts
    assert doubt.startswith(f"{found.projection.name}: 10% of ")
    assert list(part(policy).new_error_doubts) == []
