import pytest

from estimator.model.autoscaling.summary import summarise
from tests.estimator.model.autoscaling.test_simulation import POD, load, loop, run


def test_figures_are_those_of_the_run() -> None:
    given_load = load((240, 500), (240, 900))
    found = run(given_load)
    answer = summarise(given_load, found, POD, 20)
    assert answer.fixed_pod_hours.value == 40
    assert answer.pod_hours.value == pytest.approx(28, abs=0.2)
    assert answer.saved.value == pytest.approx(1 - answer.pod_hours.value / 40)
    assert answer.changes.value == 1
    assert (answer.lowest_replicas.value, answer.highest_replicas.value) == (10, 18)


def test_plot_is_bounded_and_keeps_its_extremes() -> None:
    given_load = load((50_000, 500), (1, 5000), (50_000, 500), resolution_s=5)
    found = run(given_load, loop(1, 15))
    plot = summarise(given_load, found, POD, 20).plot
    assert len(plot.desired) == len(plot.replicas) == len(plot.saturated) <= 1000
    assert plot.desired.max() == found.desired.max()
    assert plot.saturated.sum() == 1
    assert plot.replicas.min() == found.ready.min()
