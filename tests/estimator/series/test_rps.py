import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.series.rps import KnownSeconds, Peak, RpsSeries

NAN = float("nan")


def series(*rows: list[float], routes: tuple[str, ...] = ("/a", "/b", "other")) -> RpsSeries:
    return RpsSeries("test", 1000, 10, routes[: len(rows)], np.array(rows, dtype=np.float64))


def test_peak_is_the_maximum_of_the_sum() -> None:
    # 5 + 6 would be 11, but the two are never in the same second.
    assert series([5, 1, 3], [1, 6, 1]).peak(["/a", "/b"]) == Peak(7, 1010)


def test_star_takes_every_route_also_other() -> None:
    assert series([1, 2], [0, 1], [10, 0]).peak(["*"]) == Peak(11, 1000)


def test_first_of_equal_peaks_is_named() -> None:
    assert series([4, 4]).peak(["/a"]) == Peak(4, 1000)


def test_bucket_without_any_value_is_a_gap() -> None:
    demand = series([NAN, 2], [NAN, NAN]).demand(["/a", "/b"])
    assert np.isnan(demand[0])
    assert demand[1] == 2


def test_silent_route_beside_a_live_one_is_zero() -> None:
    assert series([NAN, 2], [3, NAN]).demand(["/a"]).tolist() == [0, 2]


def test_unknown_route_adds_nothing() -> None:
    assert series([1, 2]).peak(["/nowhere"]) == Peak(0, 1000)


def test_all_gaps_have_no_peak() -> None:
    assert series([NAN, NAN]).peak(["*"]) is None


def test_completeness_leaves_gaps_out() -> None:
    recorded = series([1, NAN, 0, 2], [NAN, NAN, 1, 1])
    assert (recorded.duration_s, recorded.observed_s) == (40, 30)
    assert recorded.completeness_ratio == 0.75


def test_no_buckets_are_not_complete() -> None:
    assert series([]).completeness_ratio == 0


@given(st.permutations(range(3)))
def test_order_of_routes_changes_nothing(order: list[int]) -> None:
    rows = [[1.0, 9.0], [5.0, 2.0], [NAN, 3.0]]
    names = ("/a", "/b", "other")
    shuffled = RpsSeries(
        "test", 1000, 10, tuple(names[i] for i in order), np.array([rows[i] for i in order])
    )
    assert shuffled.peak(["/a", "other"]) == Peak(12, 1010)


def test_details_tell_the_highest_sum() -> None:
    # In maxima of 10 s, 5 rps of /a and 7 rps of /b in the second bucket were never 12 at once.
    seconds = np.zeros((2, 20))
    seconds[0, 11], seconds[1, 17], seconds[:, 15] = 5, 7, 4
    coarse = np.array([[1.0, 5, 2], [1, 7, 2]])
    known = RpsSeries("t", 1000, 10, ("/a", "/b"), coarse, details=(KnownSeconds(1000, seconds),))
    assert known.peak(["*"]) == Peak(8, 1010)
    assert known.peak(["/b"]) == Peak(7, 1010)
    assert known.demand(["*"]).tolist() == [0, 8, 4]


def test_details_beside_the_series_say_nothing() -> None:
    seconds = np.full((1, 50), 9.0)
    known = RpsSeries(
        "t", 1000, 10, ("/a",), np.array([[1, NAN]]), details=(KnownSeconds(990, seconds),)
    )
    assert known.demand(["/a"])[0] == 9
    # They do not fill a gap, either.
    assert np.isnan(known.demand(["/a"])[1])


def test_details_without_a_value_lower_no_peak() -> None:
    detail = KnownSeconds(1000, np.full((1, 10), NAN))
    known = RpsSeries("t", 1000, 10, ("/a",), np.array([[9.0]]), details=(detail,))
    assert known.peak(["/a"]) == Peak(9, 1000)


def test_rates_cannot_change_later() -> None:
    with pytest.raises(ValueError, match="read-only"):
        series([1, 2], [3, 4]).rps[0, 0] = 5
