import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.replay.saturation import CLOSE_RATIO, MOST_STEPS, Limits, Search


def searched(first_rps: float, capacity_rps: float) -> tuple[Search, list[float]]:
    search, tried = Search(first_rps), []
    while (rate := search.next_rps) is not None:
        tried.append(rate)
        search.tell(rate, is_held=rate <= capacity_rps)
    return search, tried


def test_doubles_and_then_closes_in() -> None:
    search, tried = searched(100, 900)
    assert tried[:5] == [100, 200, 400, 800, 1600]
    assert search.held_rps is not None and search.broken_rps is not None
    assert search.held_rps <= 900 < search.broken_rps <= search.held_rps * CLOSE_RATIO


@given(st.floats(1, 1e4), st.floats(1, 1e6))
def test_capacity_is_between_the_two(first_rps: float, capacity_rps: float) -> None:
    search, tried = searched(first_rps, capacity_rps)
    assert len(tried) <= MOST_STEPS
    if search.held_rps is None:
        assert search.broken_rps is not None and search.broken_rps <= 1 or capacity_rps < 1
    else:
        assert search.broken_rps is not None
        assert search.held_rps <= capacity_rps < search.broken_rps
        assert search.broken_rps <= search.held_rps * CLOSE_RATIO


def test_first_rate_too_high_goes_down() -> None:
    search, tried = searched(1000, 300)
    assert tried[:3] == [1000, 500, 250]
    assert search.held_rps is not None and 250 <= search.held_rps <= 300


def test_nothing_is_held() -> None:
    search, tried = searched(8, 0)
    assert tried == [8, 4, 2, 1] and search.held_rps is None


def test_endless_capacity_ends() -> None:
    assert len(searched(1, 1e300)[1]) == MOST_STEPS


@pytest.mark.parametrize(
    ("p99_ms", "error_ratio", "achieved_ratio", "words"),
    [
        (100, 0.01, 0.98, None),
        (None, 0, 1, None),
        (101, 0, 1, "p99 101.0 ms, the limit is 100 ms"),
        (1, 0.011, 1, "errors 1.10%"),
        (1, 0, 0.97, "only 97.0% of the offered rate"),
    ],
)
def test_which_limit_is_broken(
    p99_ms: float | None, error_ratio: float, achieved_ratio: float, words: str | None
) -> None:
    broken = Limits(100, 0.01).broken(p99_ms, error_ratio, achieved_ratio)
    assert broken == words or (words is not None and broken is not None and words in broken)


def test_no_latency_limit() -> None:
    assert Limits(None, 0).broken(1e9, 0, 1) is None
