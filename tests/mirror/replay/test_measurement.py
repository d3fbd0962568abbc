from hypothesis import given
from hypothesis import strategies as st

from mirror.replay.measurement import LATE_S, Histogram, Measure

TIMES = st.lists(st.integers(0, 10**8), max_size=50)


def histogram(times_us: list[int]) -> Histogram:
    made = Histogram()
    for time_us in times_us:
        made.record(time_us)
    return made


@given(TIMES, TIMES)
def test_sum_is_the_histogram_of_all(one: list[int], two: list[int]) -> None:
    added = histogram(one)
    added.add(histogram(two))
    both = histogram(one + two)
    assert (added.buckets, added.max_us) == (both.buckets, both.max_us)


@given(TIMES.filter(bool), st.floats(0.01, 1))
def test_percentile_is_near_and_never_above_the_longest(times_us: list[int], ratio: float) -> None:
    measured = histogram(times_us).percentile_ms(ratio)
    assert measured is not None and round(measured * 1000) <= max(times_us)
    below = sum(time_us <= round(measured * 1000) for time_us in times_us)
    assert below >= int(ratio * len(times_us))


def test_longest_is_exact() -> None:
    assert histogram([5, 123_457]).percentile_ms(1) == 123.457


def test_nothing_has_no_percentile() -> None:
    assert Histogram().percentile_ms(0.5) is None


def test_late_is_above_the_limit() -> None:
    measure = Measure()
    for lag_s in (0, LATE_S, LATE_S + 0.001):
        measure.started(lag_s)
    assert (measure.due, measure.late) == (3, 1)


def test_measures_add_up() -> None:
    one, two = Measure(), Measure()
    for measure in (one, two):
        measure.started(0.001)
        measure.started(0.2)
        measure.ended("2xx")
        measure.count_shed("waiting_full")
        measure.completed = 7
        measure.from_send.record(9)
    two.ended("reset")
    for measure in (one, two):
        measure.ended("4xx", 404)
    one.add(two)
    assert (one.due, one.late, one.completed) == (4, 2, 14)
    assert one.outcomes == {"2xx": 2, "4xx": 2, "reset": 1} and one.shed == {"waiting_full": 2}
    assert one.statuses == {404: 2}
    assert one.from_send.buckets == {9: 2} and sum(one.lag.buckets.values()) == 4
