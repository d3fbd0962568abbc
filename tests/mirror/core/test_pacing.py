"""Schedules: absolute, monotone, and as fast as asked."""

from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.pacing import constant, looped, original, span_s

TIMES = st.lists(st.floats(0, 4e9), min_size=1, max_size=50)
RATES = st.floats(0.01, 1e6)


def test_original_keeps_the_gaps() -> None:
    assert original([100.0, 100.5, 102.0], 1) == [0, 0.5, 2]
    assert original([100.0, 100.5, 102.0], 2) == [0, 0.25, 1]


def test_original_sorts() -> None:
    assert original([3.0, 1.0, 2.0], 1) == [0, 1, 2]


@given(TIMES, RATES)
def test_original_is_monotone_from_zero(times: list[float], speed: float) -> None:
    offsets = original(times, speed)
    assert offsets[0] == 0 and len(offsets) == len(times)
    assert all(before <= after for before, after in pairwise(offsets))


@given(TIMES, RATES)
def test_original_is_absolute(times: list[float], speed: float) -> None:
    """The last instant depends on no request between."""
    ends = original([min(times), max(times)], speed)
    assert original(times, speed)[-1] == ends[-1]


@given(TIMES, RATES, st.integers(2, 16))
def test_speed_divides_every_offset(times: list[float], speed: float, factor: int) -> None:
    faster = original(times, speed * factor)
    assert faster == pytest.approx([offset / factor for offset in original(times, speed)])


@given(RATES)
def test_constant_is_absolute_and_even(rate: float) -> None:
    offsets = list(islice(constant(rate), 100))
    assert offsets == [index / rate for index in range(100)]
    assert all(before < after for before, after in pairwise(offsets))


def test_constant_does_not_drift() -> None:
    """A tenth is not exact in binary: adding it up is 1e-10 off after 100,000."""
    assert next(islice(constant(10), 100_000, None)) == 10_000


def test_span_includes_the_last_gap() -> None:
    assert span_s([0, 0.5, 1, 1.5]) == 2
    assert span_s([0]) == 0 and span_s([]) == 0 and span_s([0, 0]) == 0


@given(TIMES.filter(lambda times: max(times) - min(times) > 1e-3), st.integers(1, 4))
def test_loop_repeats_the_schedule(times: list[float], laps: int) -> None:
    offsets = original(times, 1)
    period = span_s(offsets)
    looped_offsets = list(islice(looped(offsets), laps * len(offsets)))
    assert looped_offsets == [lap * period + offset for lap in range(laps) for offset in offsets]
    assert all(before <= after for before, after in pairwise(looped_offsets))


@pytest.mark.parametrize("offsets", [[], [0.0], [0.0, 0.0]])
def test_loop_without_length_is_refused(offsets: list[float]) -> None:
    with pytest.raises(ValueError, match="two requests"):
        looped(offsets)
