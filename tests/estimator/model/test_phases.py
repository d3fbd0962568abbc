from dataclasses import is_dataclass

from estimator.model.phases import PhaseProjection


def test_an_answer_cannot_be_changed() -> None:
    assert is_dataclass(PhaseProjection)
    assert PhaseProjection.__dataclass_params__.frozen
