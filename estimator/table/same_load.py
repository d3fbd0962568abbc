"""Groups rows that were measured at one load, both for verdicts and for the load curve. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

SAME_LOAD_RATIO = 0.02
"""Rows belong to one load while they exceed its lowest row by at most this ratio."""


def same_loads(rps: Sequence[float]) -> list[list[int]]:
    """Return the indices of `rps`, one list for each load, by rising rps.

    `rps` is per replica, in any order.
    """
    order = sorted(range(len(rps)), key=lambda index: rps[index])
    starts = load_starts([rps[index] for index in order])
    return [order[start:end] for start, end in pairwise((*starts, len(order)))]


def load_starts(rising: Sequence[float]) -> list[int]:
    """Return the index at which each load begins in rps per replica that never fall."""
    starts = []
    start = 0
    while start < len(rising):
        starts.append(start)
        start = bisect_right(rising, rising[start] * (1 + SAME_LOAD_RATIO), lo=start + 1)
    return starts
