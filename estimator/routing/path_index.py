"""Finds the rules that a path may match without asking each of thousands.

An index only leaves out what cannot match, and keeps the order: whatever it yields is still judged
by its conditions.
"""

from collections.abc import Sequence

from estimator.routing import patterns
from estimator.routing.conditions import Kind, Text


class PathIndex:
    """The paths of some rules by the text that each path begins with."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self._exact: dict[str, list[int]] = {}
        self._by_beginning: dict[str, list[int]] = {}
        for place, text in enumerate(texts):
            is_exact = text.kind is Kind.EXACT and not text.ignores_case
            places = self._exact if is_exact else self._by_beginning
            places.setdefault(_beginning(text), []).append(place)
        self._lengths = sorted({len(beginning) for beginning in self._by_beginning})

    def places(self, path: str) -> list[int]:
        """Return the places of all texts that may match a path, in ascending order."""
        found = list(self._exact.get(path, ()))
        for length in self._lengths:
            if length > len(path):
                break
            found += self._by_beginning.get(path[:length], ())
        found.sort()
        return found


def _beginning(text: Text) -> str:
    """Return what every path that matches begins with, upper and lower case regarded."""
    if text.ignores_case or text.kind is Kind.PRESENT:
        return ""
    return patterns.literal_prefix(text.value) if text.kind is Kind.REGEX else text.value
