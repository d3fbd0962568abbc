"""A number with its reason, its bounds, its flags and its assumptions.

Every number of a projection is a `Figure`. Invariants: a number that does not rest on measured rows
alone has a `Flag`, which reaches the report. A number whose error is unknown has no bounds but
`Flag.NO_INTERVAL`; it never has bounds of zero width by default.

A calculation puts its arithmetic into the Figure that it returns (`formula`, `numbers`), so that
`--explain` cannot drift from what was calculated: the formula in symbols, then the same with its
numbers. Numbers are plain arithmetic of six digits (`^` is a power; `ceil`, `floor`, `max`, `min`
as usual), and tests evaluate them. If a calculation cannot be repeated by hand (a bisection, a
simulation), `numbers` says how it was done.

This module does not know curves, components or series: everything else in the model imports it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Flag(StrEnum):
    """Why a number must be read with care."""

    EXTRAPOLATED = "extrapolated"
    """Beyond the largest row that can be used, within the limit of the policy."""
    BELOW_RANGE = "below range"
    """Less rps per replica than in any row; the usage of the smallest row is an upper bound."""
    SCALED_LINEARLY = "scaled linearly"
    """More rps than any row measured over all replicas; replicas are assumed not to disturb each
    other."""
    NO_INTERVAL = "no interval"
    """Too few rows to know the error; an assumed margin replaces the bounds."""
    ASSUMED = "assumed"
    """Rests on a default that decides it, not on a measurement."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its unit, its reason and its bounds."""

    value: float
    unit: str
    """`rps`, `rps per replica`, `replicas`, `nodes`, `millicores`, `bytes`, `seconds`, `ratio`,
    `percent`, `connections`, `workers`, `pod-hours`, `tokens` or a currency per month."""
    reason: str
    low: float | None = None
    """Lower bound at the policy's confidence; None if the number is exact or has no interval."""
    high: float | None = None
    """Upper bound, likewise."""
    constraint: str | None = None
    """The name of the constraint that decided the number."""
    rows: tuple[int, ...] = ()
    """The rows of the table on which the number rests."""
    assumptions: tuple[str, ...] = ()
    """The names of its assumptions, as in `Projection.assumptions`."""
    flags: tuple[Flag, ...] = ()
    formula: str = ""
    """In symbols: `x_cpu = max x with c_upper(x) <= u * request`; empty if nothing was
    calculated."""
    numbers: str = ""
    """The same with its numbers: `max x with c_upper(x) <= 0.6 * 500`."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """A value that was not measured; `is_default` if the user did not set it."""

    name: str
    value: str
    reason: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class ExplanationLine:
    """One line of arithmetic that a sceptic can redo by hand."""

    topic: str
    """`demand`, `load curve`, `replicas`, `requests`, `hpa`, `rate limits` or `nodes`; lines of
    one topic follow each other."""
    formula: str
    """In symbols: `x_cpu = max x with c_upper(x) <= u * request`."""
    substituted: str
    """The same with its numbers: `x_cpu = max x with c_upper(x) <= 0.6 * 500m`."""
    result: Figure
    inputs: tuple[tuple[str, Figure], ...] = ()
    """Each symbol with the figure that it stands for."""


def explained(topic: str, *figures: Figure | None) -> Iterator[ExplanationLine]:
    """Yield the line of each figure that was calculated, in the given order."""
    for figure in figures:
        if figure is not None and figure.formula:
            yield ExplanationLine(topic, figure.formula, figure.numbers, figure)


def digits(value: float, significant: int = 6) -> str:
    """Return a number with this many significant digits, never with an exponent."""
    if value == 0:
        return "0"
    decimals = max(0, significant - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def ceiling(load: float, share: float, count: int) -> str:
    """Return `ceil(load / share)` with as many digits as it takes to give this count."""
    for significant in (6, 9, 12, 15):
        words = digits(load, significant), digits(share, significant)
        if math.ceil(float(words[0]) / float(words[1])) == count:
            return f"ceil({words[0]} / {words[1]})"
    return f"ceil({digits(load)} / {digits(share)}), less a billionth for rounding"
