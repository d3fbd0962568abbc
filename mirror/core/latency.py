"""Latencies counted in the layout of an HDR histogram, on plain integers.

Below 256 us each microsecond has its own bucket. Above, each power of two is split into 128 buckets
of equal width, so that the width of a bucket is at most 1/128 (0.8 %) of its values. This is the
layout of HdrHistogram(1, MOST_US, 2) (http://hdrhistogram.org), index for index. Counts are sparse,
because a second fills few of the buckets.
Invariant: adding histograms bucket by bucket loses nothing, so percentiles over workers and seconds
are the percentiles of all their requests.
"""

Buckets = dict[int, int]
"""Histogram: bucket -> number of latencies in it."""

MOST_US = 86_400_000_000
"""One day, the longest timeout that can be configured. A longer latency counts as this."""
_HALF_BITS = 7
"""Two decimal digits need 256 buckets for each power of two; this is the exponent of half of it."""
_HALF = 1 << _HALF_BITS


def bucket_of(latency_us: int) -> int:
    """Return the bucket of a latency in microseconds; a negative latency counts as 0."""
    if latency_us < 2 * _HALF:
        return max(latency_us, 0)
    if latency_us > MOST_US:
        latency_us = MOST_US
    shift = latency_us.bit_length() - (_HALF_BITS + 1)
    return (shift << _HALF_BITS) + (latency_us >> shift)


def lowest_us(bucket: int) -> int:
    """Return the lowest latency in the bucket, in microseconds."""
    if bucket < 2 * _HALF:
        return bucket
    shift = (bucket >> _HALF_BITS) - 1
    return ((bucket & (_HALF - 1)) + _HALF) << shift


def highest_us(bucket: int) -> int:
    """Return the highest latency in the bucket, in microseconds."""
    return lowest_us(bucket + 1) - 1


def add_buckets(into: Buckets, buckets: Buckets) -> None:
    for bucket, number in buckets.items():
        into[bucket] = into.get(bucket, 0) + number


def percentile_us(buckets: Buckets, ratio: float) -> int:
    """Return the latency in microseconds that a share of `ratio` (0 to 1) did not exceed.

    By nearest rank: the highest latency of the bucket that holds the ceil(ratio * n)-th of n
    latencies in order, so the result is at most 0.8 % too high; `ratio` 1 gives the maximum. Raises
    ValueError for an empty histogram.
    """
    if not buckets:
        raise ValueError("a histogram without latencies has no percentile")
    wanted = ratio * sum(buckets.values())
    seen = 0
    last = 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        last = bucket
        if seen >= wanted:
            break
    return highest_us(last)


def sum_us(buckets: Buckets) -> int:
    """The sum of all latencies, each taken as the middle of its bucket: at most 0.4 % off."""
    doubled = 0
    for bucket, number in buckets.items():
        doubled += (lowest_us(bucket) + highest_us(bucket)) * number
    return doubled // 2
