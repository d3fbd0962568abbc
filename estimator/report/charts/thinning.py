"""Fewer columns for a chart that has less room: the extreme of neighbours stands for them.

The model hands over at most a thousand bins per curve, each with its highest (or lowest) value. A
page with many components has to draw fewer, and a mean of maxima would hide the peak that the page
is about. So neighbours are merged into the highest, or the lowest, of them: every value drawn is a
value of the model. None is a gap, and stays one only where all merged bins are gaps.
Must never know what the values mean.
"""

from collections.abc import Iterable, Sequence
from enum import Enum

Values = tuple[float | None, ...]


class Keep(Enum):
    """Which of merged neighbours stands for all of them."""

    HIGHEST = "highest"
    LOWEST = "lowest"


def values_of(array: Iterable[float]) -> Values:
    """Return the numbers of an array, with None for NaN."""
    return tuple(None if value != value else float(value) for value in array)


def merged_width(count: int, most: int) -> int:
    """Return how many neighbours make one column, so that there are at most `most`."""
    return max(1, -(-count // most))


def merge(values: Sequence[float | None], width: int, keep: Keep) -> Values:
    """Return one value for each `width` neighbours; the last column may have fewer.

    Worked: 1, 5, 2, 8, 3 by two are 5, 8, 3 (highest) or 1, 2, 3 (lowest).
    """
    chosen = max if keep is Keep.HIGHEST else min
    groups = (values[first : first + width] for first in range(0, len(values), width))
    return tuple(
        chosen((value for value in group if value is not None), default=None) for group in groups
    )
