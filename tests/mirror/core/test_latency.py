"""Checks the histogram's layout against HdrHistogram, and merging and percentiles."""

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.latency import (
    MOST_US,
    add_buckets,
    bucket_of,
    highest_us,
    lowest_us,
    percentile_us,
    sum_us,
)

LATENCY = st.one_of(
    st.integers(0, 600),
    st.integers(0, MOST_US),
    st.builds(lambda power, around: (1 << power) + around, st.integers(8, 36), st.integers(-2, 2)),
)


def reference() -> HdrHistogram:
    return HdrHistogram(1, MOST_US, 2)


def counted(latencies: list[int]) -> dict[int, int]:
    buckets: dict[int, int] = {}
    for latency in latencies:
        add_buckets(buckets, {bucket_of(latency): 1})
    return buckets


@given(LATENCY)
def test_buckets_are_those_of_the_library(latency_us: int) -> None:
    library = reference()
    bucket = bucket_of(latency_us)
    assert bucket == library._counts_index_for(latency_us)
    assert lowest_us(bucket) == library.get_lowest_equivalent_value(latency_us)
    assert highest_us(bucket) == library.get_highest_equivalent_value(latency_us)
    assert lowest_us(bucket) <= latency_us <= highest_us(bucket)


@given(st.lists(LATENCY, min_size=1, max_size=50), st.sampled_from([50.0, 90.0, 99.0, 100.0]))
def test_percentiles_are_those_of_the_library(latencies: list[int], percent: float) -> None:
    library = reference()
    for latency in latencies:
        library.record_value(latency)
    # The library rounds the rank to the nearest integer and we round up; integer ranks agree.
    rank = -(-len(latencies) * percent // 100)
    same_rank_percent = 100 * rank / len(latencies)
    ours = percentile_us(counted(latencies), percent / 100)
    assert ours == library.get_value_at_percentile(same_rank_percent)


@given(st.lists(LATENCY, min_size=1, max_size=50))
def test_numbers_are_within_a_bucket_of_the_truth(latencies: list[int]) -> None:
    buckets = counted(latencies)
    assert max(latencies) <= percentile_us(buckets, 1.0) <= max(latencies) * (1 + 1 / 128)
    assert abs(sum_us(buckets) - sum(latencies)) <= sum(latencies) / 256 + len(latencies)


@given(st.lists(LATENCY), st.lists(LATENCY))
def test_merging_loses_nothing(one: list[int], other: list[int]) -> None:
    merged = counted(one)
    add_buckets(merged, counted(other))
    assert merged == counted(one + other)


def test_buckets_follow_each_other_without_a_hole() -> None:
    assert all(bucket_of(lowest_us(bucket)) == bucket for bucket in range(3000))
    assert all(lowest_us(bucket + 1) == highest_us(bucket) + 1 for bucket in range(3000))


@pytest.mark.parametrize(("latency_us", "counts_as"), [(-5, 0), (MOST_US * 3, MOST_US)])
def test_what_is_out_of_range_counts_as_its_end(latency_us: int, counts_as: int) -> None:
    assert bucket_of(latency_us) == bucket_of(counts_as)


def test_an_empty_histogram_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="empty histogram"):
        percentile_us({}, 0.5)
    assert sum_us({}) == 0
