import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.model.demand.peaks import (
    daily_maxima,
    dispersion,
    expected_peak,
    gumbel,
)

DAY = 86_400


def test_worked_peak_of_the_docstring() -> None:
    assert expected_peak(np.array([100.0]), 60, 1, 2) == pytest.approx(130.1, abs=0.05)


def test_peak_of_simulated_arrivals_is_met() -> None:
    # For a day of Poisson arrivals, compare the highest second with the estimate from minutes.
    random = np.random.default_rng(1)
    ratios = []
    for _ in range(20):
        rate = 150 + 100 * np.sin(np.linspace(0, 2 * math.pi, 7200))
        seconds = random.poisson(rate).astype(float)
        minutes = seconds.reshape(-1, 60).mean(axis=1)
        ratios.append(seconds.max() / expected_peak(minutes, 60, 1, 1.0))
    assert np.median(ratios) == pytest.approx(1, abs=0.05)


def test_few_requests_have_a_heavier_tail() -> None:
    random = np.random.default_rng(2)
    seconds = random.poisson(1.0, 60 * 1440).astype(float)
    minutes = seconds.reshape(-1, 60).mean(axis=1)
    found = expected_peak(minutes, 60, 1, 1.0)
    assert seconds.max() - 2 <= found <= seconds.max() + 2
    normal = minutes.max() + 4.2 * math.sqrt(minutes.max())
    assert found > normal


def test_nothing_averaged_is_the_highest_value() -> None:
    assert expected_peak(np.array([1.0, 7.0, np.nan]), 1, 1, 2) == 7


# Below one request per window, most windows have none.
@given(st.lists(st.floats(1, 1e5), min_size=1, max_size=50), st.floats(1, 5), st.floats(1, 5))
def test_more_scatter_never_a_lower_peak(means: list[float], a: float, b: float) -> None:
    demand = np.array(means)
    calm, wild = (expected_peak(demand, 60, 1, scatter) for scatter in sorted((a, b)))
    assert max(means) <= calm
    # The two tails meet at ten requests, where they differ slightly.
    assert calm <= wild * 1.02 + 1e-6


def test_bursts_that_last_are_not_taken_for_scatter() -> None:
    random = np.random.default_rng(5)
    lasting = np.interp(np.arange(86_400), np.arange(4321) * 20, random.gamma(4, 0.25, 4321))
    seconds = random.poisson(400 * (0.8 + 0.2 * lasting)).astype(float)
    means = seconds.reshape(-1, 10).mean(axis=1)
    # Their variance is about thirty times the mean over 10 s, and four times over 1 s.
    assert dispersion(means, 10, 10) > 20
    assert 3 < dispersion(means, 10, 1) < 10


def test_poisson_has_dispersion_one() -> None:
    series = np.random.default_rng(3).poisson(200, 7200).astype(float)
    assert dispersion(series, 1) == pytest.approx(1, abs=0.06)


def test_bursts_raise_the_dispersion() -> None:
    random = np.random.default_rng(4)
    series = random.poisson(random.gamma(100, 2, 7200)).astype(float)
    # A Poisson count over gamma(100, scale 2) has a dispersion of 1 + 2.
    assert dispersion(series, 1) == pytest.approx(3, abs=0.25)


def test_moving_mean_takes_nothing_away() -> None:
    # The window has thirty buckets of ten seconds, so each contributes a thirtieth of its mean.
    random = np.random.default_rng(7)
    series = random.poisson(random.gamma(1000, 2, 86_400)) / 10
    assert dispersion(series, 10) == pytest.approx(3, abs=0.045)


def test_slow_change_is_no_dispersion() -> None:
    series = np.random.default_rng(5).poisson(np.linspace(100, 900, 7200)).astype(float)
    assert dispersion(series, 1) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("series", "averaging"),
    [(np.ones(3000), 1), (np.ones(7200), 60), (np.zeros(7200), 1), (np.full(7200, np.nan), 1)],
)
def test_dispersion_that_cannot_be_told_is_none(series: np.ndarray, averaging: int) -> None:
    assert dispersion(series, averaging) is None


def test_gaps_are_no_bursts() -> None:
    series = np.random.default_rng(6).poisson(200, 7200).astype(float)
    series[3000:4000] = np.nan
    assert dispersion(series, 1) == pytest.approx(1, abs=0.06)


def test_days_are_utc_and_half_observed() -> None:
    demand = np.ones(3 * 1440)
    demand[10], demand[2000] = 9, 5
    demand[1440 * 2 + 100 :] = np.nan
    assert daily_maxima(demand, DAY, 60) == [(DAY, 9), (2 * DAY, 5)]


def test_published_gumbel_level() -> None:
    # With mean 100 and standard deviation 10, sigma is 7.797, mu is 95.50, and the level is 131.4.
    values = [100 + 10 * math.sqrt(27 / 28) * (-1) ** n for n in range(28)]
    law = gumbel(values)
    assert law is not None
    assert (law.scale, law.location) == pytest.approx((7.797, 95.50), abs=0.01)
    assert law.level(100) == pytest.approx(131.37, abs=0.02)
    assert law.level_error(100) == pytest.approx(7.3, abs=0.2)


def test_fewer_than_fourteen_days_have_no_law() -> None:
    assert gumbel([100.0] * 13) is None


def test_a_long_series_is_not_in_memory_many_times() -> None:
    demand = np.arange(200_000.0) % 7
    tracemalloc.start()
    dispersion(demand, 1)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    daily_maxima(demand, 0, 1)
    _, most_of_days = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5 * demand.nbytes
    assert most_of_days < demand.nbytes
