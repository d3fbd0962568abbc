import numpy as np
import pytest

from estimator.model.demand.spikes import Spike, spike_of

DAY = 86_400


def test_one_second_of_fifty_thousand_is_a_spike() -> None:
    demand = np.full(DAY, 100.0)
    demand[40_000] = 50_000
    demand[:1000] = np.nan
    assert spike_of(demand, 1, 1) == Spike(1, 100)


@pytest.mark.parametrize(("seconds", "is_spike"), [(2, True), (10, True), (11, False)])
def test_few_seconds_anywhere_are_a_spike(seconds: int, is_spike: bool) -> None:
    demand = np.full(DAY, 100.0)
    demand[:: DAY // seconds][:seconds] = 300
    assert (spike_of(demand, 1, 1) == Spike(seconds, 100)) is is_spike


def test_a_single_minute_is_a_spike_and_an_hour_is_not() -> None:
    demand = np.full(10_080, 100.0)
    demand[500] = 700
    assert spike_of(demand, 60, 1) == Spike(60, 100)
    assert spike_of(demand, 300, 300) is None


def test_scatter_and_what_lasts_are_no_spike() -> None:
    random = np.random.default_rng(1)
    for mean in (0.001, 0.1, 1, 10, 1000):
        assert spike_of(random.poisson(mean, 7 * DAY).astype(float), 1, 1) is None
    day = np.full(DAY, 100.0)
    day[40_000:40_060] = 1000
    assert spike_of(day, 1, 1) is None


def test_all_requests_in_one_second_leave_no_rest() -> None:
    demand = np.zeros(DAY)
    demand[7] = 500
    assert spike_of(demand, 1, 1) == Spike(1, 0)
    # Ten minutes are too few to say what is rare.
    assert spike_of(demand[:600], 1, 1) is None
