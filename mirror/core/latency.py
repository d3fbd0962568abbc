"""Latency histograms in the layout of HdrHistogram, on plain integers.

Below 256 us each microsecond has its own bucket. Above, each power of two is split into 128
buckets of equal width, so a bucket is at most 1/128 (0.8 %) as wide as the values in it.
The layout equals HdrHistogram(1, MOST_US, 2) (http://hdrhistogram.org), index for index. Counts
are stored sparsely, because one second fills few of the buckets.

Invariant: adding histograms bucket by bucket loses nothing, so percentiles over workers and
seconds equal those of all their requests together. Percentiles themselves cannot be averaged.
"""

Buckets = dict[int, int]
"""A histogram: bucket index -> number of latencies in that bucket."""

MOST_US = 86_400_000_000
"""One day, the longest timeout that can be configured; longer latencies count as one day."""
_HALF_BITS = 7
"""log2 of 128. Two significant digits need 200 steps, hence 256 = 2 * 128 buckets at first."""
_HALF = 1 << _HALF_BITS


def bucket_of(latency_us: int) -> int:
    """Return the bucket index of a latency in microseconds; a negative latency counts as 0."""
    if latency_us < 2 * _HALF:
        return max(latency_us, 0)
    if latency_us > MOST_US:
        latency_us = MOST_US
    # Keep the 8 leading bits. Their top bit is always set, so each shift uses 128 new indices.
    shift = latency_us.bit_length() - (_HALF_BITS + 1)
    return (shift << _HALF_BITS) + (latency_us >> shift)


def lowest_us(bucket: int) -> int:
    """Return the lowest latency in microseconds that falls into the bucket."""
    if bucket < 2 * _HALF:
        return bucket
    shift = (bucket >> _HALF_BITS) - 1
    return ((bucket & (_HALF - 1)) + _HALF) << shift


def highest_us(bucket: int) -> int:
    """Return the highest latency in microseconds that falls into the bucket."""
    return lowest_us(bucket + 1) - 1


def add_buckets(into: Buckets, buckets: Buckets) -> None:
    """Add the histogram `buckets` to the histogram `into`, in place."""
    for bucket, number in buckets.items():
        into[bucket] = into.get(bucket, 0) + number


def percentile_us(buckets: Buckets, ratio: float) -> int:
    """Return the latency that a share `ratio` (0 to 1) did not exceed, at most 0.8 % too high.

    Nearest rank: the highest latency in microseconds of the bucket that holds the
    ceil(ratio * n)-th of n ordered latencies; `ratio` 1 is the maximum. Raises ValueError for an
    empty histogram.
    """
    if not buckets:
        raise ValueError("an empty histogram has no percentile")
    rank = ratio * sum(buckets.values())
    passed = 0
    last = 0
    for bucket in sorted(buckets):
        passed += buckets[bucket]
        last = bucket
        if passed >= rank:
            break
    return highest_us(last)


def sum_us(buckets: Buckets) -> int:
    """Return the sum of all latencies in microseconds, at most 0.4 % off.

    Each latency counts as the middle of its bucket. The sum is doubled until the end, so that the
    middle stays an integer.
    """
    doubled = 0
    for bucket, number in buckets.items():
        doubled += (lowest_us(bucket) + highest_us(bucket)) * number
    return doubled // 2
