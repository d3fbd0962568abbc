"""Groups rows that were measured at one load, both for verdicts and for the load curve. Pure."""

from collections.abc import Sequence

SAME_LOAD_RATIO = 0.02
"""Rows belong to one load while they exceed its lowest row by at most this ratio."""


def same_loads(rps: Sequence[float]) -> list[list[int]]:
    """Return the indices of `rps`, one list for each load, by rising rps.

    `rps` is per replica, in any order.
    """
    loads: list[list[int]] = []
    for index in sorted(range(len(rps)), key=lambda index: rps[index]):
        if loads and rps[index] <= rps[loads[-1][0]] * (1 + SAME_LOAD_RATIO):
            loads[-1].append(index)
        else:
            loads.append([index])
    return loads
