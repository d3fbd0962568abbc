from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from estimator.errors import Refused
from estimator.migration.switch_plan.timetable import Timetable, easiest_start
from estimator.model.demand.scenario import Observed
from estimator.model.policy import Policy

HOUR = 3_600
DAY = 86_400
MONDAY = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
POLICY = Policy(dispersion=2.0)
NEXT_MONDAY = MONDAY + 7 * DAY


def observed(days: int = 7, **rps_at: float) -> Observed:
    """Return hours of 500 rps from a Monday on, with other rps at `d<day>_<hour>`."""
    demand = np.full(days * 24, 500.0)
    for name, rps in rps_at.items():
        day, hour = name[1:].split("_")
        demand[int(day) * 24 + int(hour)] = rps
    return Observed("all routes", demand, MONDAY, HOUR, 1, 500.0, MONDAY)


def start(series: Observed, hold_s: int, percents: tuple[int, ...], zone: tzinfo = UTC) -> datetime:
    chosen = easiest_start(series, Timetable(0, hold_s, percents, zone), POLICY)
    return datetime.fromtimestamp(chosen, zone)


def test_worked_choice_of_the_docstring() -> None:
    series = observed(d2_9=100, d2_10=80, d2_11=120)
    assert start(series, HOUR, (100,)) == datetime(2026, 1, 14, 10, tzinfo=UTC)
    assert start(series, HOUR, (50, 100)) == datetime(2026, 1, 14, 9, tzinfo=UTC)


def test_warm_up_is_a_part_of_the_steps() -> None:
    # The hour before 10:00 is the highest of all, and copies come in its last minutes.
    series = observed(d2_9=900, d2_10=80, d2_12=90)
    timetable = Timetable(0, HOUR, (100,), UTC, lead_s=420)
    chosen = datetime.fromtimestamp(easiest_start(series, timetable, POLICY), UTC)
    assert chosen == datetime(2026, 1, 12, 9, tzinfo=UTC)
    assert timetable.window(0).second == -420
    assert timetable.window(0).duration_s == 420 + HOUR


def test_nights_and_weekends_are_nobody_s_working_hours() -> None:
    series = observed(d1_3=1, d1_8=1, d1_17=1, d5_12=1, d6_12=1, d4_16=400)
    assert start(series, HOUR, (100,)) == datetime(2026, 1, 16, 16, tzinfo=UTC)
    # Two hours from 16:00 on would end after 17:00; the first of equals stands.
    assert start(series, HOUR, (50, 100)) == datetime(2026, 1, 12, 9, tzinfo=UTC)


def test_hours_are_those_of_the_zone() -> None:
    tokyo = ZoneInfo("Asia/Tokyo")
    series = observed(d1_1=10)  # 10:00 in Tokyo
    assert start(series, HOUR, (100,), tokyo) == datetime(2026, 1, 13, 10, tzinfo=tokyo)


def test_steps_of_more_than_a_day_of_work_begin_at_nine() -> None:
    chosen = start(observed(d3_9=1), 4 * HOUR, (1, 50, 100))
    assert (chosen.hour, chosen.minute) == (9, 0)


def test_day_that_was_not_observed_is_as_the_others() -> None:
    # Monday alone was recorded: its hours stand for every day.
    chosen = start(observed(days=1, d0_13=10), HOUR, (100,))
    assert (chosen.date().isoformat(), chosen.hour) == ("2026-01-06", 13)


def test_no_working_hour_is_refused() -> None:
    series = observed(days=1)
    series.demand[6:] = np.nan
    with pytest.raises(Refused, match="no hour from 9:00 to 17:00 was observed"):
        start(series, HOUR, (100,))


def test_steps_follow_each_other() -> None:
    timetable = Timetable(MONDAY, 1800, (1, 50, 100), UTC)
    assert [timetable.begins(step) - MONDAY for step in range(3)] == [0, 1800, 3600]
    assert timetable.end - MONDAY == 5400
    assert timetable.window(1).second == MONDAY + 1800
    assert timetable.whole.duration_s == 5400
