"""Checks the bounds of percentiles; tests/mirror/replay/test_diff.py checks whole results."""

import math

import pytest

from mirror.core.latency import bucket_of
from mirror.noise import Bounded, Difference, bounded_percentile

TIMES = {bucket_of(ms * 1000): 10 for ms in range(1, 101)}
"""A thousand latencies, ten of each millisecond."""


def test_a_percentile_lies_between_the_values_of_its_ranks() -> None:
    p50 = bounded_percentile(TIMES, 0.5)
    assert p50.low < p50.value < p50.high
    assert (p50.low, p50.value, p50.high) == pytest.approx((47, 50, 54), rel=0.01)


def test_above_the_last_rank_there_is_no_upper_bound() -> None:
    assert bounded_percentile({bucket_of(1000): 9}, 0.99).high == math.inf
    assert bounded_percentile(TIMES, 0.99).high < math.inf


def test_the_longest_latency_bounds_its_bucket() -> None:
    assert bounded_percentile({bucket_of(70_000): 1}, 0.5, longest_us=70_000).value == 70.0


@pytest.mark.parametrize(
    ("low", "high", "is_beyond"),
    [(1.1, 1.3, True), (0.9, 1.3, False), (0.5, 0.8, True), (1.0, 1.005, False)],
)
def test_a_difference_is_beyond_noise_where_its_interval_leaves_one_out(
    low: float, high: float, is_beyond: bool
) -> None:
    found = Difference("", "p50", Bounded(1, 1, 1), Bounded((low + high) / 2, low, high))
    assert (found.low, found.high, found.is_beyond_noise) == (low, high, is_beyond)


def test_nothing_is_no_multiple_of_nothing() -> None:
    zero = Bounded(0, 0, 0)
    assert Difference("", "", zero, zero).ratio == 1.0
    assert Difference("", "", zero, Bounded(1, 1, 1)).ratio == math.inf
