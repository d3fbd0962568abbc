"""Points as they were found, in any order, to a series on its regular grid; what was wrong counted.

A point is a Unix second, a route and a value. What cannot be true is left out or merged, never
silently: every repair is a sentence with its number in `RpsSeries.repairs`.

| point | is |
|---|---|
| value NaN, infinite or null | no point |
| value below 0, or 1e12 and more | no point: no rate of requests |
| second after `now` by more than a minute | no point: a clock was off |
| twice the same second and route, equal values | one point |
| twice, other values | their maximum: a recorder that was asked twice knows no more than one |
| out of order | put in order |

Knows nothing of files and HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimator.errors import Refusal, Refused
from estimator.series.rps import RpsSeries

FUTURE_S = 60
"""Clocks of two hosts are apart by less."""
MAX_RPS = 1e12
MAX_CELLS = 250_000_000
"""2 GB of float64: a year of seconds over eight routes. More is a clock that was wrong."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Columns of one length."""

    seconds: NDArray[np.float64]
    """Unix time; NaN is not allowed."""
    routes: NDArray[np.int64]
    """Places in `names`."""
    values: NDArray[np.float64]
    names: tuple[str, ...]
    """Route tags, each once."""


@dataclass(frozen=True, slots=True)
class Period:
    """What was asked for: a series has all of it, gaps included."""

    start: int
    end: int
    """Unix time; both are multiples of the resolution."""
    resolution_s: int


def series_of(points: Points, source: str, now: float, asked: Period | None = None) -> RpsSeries:
    """Return the series; without `asked` from the first point to the last.

    Its resolution is then the commonest distance of two points.

    Raises Refused where no point is left, or where they lie too far apart to be one series.
    """
    points, repairs = _cleaned(points, now)
    if not len(points.seconds):
        reason = "holds no point that can be used" + "".join(f"; {one}" for one in repairs)
        raise Refused([Refusal(source, reason, "Check what recorded it")])
    step = asked.resolution_s if asked else _step(points.seconds)
    buckets = np.floor(points.seconds / step).astype(np.int64)
    first, end = int(buckets.min()), int(buckets.max()) + 1
    if asked:
        first, end = min(first, asked.start // step), max(end, asked.end // step)
    width = end - first
    if width * len(points.names) > MAX_CELLS:
        reason = f"spans the seconds {first * step} to {end * step}"
        raise Refused([Refusal(source, reason, "Was a clock wrong?")])
    cells = points.routes * width + (buckets - first)
    repairs += _order_repairs(points, cells)
    flat = np.full(width * len(points.names), np.nan)
    np.fmax.at(flat, cells, points.values)
    return RpsSeries(
        source=source,
        start=first * step,
        resolution_s=step,
        routes=points.names,
        rps=flat.reshape(len(points.names), width),
        repairs=tuple(repairs),
    )


def _cleaned(points: Points, now: float) -> tuple[Points, list[str]]:
    is_number = np.isfinite(points.values)
    with np.errstate(invalid="ignore"):
        is_rate = (points.values >= 0) & (points.values < MAX_RPS)
    is_past = points.seconds <= now + FUTURE_S
    repairs = _counted(
        (~is_number, "without a number (NaN, infinite or null)", points),
        (is_number & ~is_rate, "that no rate of requests has (below 0, or 1e12 and more)", points),
        (is_number & is_rate & ~is_past, "of the future (whose clock is off?)", points),
    )
    kept = is_number & is_rate & is_past
    left = Points(points.seconds[kept], points.routes[kept], points.values[kept], points.names)
    return left, repairs


def _counted(*found: tuple[NDArray[np.bool_], str, Points]) -> list[str]:
    sentences = []
    for mask, what, points in found:
        if count := int(mask.sum()):
            at = int(np.argmax(mask))
            sentences.append(
                f"{count} of {len(mask)} points {what} left out, the first at"
                f" {points.seconds[at]:.0f}: {points.values[at]:g}"
            )
    return sentences


def _order_repairs(points: Points, cells: NDArray[np.int64]) -> list[str]:
    repairs = []
    if len(cells) != len(unique := np.unique(cells)):
        repairs.append(
            f"{len(cells) - len(unique)} of {len(cells)} points repeat a bucket of their route: the"
            " highest of each counts"
        )
    order = np.argsort(points.routes, kind="stable")
    steps = np.diff(points.seconds[order])
    back = int((steps[np.diff(points.routes[order]) == 0] < 0).sum())
    if back:
        repairs.append(f"{back} of {len(cells)} points stood out of order and were put in it")
    return repairs


def _step(seconds: NDArray[np.float64]) -> int:
    gaps = np.diff(np.unique(np.floor(seconds)))
    if not len(gaps):
        return 1
    values, counts = np.unique(gaps, return_counts=True)
    return int(values[np.argmax(counts)])


def points_of(
    seconds: NDArray[np.float64],
    codes: NDArray[np.integer[Any]],
    tags: Sequence[str],
    values: NDArray[np.float64],
) -> Points:
    """Return points whose routes are `tags[code]`; tags that are equal become one route."""
    names = tuple(sorted(set(tags)))
    place = np.array([names.index(tag) for tag in tags], dtype=np.int64)
    return Points(seconds, place[codes], values, names)
