from dataclasses import is_dataclass

from estimator.model.figure import Figure


def test_an_answer_cannot_be_changed() -> None:
    assert is_dataclass(Figure)
    assert Figure.__dataclass_params__.frozen
