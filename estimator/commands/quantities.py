"""Parsers of option values into the units of the model: `60%`, `2.5x`, `250ms`, `3`.

Each function here returns or is a parser that raises ValueError with what is expected and what it
got, as in units.py, which parses durations. The bounds are those within which an option makes
sense.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from estimator import units

Reader = Callable[[str], Any]

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,9})?", re.ASCII)
_MILLISECONDS = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The range from `low` to `high`; both ends are included, unless `is_low_open`."""

    low: float
    high: float
    is_low_open: bool = False

    def __contains__(self, value: float) -> bool:
        return (self.low < value if self.is_low_open else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        first = f"above {self.low:g}" if self.is_low_open else f"from {self.low:g}"
        return f"{first}{' and at most' if self.is_low_open else ' to'} {self.high:g}"


def ratio(bounds: Bounds) -> Reader:
    """Read `0.6` or `60%`."""

    def read(words: str) -> float:
        number = words.removesuffix("%")
        expected = f"a ratio {bounds}, such as 0.5 or 50%"
        value = _number(number, words, expected) / (100 if number != words else 1)
        return _within(value, bounds, words, expected)

    return read


def factor(bounds: Bounds) -> Reader:
    """Read `2.5x` or `2.5`."""

    def read(words: str) -> float:
        expected = f"a factor {bounds}, such as 1.5x"
        return _within(_number(words.removesuffix("x"), words, expected), bounds, words, expected)

    return read


def count(low: int, high: int) -> Reader:
    """Read a whole number."""

    def read(words: str) -> int:
        if not (words.isascii() and words.isdigit() and low <= int(words) <= high):
            raise ValueError(f"expected a whole number from {low} to {high}, got {words!r}")
        return int(words)

    return read


def number(bounds: Bounds) -> Reader:
    """Read a number without a unit."""

    def read(words: str) -> float:
        expected = f"a number {bounds}"
        return _within(_number(words, words, expected), bounds, words, expected)

    return read


def milliseconds(words: str) -> float:
    """Read `250ms` or `1.5s`; a bare number is refused, because tools differ in its unit."""
    match = _MILLISECONDS.fullmatch(words)
    value = float(match[1]) * (1000 if match[2] == "s" else 1) if match else 0.0
    if value <= 0:
        raise ValueError(f"expected a latency above 0 such as 250ms or 1.5s, got {words!r}")
    return value


def seconds(words: str) -> float:
    """Read `60s` or `5m`."""
    return float(units.parse_duration(words))


def days(words: str) -> int:
    """Read `365d`, whole days."""
    duration_s = units.parse_duration(words)
    if duration_s % 86_400:
        raise ValueError(f"expected whole days such as 365d, got {words!r}")
    return duration_s // 86_400


def named_rps(words: str) -> tuple[str, float]:
    """Read `NAME=RPS`."""
    name, _, rps = words.rpartition("=")
    if not name or not _NUMBER.fullmatch(rps) or not float(rps):
        raise ValueError(f"expected NAME=RPS such as watch=1200, got {words!r}")
    return name, float(rps)


def _number(digits: str, words: str, expected: str) -> float:
    if not _NUMBER.fullmatch(digits):
        raise ValueError(f"expected {expected}, got {words!r}")
    return float(digits)


def _within(value: float, bounds: Bounds, words: str, expected: str) -> float:
    if value not in bounds:
        raise ValueError(f"expected {expected}, got {words!r}")
    return value
