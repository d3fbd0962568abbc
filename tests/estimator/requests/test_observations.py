"""Checks the values that all sources of requests have in common."""

import pytest

from estimator.requests.observations import Observation
from estimator.routing.request import Request


def test_an_observation_is_a_value() -> None:
    first, second = (Observation(Request("a", "GET", "/"), 2, 1.0, 3.0) for _ in range(2))
    assert first == second
    assert first.statuses == {}
    assert not first.is_sample
    with pytest.raises(AttributeError):
        first.count = 3  # type: ignore[misc]
