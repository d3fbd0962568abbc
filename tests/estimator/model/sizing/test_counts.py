import pytest

from estimator.errors import Refused
from estimator.model.evidence.evidence import Evidence, gather
from estimator.model.policy import Policy
from estimator.model.sizing.counts import refuse_retrograde, replicas_for
from estimator.table.load_points import Component, Kind, LoadPoint, Resources


def evidence(*served: tuple[int, float]) -> Evidence:
    """Return rows of so many replicas, each of which serves so much with 200m."""
    usage = {"app": Resources(200, 1)}
    rows = [LoadPoint(k, n, n * rps, usage) for k, (n, rps) in enumerate(served, start=1)]
    return gather(Component("api", Kind.POD, ("*",), {"app": Resources(500, 1)}, rows), Policy())


def test_worked_number_of_the_docstring() -> None:
    found = evidence((1, 100), (5, 80))
    assert (replicas_for(266, 100, found), replicas_for(336, 100, found)) == (3, 4)


def test_without_a_loss_it_is_a_division() -> None:
    found = evidence((1, 100), (4, 100))
    assert replicas_for(300, 100, found) == 3
    assert replicas_for(300.1, 100, found) == 4


def test_capacity_is_that_of_the_stated_count() -> None:
    found = evidence((1, 100), (5, 80)).among(5, Policy())
    assert replicas_for(400, 80, found) == 5
    assert replicas_for(100, 80, found) == 1


def test_reserve_that_costs_more_than_it_serves_is_refused() -> None:
    falling = evidence((1, 100), (8, 50), (16, 20))
    refuse_retrograde(320, 100, 16, falling)
    with pytest.raises(Refused, match="16 replicas, those in reserve included, serve 320 rps"):
        refuse_retrograde(321, 100, 16, falling)
