from dataclasses import replace

import numpy as np
import pytest

from estimator.model.demand.scenario import Demand, Observed, demand_of
from estimator.model.figure import Flag
from estimator.model.policy import Policy

DAY = 86_400


def observed(demand: np.ndarray, resolution_s: int = 1, averaging_s: int = 1) -> Observed:
    place = int(np.nanargmax(demand))
    return Observed("all", demand, 0, resolution_s, averaging_s, float(demand[place]), place)


STEADY = observed(np.full(7200, 1000.0))


def demand(seen: Observed = STEADY, **policy: float) -> Demand:
    return demand_of(seen, Policy(**policy))


def test_worked_number_of_the_docstring() -> None:
    found = demand(growth_per_month=0.03, horizon_months=12, event_factor=2.5)
    assert found.growth.value == pytest.approx(1.42576, abs=1e-5)
    assert found.peak.value == pytest.approx(3564.4, abs=0.1)
    assert "3.0% a month for 12 months" in found.peak.reason


def test_one_second_values_need_no_correction() -> None:
    found = demand()
    assert (found.window_correction.value, found.peak.value) == (1, 1000)


def test_minute_means_hide_a_peak() -> None:
    minutes = observed(np.full(60, 100.0), 60, 60)
    found = demand(minutes)
    assert found.window_correction.value > 1.3
    assert Flag.ASSUMED in found.peak.flags
    assert "2.00 times the mean, assumed" in found.peak.reason


def test_given_dispersion_is_taken() -> None:
    minutes = observed(np.full(60, 100.0), 60, 60)
    calm, wild = demand(minutes, dispersion=1), demand(minutes, dispersion=4)
    assert calm.peak.value < wild.peak.value
    assert calm.peak.flags == ()


def test_maxima_of_seconds_need_no_correction() -> None:
    assert demand(observed(np.full(60, 100.0), 60, 1)).peak.value == 100
    assert demand(observed(np.full(60, 100.0), 60, 60), averaging_s=1).peak.value == 100


def daily(maxima: list[float]) -> Observed:
    demand = np.ones((len(maxima), 1440))
    demand[:, 700] = maxima
    return observed(demand.ravel(), 60, 1)


MAXIMA = [100.0 + 10 * (n % 7) for n in range(28)]


def test_return_level_is_shown_and_not_used_unasked() -> None:
    found = demand(daily(MAXIMA))
    assert found.return_level is not None
    assert found.return_level.value > max(MAXIMA)
    assert found.peak.value == max(MAXIMA)


def test_return_level_is_used_when_asked_for() -> None:
    found = demand(daily(MAXIMA), return_days=100)
    assert found.return_level is not None
    assert found.peak.value == found.return_level.value
    assert found.peak.high is not None and found.peak.high > found.peak.value


def test_longer_return_is_never_lower() -> None:
    levels = [demand(daily(MAXIMA), return_days=days).peak.value for days in (1, 2, 30, 365, 3650)]
    assert levels == sorted(levels)
    assert levels[0] >= max(MAXIMA)


def test_under_two_weeks_have_no_return_level() -> None:
    found = demand(daily(MAXIMA[:13]), return_days=100)
    assert found.return_level is None
    assert found.peak.value == max(MAXIMA[:13])
    assert len(found.daily_maxima) == 13


def test_words_say_where_the_peak_is_from() -> None:
    assert demand(replace(STEADY, resolution_s=60)).observed.reason == (
        "maximum over each 60 s bucket of the sum over all"
    )


def test_the_peak_without_a_spike_has_every_factor() -> None:
    spiky = np.full(7200, 100.0)
    spiky[7] = 50_000
    found = demand(observed(spiky), growth_per_month=0.1, horizon_months=1, event_factor=2)
    assert found.peak.value == pytest.approx(110_000)
    assert found.peak_without_spike_rps == pytest.approx(220)
    assert (demand().spike, demand().peak_without_spike_rps) == (None, None)
