"""Fewer points for a smaller chart: the extreme of neighbours represents them.

The model provides at most a thousand bins per curve, each with its highest (or lowest) value. A
page with many components draws fewer, and a mean of maxima would hide the peak. Neighbours are
therefore merged into the highest or the lowest of them, so every value drawn is a value of the
model. None is a gap, and remains one only where all merged bins are gaps. This module does not know
what the values mean.
"""

from collections.abc import Iterable, Sequence
from enum import Enum

Values = tuple[float | None, ...]


class Keep(Enum):
    """Which of the merged neighbours represents all of them."""

    HIGHEST = "highest"
    LOWEST = "lowest"


def values_of(array: Iterable[float]) -> Values:
    """Return the numbers of an array, with None for NaN."""
    return tuple(None if value != value else float(value) for value in array)


def merged_width(count: int, most: int) -> int:
    """Return how many neighbours to merge so that at most `most` values remain."""
    return max(1, -(-count // most))


def merge(values: Sequence[float | None], width: int, keep: Keep) -> Values:
    """Return one value for each `width` neighbours; the last group may be smaller.

    Worked: 1, 5, 2, 8, 3 by two are 5, 8, 3 (highest) or 1, 2, 3 (lowest).
    """
    chosen = max if keep is Keep.HIGHEST else min
    groups = (values[first : first + width] for first in range(0, len(values), width))
    return tuple(
        chosen((value for value in group if value is not None), default=None) for group in groups
    )
