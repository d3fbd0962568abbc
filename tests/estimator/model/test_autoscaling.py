from dataclasses import is_dataclass

from estimator.model.autoscaling import HpaRecommendation


def test_an_answer_cannot_be_changed() -> None:
    assert is_dataclass(HpaRecommendation)
    assert HpaRecommendation.__dataclass_params__.frozen
