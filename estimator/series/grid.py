"""Puts points in any order onto the regular grid of a series, and counts what was wrong with them.

A point is a Unix second, a route and a value. Impossible points are left out or merged, but never
silently: every repair becomes a sentence with a number in `RpsSeries.repairs`.

| point | treatment |
|---|---|
| value NaN, infinite or null | left out |
| value below 0, or 1e12 and more | left out: no rate of requests |
| second after `now` by more than a minute | left out: a clock was wrong |
| same second and route twice, equal values | one point |
| same second and route twice, other values | the maximum: two readings of one counter |
| out of order | put into order |

The resolution is the commonest distance between two points, if hardly any are much closer together.
Otherwise the points are no such grid (rows of the seconds with a request, for example), and the
resolution is the largest number of seconds that divides all distances.

A counter that was taken for a rate is refused: its values rise for ever, and fall only when its
process starts again. The rate of requests falls about as often as it rises. Between 30 and 99
changes none may fall for a route to be a counter, and of more changes at most one in a hundred.

This module knows nothing of files and HTTP.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.limits import (
    BUCKETS_PER_POINT,
    CELLS_PER_POINT,
    MAX_CELLS,
    most_buckets,
    most_cells,
)
from estimator.series.rps import RpsSeries

FUTURE_S = 60
"""The clocks of two hosts differ by less."""
MAX_RPS = 1e12
MOST_CLOSER_RATIO = 0.01
"""More points than these closer together than the commonest distance are no accident."""
JITTER_RATIO = 0.25
WARNED_RATIO = 0.01
DOUBTED_RATIO = 0.05
"""Points that are left out, as a share of all."""
FEWEST_CHANGES = 30
MOST_FALLING_RATIO = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Points as columns of equal length."""

    seconds: NDArray[np.float64]
    """Unix time; NaN is not allowed."""
    routes: NDArray[np.integer[Any]]
    """Indices into `names`."""
    values: NDArray[np.float64]
    names: tuple[str, ...]
    """Distinct route tags."""


@dataclass(frozen=True, slots=True)
class Period:
    """The time that was requested; the series covers all of it, gaps included."""

    start: int
    end: int
    """Unix time; both are multiples of the resolution."""
    resolution_s: int


