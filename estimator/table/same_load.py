"""Which rows were measured at one load: for the verdicts as for the curve. Pure."""

from collections.abc import Sequence

SAME_LOAD_RATIO = 0.02
"""Rows are at one load up to so much above the lowest of them."""


def same_loads(rps: Sequence[float]) -> list[list[int]]:
    """Return the places of the rows of each load, rising; `rps` per replica, in any order."""
    loads: list[list[int]] = []
    for place in sorted(range(len(rps)), key=lambda place: rps[place]):
        if loads and rps[place] <= rps[loads[-1][0]] * (1 + SAME_LOAD_RATIO):
            loads[-1].append(place)
        else:
            loads.append([place])
    return loads
