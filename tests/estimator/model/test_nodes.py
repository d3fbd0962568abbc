from dataclasses import is_dataclass

from estimator.model.nodes import NodePlan


def test_an_answer_cannot_be_changed() -> None:
    assert is_dataclass(NodePlan)
    assert NodePlan.__dataclass_params__.frozen