def series_of(
    points: Points,
    source: str,
    now: float,
    period: Period | None = None,
    allowed_cells: int = MAX_CELLS,
) -> RpsSeries:
    """Return the series over `period`, or without one from the first point to the last.

    `now` is Unix time; `allowed_cells` bounds buckets times routes. Raises InputError if the points
    are too far apart for one series, Refused if none is left, or if they are those of a counter.
    """
    given = len(points.seconds)
    points, repairs = _cleaned(points, now)
    if not len(points.seconds):
        reason = "holds no point that can be used" + "".join(f"; {repair}" for repair in repairs)
        raise Refused([Refusal(source, reason, "Check what recorded it")])
    step = period.resolution_s if period else _step(points.seconds)
    buckets = _buckets(points.seconds, step)
    first, end = int(buckets.min()), int(buckets.max()) + 1
    if period:
        first, end = min(first, period.start // step), max(end, period.end // step)
    width = end - first
    allowed = min(allowed_cells, most_cells(CELLS_PER_POINT * len(points.seconds)))
    allowed_width = most_buckets(BUCKETS_PER_POINT * len(points.seconds))
    if width > allowed_width or width * len(points.names) > allowed:
        reason = (
            f"spans the seconds {first * step} to {end * step} over {len(points.names)} route(s):"
            f" more than the limit for its points and its size, which is {allowed_width:,} times"
            f" {step} s, and {allowed:,} for all routes together; was a clock wrong?"
        )
        raise InputError([Problem(source, reason)])
    order_repairs = _order_repairs(points)
    # In place, and each array no longer than it is needed: 10 MB may hold 5 million points.
    cells = buckets
    cells -= first
    cells += np.multiply(points.routes, width, dtype=np.int64)
    names, values = points.names, points.values
    del points
    rps = np.full((len(names), width), np.nan)
    np.fmax.at(rps.reshape(-1), cells, values)
    repeated = len(values) - sum(int(np.count_nonzero(~np.isnan(row))) for row in rps)
    if repeated:
        repairs.append(
            f"{repeated} of {len(values)} points repeat a bucket of their route: the highest of"
            " each counts"
        )
    del buckets, cells, values
    series = RpsSeries(
        source=source,
        start=first * step,
        resolution_s=step,
        routes=names,
        rps=rps,
        repairs=(*repairs, *order_repairs),
    )
    return refuse_counters(_judged(series, given))


def _judged(series: RpsSeries, given: int) -> RpsSeries:
    """Return the series with a warning, or a doubt, where many of its points are not in it."""
    left_out = given - int(np.count_nonzero(~np.isnan(series.rps)))
    if left_out <= WARNED_RATIO * given:
        return series
    words = f"{left_out / given:.1%} of its points were left out or repeat another"
    if left_out <= DOUBTED_RATIO * given:
        return replace(series, warnings=(f"{words}: see the repairs among the assumptions",))
    reason = f"{words}, more than {DOUBTED_RATIO:.0%}: what they held may have been the peak"
    return replace(series, doubts=(reason,))


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
    if kept.all():
        return points, repairs
    remaining = Points(points.seconds[kept], points.routes[kept], points.values[kept], points.names)
    return remaining, repairs


def _counted(*masks: tuple[NDArray[np.bool_], str, Points]) -> list[str]:
    sentences = []
    for mask, reason, points in masks:
        if count := int(mask.sum()):
            at = int(np.argmax(mask))
            sentences.append(
                f"{count} of {len(mask)} points {reason} left out, the first at"
                f" {points.seconds[at]:.0f}: {points.values[at]:g}"
            )
    return sentences


def _order_repairs(points: Points) -> list[str]:
    if (points.seconds[1:] >= points.seconds[:-1]).all():
        return []
    order = np.argsort(points.routes, kind="stable")
    seconds = points.seconds[order]
    is_back = seconds[1:] < seconds[:-1]
    del seconds
    routes = points.routes[order]
    back = int((is_back & (routes[1:] == routes[:-1])).sum())
    return [f"{back} of {len(order)} points were out of order and were sorted"] if back else []


def _buckets(seconds: NDArray[np.float64], step: int) -> NDArray[np.int64]:
    """Return the number of the bucket of each second, in an array of its own."""
    quotients = seconds / step
    return np.floor(quotients, out=quotients).astype(np.int64)


def _step(seconds: NDArray[np.float64]) -> int:
    whole = _buckets(seconds, 1)
    whole.sort()
    gaps = np.diff(whole)
    del whole
    gaps = gaps[gaps > 0]
    if not len(gaps):
        return 1
    values, counts = np.unique(gaps, return_counts=True)
    commonest = int(values[np.argmax(counts)])
    closer = counts[values < commonest * (1 - JITTER_RATIO)].sum()
    if closer <= MOST_CLOSER_RATIO * len(gaps):
        return commonest
    return int(np.gcd.reduce(values))


def points_of(
    seconds: NDArray[np.float64],
    codes: NDArray[np.integer[Any]],
    tags: Sequence[str],
    values: NDArray[np.float64],
) -> Points:
    """Return points whose routes are `tags[code]`; equal tags become one route."""
    names = tuple(sorted(set(tags)))
    place = np.array([names.index(tag) for tag in tags], dtype=np.int32)
    return Points(seconds, place[codes], values, names)


def refuse_counters(series: RpsSeries) -> RpsSeries:
    """Return the series. Raises Refused if a route of it is a counter."""
    for route, row in zip(series.routes, series.rps, strict=True):
        values = row[~np.isnan(row)]
        changes = int((values[1:] != values[:-1]).sum())
        falling = int((values[1:] < values[:-1]).sum())
        if changes < FEWEST_CHANGES or falling > int(changes * MOST_FALLING_RATIO):
            continue
        reason = (
            f"route {route} falls {falling} times in {changes} changes, from {values[0]:g} to"
            f" {values[-1]:g}: that is a counter and not a rate"
        )
        advice = (
            "Take its rate, such as rate(mirror_requests_total[60s]) in PromQL or .as_count() at"
            " Datadog, or in a file the difference between each value and the one before"
        )
        raise Refused([Refusal(series.source, reason, advice)])
    return series
