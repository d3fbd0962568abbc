"""Which assumptions move the answer most, against the answers without them."""

from dataclasses import replace

import pytest

from estimator.model.figure import Assumption, Figure, Flag
from estimator.model.policy import Policy
from estimator.model.projection import Projection
from estimator.model.weights import SHOWN, heaviest
from tests.estimator.model.test_projection import API, GATEWAY, answer, series

TRAFFIC = series(api=900, watch=900)


def weights(policy: Policy) -> dict[str, float | None]:
    projection = answer(TRAFFIC, API, GATEWAY, policy=policy)
    return {
        weight.assumption.name: weight.factor.value if weight.factor else None
        for weight in projection.heaviest
    }


def requested(policy: Policy) -> float:
    return answer(TRAFFIC, API, GATEWAY, policy=policy).total.cpu_request.value


def test_a_factor_is_what_the_answer_falls_by_without_the_assumption() -> None:
    policy = Policy(zones=3, growth_per_month=0.05, imbalance=1)
    with_all = requested(policy)
    without_growth = with_all / requested(replace(policy, growth_per_month=0.0))
    assert weights(policy)["growth per month"] == pytest.approx(without_growth, rel=0.1)
    fewer = with_all / requested(replace(policy, zones=1, lose_pods=0))
    assert weights(policy)["zones"] == pytest.approx(fewer, rel=0.1)


def test_the_heaviest_comes_first_after_those_of_unknown_weight() -> None:
    found = weights(Policy(event_factor=3.0))
    assert list(found) == ["linear scaling", "event factor", "target utilisation"]
    assert found["linear scaling"] is None
    assert found["event factor"] == pytest.approx(3)
    assert found["target utilisation"] == pytest.approx(1 / 0.6)


def test_the_reserve_is_that_of_the_constraint_that_decided() -> None:
    policy = Policy(target_utilisation=1.0, imbalance=1, min_replicas=60)
    projection = answer(TRAFFIC, API, policy=policy)
    (part,) = projection.components
    assert part.rollout is not None
    found = weights_of(projection, policy)
    assert found["min replicas"] == 60 / part.rollout.serving.value


def weights_of(projection: Projection, policy: Policy) -> dict[str, float]:
    listed = heaviest(projection.components, policy, projection.assumptions)
    return {w.assumption.name: w.factor.value for w in listed if w.factor is not None}


def test_what_changes_nothing_has_no_weight() -> None:
    policy = Policy(target_utilisation=1.0, imbalance=1, lose_pods=0, min_replicas=1)
    assert weights(policy) == {}


def test_only_as_many_are_named_as_a_reader_changes() -> None:
    policy = Policy(zones=3, growth_per_month=0.05, event_factor=2.0)
    assert len(weights(policy)) == SHOWN


def test_a_factor_over_components_weighs_them_by_their_cpu() -> None:
    # The worked example of the module.
    (part,) = answer(TRAFFIC, API, policy=Policy(zones=3)).components
    assert part.rollout is not None

    def sized(replicas: int, serving: int, cpu: float) -> object:
        limit = replace(part.constraints[0], name="loss of a zone", replicas=replicas)
        assert part.rollout is not None
        return replace(
            part,
            replicas=Figure(replicas, "replicas", ""),
            constraints=(limit,),
            total=replace(part.total, cpu_request=Figure(cpu, "millicores", "")),
            rollout=replace(part.rollout, serving=Figure(serving, "replicas", "")),
        )

    zones = Assumption("zones", "3", "given", False)
    (weight,) = heaviest((sized(9, 6, 6000), sized(4, 3, 3000)), Policy(), [zones])  # type: ignore[arg-type]
    assert weight.factor is not None
    assert weight.factor.value == pytest.approx(1.44)


def test_extrapolation_is_named_with_its_components() -> None:
    (part,) = answer(TRAFFIC, API).components
    flagged = replace(part, replicas=replace(part.replicas, flags=(Flag.EXTRAPOLATED,)))
    (weight, *_) = heaviest((flagged,), Policy(), [])
    assert (weight.assumption.name, weight.assumption.value) == ("extrapolation", "api")
