"""Checks that schedules are absolute, in order, and as long as stated."""

import heapq
import math
from itertools import islice, pairwise
from math import exp, inf
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import InputError
from mirror.formats.capture.record import Record
from mirror.replay.requests import RequestList, Rules
from mirror.replay.schedule import (
    Arrivals,
    Schedule,
    Shard,
    Step,
    constant,
    original,
    rate_offsets,
    span_s,
    step_offsets,
    stepped,
)

ALL = Shard()
RATES = st.floats(min_value=0.1, max_value=1e4)


def requests(*times_s: float, held_bytes: int = 1 << 20) -> RequestList:
    records = [Record(t, "GET", "a", f"/{i}") for i, t in enumerate(times_s)]
    return RequestList(lambda: iter(records), Rules(), held_bytes)


def due(schedule: Schedule) -> tuple[list[float], float]:
    offsets = [offset for offset, _ in schedule.entries]
    return offsets, schedule.window_s


def test_rate_ends_with_the_list() -> None:
    assert due(constant(requests(5, 5, 9), 10, None, False, ALL)) == ([0, 0.1, 0.2], 0.3)


def test_speed_keeps_the_timing() -> None:
    assert due(original(requests(5, 6, 9), 2, None, False, ALL)) == ([0, 0.5, 2], 3)


def test_duration_cuts_the_list() -> None:
    assert due(original(requests(5, 6, 9), 1, 1.5, False, ALL)) == ([0, 1], 1.5)
    assert due(constant(requests(5, 6), 1, 60, False, ALL)) == ([0, 1], 2)


def test_loop_goes_on_for_the_duration() -> None:
    assert due(original(requests(5, 6), 1, 5, True, ALL)) == ([0, 1, 2, 3, 4], 5)
    assert due(constant(requests(5), 2, 1.5, True, ALL)) == ([0, 0.5, 1], 1.5)


def test_loop_repeats_the_requests_in_order() -> None:
    entries = constant(requests(0, 1), 1, 5, True, ALL).entries
    assert [request.data.split()[1] for _, request in entries] == [
        b"/0",
        b"/1",
        b"/0",
        b"/1",
        b"/0",
    ]


def test_loop_at_one_instant_is_refused() -> None:
    with pytest.raises(InputError, match="two requests at different times"):
        original(requests(5, 5), 1, 5, True, ALL)


def test_one_instant_is_all_due() -> None:
    assert due(original(requests(5, 5, 5), 1, None, False, ALL)) == ([0, 0, 0], 0)
    assert due(original(requests(5), 1, None, False, ALL))[0] == [0]


def test_long_list_tells_its_window_at_its_end() -> None:
    times_s = [float(t) for t in range(200)]
    for made in (
        original(requests(*times_s, held_bytes=5000), 2, None, False, ALL),
        constant(requests(*times_s, held_bytes=5000), 2, None, False, ALL),
    ):
        assert math.isinf(made.window_s)
        offsets, window_s = due(made)
        assert len(offsets) == 200 and window_s == pytest.approx(100)


def test_long_list_loops() -> None:
    times_s = [float(t) for t in range(100)]
    long = original(requests(*times_s, held_bytes=5000), 1, 250, True, ALL)
    whole = original(requests(*times_s), 1, 250, True, ALL)
    assert list(long.entries) == list(whole.entries)


def test_steps_and_their_steady_parts() -> None:
    made = stepped(requests(0, 1).cycle(), [10, 20], 10, ALL)
    assert made.steps == [Step(10, 0, 10), Step(20, 10, 20)]
    assert [step.steady_from_s for step in made.steps] == [2, 12]
    assert Step(10, 0, 3600).steady_from_s == 62
    offsets, window_s = due(made)
    assert len(offsets) == 300 and window_s == 20


@given(st.integers(1, 7), st.lists(st.sampled_from([1.0, 3.5, 20.0]), min_size=1, max_size=3))
def test_shards_together_are_the_schedule(of: int, rates: list[float]) -> None:
    whole = list(stepped(requests(0, 1, 2).cycle(), rates, 2, ALL).entries)
    shards = [stepped(requests(0, 1, 2).cycle(), rates, 2, Shard(i, of)).entries for i in range(of)]
    merged = heapq.merge(*shards, key=lambda entry: entry[0])
    assert list(merged) == whole


def test_shard_in_words() -> None:
    assert str(Shard(1, 4)) == "1/4"


# --- offsets ---


def test_constant_rate_has_no_drift() -> None:
    assert list(islice(rate_offsets(4, None, inf, Arrivals.EVEN), 4)) == [0, 0.25, 0.5, 0.75]
    assert next(islice(rate_offsets(3, None, inf, Arrivals.EVEN), 3_000_000, None)) == 1_000_000


def test_steps_follow_each_other() -> None:
    assert list(step_offsets([1, 2], 2)) == [0, 1, 2, 2.5, 3, 3.5]


@given(st.lists(RATES, min_size=1, max_size=4), st.floats(min_value=0.01, max_value=0.5))
def test_steps_stay_in_their_order_and_time(rates: list[float], hold_s: float) -> None:
    offsets = list(step_offsets(rates, hold_s))
    assert offsets == sorted(offsets)
    for step, rate in enumerate(rates):
        due = [at for at in offsets if step * hold_s <= at < (step + 1) * hold_s - 1e-9]
        assert abs(len(due) - rate * hold_s) <= 1.001


@given(st.lists(RATES, min_size=1, max_size=4), st.floats(min_value=0.01, max_value=2.5))
def test_poisson_arrivals_are_as_many_in_each_step(rates: list[float], hold_s: float) -> None:
    even, drawn = (list(step_offsets(rates, hold_s, arrivals)) for arrivals in Arrivals)
    assert drawn == sorted(drawn)
    assert len(drawn) == len(even)
    before = 0
    for step, rate in enumerate(rates):
        count = len(list(step_offsets([rate], hold_s)))
        part = drawn[before : before + count]
        assert all(step * hold_s <= at <= (step + 1) * hold_s for at in part)
        before += count


def test_poisson_arrivals_have_exponential_gaps() -> None:
    drawn = list(rate_offsets(1000, 50_000, inf, Arrivals.POISSON))
    gaps = [later - at for at, later in pairwise(drawn)]
    assert mean(gaps) == pytest.approx(0.001, rel=0.001)
    assert stdev(gaps) == pytest.approx(0.001, rel=0.02)
    assert sum(gap > 0.002 for gap in gaps) / len(gaps) == pytest.approx(exp(-2), rel=0.05)
    for second in range(50):
        assert sum(second <= at < second + 1 for at in drawn) == 1000


def test_poisson_arrivals_are_the_same_each_time() -> None:
    again = islice(rate_offsets(30, None, inf, Arrivals.POISSON), 100)
    assert list(again) == list(rate_offsets(30, 120, inf, Arrivals.POISSON))[:100]


def test_span_includes_the_last_gap() -> None:
    assert span_s(3.0, 4) == 4.0
    assert span_s(0.0, 1) == 0.0 == span_s(0.0, 9)
