from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from estimator.model.demand.hours import (
    MOST_TIMES,
    Basis,
    Window,
    expected_load,
    is_seen,
    same_times,
    with_dispersion,
)
from estimator.model.demand.scenario import Observed
from estimator.model.policy import Policy

HOUR = 3_600
WEEK = 7 * 86_400
MONDAY = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
TUESDAY_10 = MONDAY + 34 * HOUR
POLICY = Policy(dispersion=2.0)


def observed(weeks: float, **rps_at: float) -> Observed:
    """Return minutes of 100 rps from a Monday on, with other rps at `w<week>_<minute of week>`."""
    demand = np.full(int(weeks * WEEK / 60), 100.0)
    for name, rps in rps_at.items():
        week, minute = name[1:].split("_")
        demand[int(week) * WEEK // 60 + int(minute)] = rps
    return Observed("all routes", demand, MONDAY, 60, 1, float(np.nanmax(demand)), MONDAY)


def window(second: int, minutes: int = 30) -> Window:
    return Window(second, minutes * 60, UTC)


def test_worked_steps_of_the_docstring() -> None:
    # 10:00 on Tuesday is minute 2040 of the week.
    series = observed(2, w0_2050=800, w1_2095=1000, w1_2130=1400)
    early = expected_load(series, window(TUESDAY_10 + 2 * WEEK + 900), POLICY)
    assert (early.rps, early.low_rps, early.basis, early.times) == (1000, 800, Basis.WEEKS, 2)
    late = expected_load(series, window(TUESDAY_10 + 2 * WEEK + 2700), POLICY)
    assert (late.rps, late.low_rps) == (1400, 800)


def test_hours_are_those_of_the_zone() -> None:
    half = timezone(timedelta(hours=5, minutes=30))
    # 10:15 UTC is 15:45 there: the hour from 15:00 to 16:00 is the one from 9:30 to 10:30 UTC.
    hours = Window(TUESDAY_10 + 900, 600, half).hours()
    assert (hours.second, hours.duration_s) == (TUESDAY_10 - 1800, HOUR)
    whole = Window(TUESDAY_10, HOUR, UTC)
    assert whole.hours() == whole


def test_summer_time_shifts_no_week() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    # The clock changed on 2026-03-29: 10:00 is 9:00 UTC before and 8:00 UTC after it.
    at = int(datetime(2026, 3, 31, 10, tzinfo=berlin).timestamp())
    demand = np.ones(4 * WEEK // 60)
    start = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
    series = Observed("all routes", demand, start, 60, 1, 1.0, start)
    seconds = list(same_times(series, Window(at, HOUR, berlin)))
    assert [datetime.fromtimestamp(second, UTC).hour for second in seconds] == [9, 9, 9, 9]
    assert [at - second for second in seconds][0] == WEEK - HOUR


def test_day_that_was_not_recorded_is_that_of_others() -> None:
    series = observed(3 / 7, w0_600=300, w0_2040=500)
    friday = MONDAY + 4 * 86_400 + 10 * HOUR
    load = expected_load(series, window(friday), POLICY)
    assert (load.rps, load.low_rps, load.basis, load.times) == (500, 100, Basis.DAYS, 3)


def test_hour_that_was_never_recorded_is_everything() -> None:
    series = observed(1 / 84, w0_60=300)  # two hours
    load = expected_load(series, window(TUESDAY_10), POLICY)
    assert (load.rps, load.basis) == (300, Basis.EVERYTHING)


def test_week_counts_where_half_of_it_was_observed() -> None:
    series = observed(2, w1_2050=900)
    series.demand[2040:2075] = np.nan  # 35 minutes of the first Tuesday from 10:00 on
    load = expected_load(series, window(TUESDAY_10 + 2 * WEEK), POLICY)
    assert load.times == 1
    assert not is_seen(series, TUESDAY_10, HOUR)
    assert is_seen(series, TUESDAY_10 - 1800, HOUR)


def test_averaged_values_are_corrected_as_of_the_peak() -> None:
    # The worked number of peaks.py: a minute of 100 rps hides seconds of 130.1.
    demand = np.zeros(WEEK // 60)
    demand[2040] = 100.0
    series = Observed("all routes", demand, MONDAY, 60, 60, 100.0, MONDAY)
    load = expected_load(series, window(TUESDAY_10 + WEEK), POLICY)
    # The bins of peaks.py may be a thousandth too high.
    assert load.rps == pytest.approx(130.1, rel=2e-3)


def test_latest_times_come_first_and_are_bounded() -> None:
    series = observed(100)
    seconds = list(same_times(series, window(TUESDAY_10 + 100 * WEEK)))
    assert seconds[0] == TUESDAY_10 + 99 * WEEK
    assert MOST_TIMES - 2 <= len(seconds) <= MOST_TIMES


def test_time_before_the_series_is_found_in_it() -> None:
    seconds = list(same_times(observed(2), window(TUESDAY_10 - 5 * WEEK)))
    assert seconds == [TUESDAY_10 + WEEK, TUESDAY_10]


def test_dispersion_is_that_of_the_series() -> None:
    noisy = np.random.default_rng(1).poisson(50, 86_400) * 1.0
    series = Observed("all routes", noisy, MONDAY, 1, 1, float(noisy.max()), MONDAY)
    assert with_dispersion(Policy(), series).dispersion == pytest.approx(1, abs=0.1)
    assert with_dispersion(POLICY, series) is POLICY
