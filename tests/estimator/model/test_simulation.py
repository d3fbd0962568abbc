from dataclasses import is_dataclass

from estimator.model.simulation import Simulation


def test_an_answer_cannot_be_changed() -> None:
    assert is_dataclass(Simulation)
    assert Simulation.__dataclass_params__.frozen
