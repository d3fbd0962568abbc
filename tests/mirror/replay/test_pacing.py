"""Schedules: absolute, in order, and as long as they say."""

from itertools import islice, pairwise
from math import exp
from statistics import mean, stdev

from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from mirror.replay.pacing import Arrivals, constant, span_s, stepped

RATES = st.floats(min_value=0.1, max_value=1e4)


def test_constant_rate_has_no_drift() -> None:
    assert list(islice(constant(4), 4)) == [0, 0.25, 0.5, 0.75]
    assert next(islice(constant(3), 3_000_000, None)) == 1_000_000


def test_steps_follow_each_other() -> None:
    assert list(stepped([1, 2], 2)) == [0, 1, 2, 2.5, 3, 3.5]


@given(st.lists(RATES, min_size=1, max_size=4), st.floats(min_value=0.01, max_value=0.5))
def test_steps_stay_in_their_order_and_time(rates: list[float], hold_s: float) -> None:
    offsets = list(stepped(rates, hold_s))
    assert offsets == sorted(offsets)
    for step, rate in enumerate(rates):
        due = [at for at in offsets if step * hold_s <= at < (step + 1) * hold_s - 1e-9]
        assert abs(len(due) - rate * hold_s) <= 1.001


@given(st.lists(RATES, min_size=1, max_size=4), st.floats(min_value=0.01, max_value=2.5))
def test_poisson_arrivals_are_as_many_in_each_step(rates: list[float], hold_s: float) -> None:
    even, drawn = (list(stepped(rates, hold_s, arrivals)) for arrivals in Arrivals)
    assert drawn == sorted(drawn)
    assert len(drawn) == len(even)
    before = 0
    for step, rate in enumerate(rates):
        count = len(list(stepped([rate], hold_s)))
        part = drawn[before : before + count]
        assert all(step * hold_s <= at <= (step + 1) * hold_s for at in part)
        before += count


def test_poisson_arrivals_have_exponential_gaps() -> None:
    drawn = list(constant(1000, 50_000, Arrivals.POISSON))
    gaps = [later - at for at, later in pairwise(drawn)]
    assert mean(gaps) == approx(0.001, rel=0.001)
    assert stdev(gaps) == approx(0.001, rel=0.02)
    assert sum(gap > 0.002 for gap in gaps) / len(gaps) == approx(exp(-2), rel=0.05)
    for second in range(50):
        assert sum(second <= at < second + 1 for at in drawn) == 1000


def test_poisson_arrivals_are_the_same_each_time() -> None:
    again = islice(constant(30, arrivals=Arrivals.POISSON), 100)
    assert list(again) == list(constant(30, 120, Arrivals.POISSON))[:100]


def test_span_includes_the_last_gap() -> None:
    assert span_s(3.0, 4) == 4.0
    assert span_s(0.0, 1) == 0.0 == span_s(0.0, 9)
