from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

from estimator.report.switch_plan.times import clock, day_and_time, duration, ratio

TUESDAY = 1_769_508_000  # 2026-01-27 10:00:00 UTC


def test_day_is_that_of_the_zone() -> None:
    assert day_and_time(TUESDAY, UTC) == "Tuesday 2026-01-27 10:00 UTC"
    assert day_and_time(TUESDAY, ZoneInfo("Europe/Berlin")) == "Tuesday 2026-01-27 11:00 CET"
    tokyo = timezone(timedelta(hours=9))
    assert day_and_time(TUESDAY + 5 * 3600, tokyo) == "Wednesday 2026-01-28 00:00 UTC+09:00"


def test_seconds_are_shown_where_there_are_some() -> None:
    assert clock(TUESDAY, UTC) == "10:00"
    assert clock(TUESDAY + 45, UTC) == "10:00:45"


def test_ratio_has_four_digits() -> None:
    assert [ratio(value) for value in (1.0, 1 / 3, 0.01)] == ["1", "0.3333", "0.01"]


def test_duration_is_of_whole_seconds() -> None:
    assert duration(374.6) == "6m15s"
