from dataclasses import is_dataclass

from estimator.model.component import ComponentProjection


def test_an_answer_cannot_be_changed() -> None:
    assert is_dataclass(ComponentProjection)
    assert ComponentProjection.__dataclass_params__.frozen
