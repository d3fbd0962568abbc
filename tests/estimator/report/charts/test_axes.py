import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.report.charts.axes import Axis, instant, short_number, ticks, time_ticks

NOON = 1_767_268_800  # 2026-01-01 12:00:00 UTC


def test_pixels_lie_in_proportion() -> None:
    axis = Axis(0, 200, 300, 100)
    assert [axis.px(value) for value in (0, 50, 200)] == [300, 250, 100]


@pytest.mark.parametrize(
    ("high", "expected"),
    [
        (943, (0, 200, 400, 600, 800, 1000)),
        (1, (0, 0.2, 0.4, 0.6, 0.8, 1)),
        (0.07, (0, 0.02, 0.04, 0.06, 0.08)),
        (12_000, (0, 5000, 10_000, 15_000)),
    ],
)
def test_ticks_are_round(high: float, expected: tuple[float, ...]) -> None:
    assert ticks(high) == expected


@given(st.floats(1e-6, 1e12))
def test_ticks_reach_the_highest_value(high: float) -> None:
    found = ticks(high)
    assert found[-1] >= high * (1 - 1e-9)
    assert 2 <= len(found) <= 12


def test_ticks_of_an_hour_are_round_minutes() -> None:
    labels = [label for _, label in time_ticks(NOON + 7, NOON + 3607)]
    assert labels == ["12:15", "12:30", "12:45", "13:00"]


def test_midnight_is_named_by_its_day() -> None:
    assert (NOON + 12 * 3600, "2 Jan") in time_ticks(NOON, NOON + 86_400)


def test_ticks_of_a_month_are_days() -> None:
    found = time_ticks(NOON, NOON + 30 * 86_400)
    assert all(second % 86_400 == 0 for second, _ in found)
    assert 3 <= len(found) <= 9


@given(st.integers(0, 2**33), st.integers(1, 10**9))
def test_ticks_of_time_stay_within_the_span(start: int, length: int) -> None:
    found = time_ticks(start, start + length)
    assert all(start <= second <= start + length for second, _ in found)
    assert len(found) <= 40


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (0.5, "0.5"), (800, "800"), (12_000, "12k"), (3.5e6, "3.5M")]
)
def test_tick_labels_are_short(value: float, words: str) -> None:
    assert short_number(value) == words


def test_an_instant_is_told_in_utc() -> None:
    assert instant(NOON) == "2026-01-01 12:00:00 UTC"
