"""A number with what it takes to trust it, and what was assumed on the way.

Every number of an answer is a `Figure`. Invariant: what rests on less than measured rows carries a
`Flag`, and the flag reaches the report; a number whose error is unknown has no bounds and says so
(`Flag.NO_INTERVAL`), it never has bounds of zero width by default.

Knows nothing of curves, components or series: everything else in the model imports it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Flag(StrEnum):
    """Why a number must be read with care."""

    EXTRAPOLATED = "extrapolated"
    """Beyond the largest row that can be used, within the limit of the policy."""
    BELOW_RANGE = "below range"
    """Less rps per replica than any row: the smallest row's usage stands, an upper bound."""
    SCALED_LINEARLY = "scaled linearly"
    """More rps than any row measured over all replicas; replicas are assumed not to disturb each
    other."""
    NO_INTERVAL = "no interval"
    """Too few rows to know the error; an assumed margin stands in."""
    ASSUMED = "assumed"
    """Rests on a default that decides it, not on a measurement."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, its unit, why it is this one, and how far it may be off."""

    value: float
    unit: str
    """`rps`, `rps per replica`, `replicas`, `nodes`, `millicores`, `bytes`, `seconds`, `ratio`,
    `percent`, `connections`, `workers`, `pod-hours`, `tokens` or a currency per month."""
    reason: str
    low: float | None = None
    """Lower bound at the policy's confidence; None where the number is exact or has no interval."""
    high: float | None = None
    """Upper bound, likewise."""
    constraint: str | None = None
    """Name of the constraint that decided it."""
    rows: tuple[int, ...] = ()
    """Rows of the table it rests on."""
    assumptions: tuple[str, ...] = ()
    """Names of the assumptions it rests on, as in `Projection.assumptions`."""
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class Assumption:
    """Something taken as given; `is_default` where nobody set it."""

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
    """Symbol and what stands for it."""
