from dataclasses import is_dataclass

from estimator.model.rate_limits import RateLimits


def test_an_answer_cannot_be_changed() -> None:
    assert is_dataclass(RateLimits)
    assert RateLimits.__dataclass_params__.frozen
