"""Requests per second from Datadog: maxima per minute, and the seconds around the highest of them.

    sum:mirror.rps{service:watch} by {route}.fill(null).rollup(max, 60)

Datadog first takes the maximum of each minute of each tag set, then adds up the tag sets. If
instances or routes peak in different seconds of a minute, that sum is an upper bound. Therefore the
windows with the highest minutes are queried again, second by second, until the seconds of the
highest minute are known. That minute then holds the exact peak, and no other minute can hold a
higher one. The default rollup is an average: one second of 1000 rps among seconds of 100 rps reads
103 in five minutes. `fill(null)` turns off interpolation, which would add requests of an instance
that is gone.

Counts of other programs, such as `sum:istio.mesh.request.count{...}.as_count()`, are summed in
Datadog over the finest interval that a bounded number of queries allows, and divided by it.

Windows have at most 1440 points. Beyond 1500, Datadog silently widens the interval, so the interval
of each answer is checked. Windows begin at multiples of their width in Unix time, whatever the time
of the run, so that the next run finds them in the cache. Empty buckets are absent: they are gaps.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from estimator.errors import Refusal, Refused
from estimator.series.datadog_api import CLOCK_OFF_S, DatadogApi, QueryGroup
from estimator.series.datadog_query import DatadogQuery
from estimator.series.grid import refuse_counters
from estimator.series.rps import ALL_ROUTES, KnownSeconds, RpsSeries

WINDOW_POINTS = 1_440
MAX_WINDOWS = 60
"""Most windows for counts: below a tenth of the hourly rate limit, which other users share."""
MAX_DRILLS = 12
"""Most windows of 24 minutes that are read second by second."""
_COUNT_STEPS_S = (10, 20, 30, 60)
"""The Agent flushes counts every 10 s, so nothing finer exists."""

Progress = Callable[[int, int, str], None]
"""Called with the number of windows done, their total, and what is happening."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A query, the API that answers it, and the callback for progress."""

    api: DatadogApi
    query: DatadogQuery
    progress: Progress


async def read_datadog(
    api: DatadogApi, query: DatadogQuery, period: tuple[int, int], progress: Progress
) -> RpsSeries:
    """Read the period [from, to), Unix seconds and whole minutes.

    Raises InputError and Refused as the API does. Raises Refused also for an answer without a
    point, with an unexpected interval, or with impossible rates.
    """
    reading = _Reading(api, query, progress)
    step = _step(query, period)
    by_route = await _read(reading, period, step)
    if not any(np.isfinite(row).any() for row in by_route.values()):
        raise Refused([_nothing_found(api, query, step)])
    routes = tuple(sorted(by_route))
    series = RpsSeries(
        source=f"Datadog at {api.url}: {query.text(step)}",
        start=period[0],
        resolution_s=step,
        routes=routes,
        rps=np.array([by_route[route] for route in routes]),
        averaging_s=query.averaging_s,
    )
    refuse_counters(series)
    caveats = ["a route without a point in a bucket in which another has one counts as 0 there"]
    if not query.is_count:
        series, caveat = await _drilled(reading, series)
        caveats.insert(0, caveat)
    if abs(api.clock_off_s) > CLOCK_OFF_S:
        side = "ahead of" if api.clock_off_s > 0 else "behind"
        caveats.append(
            f"the clock of this machine is {abs(api.clock_off_s):.0f} s {side} Datadog's: the"
            " period that was read is off by that"
        )
    return replace(series, caveats=tuple(caveats))


def _step(query: DatadogQuery, period: tuple[int, int]) -> int:
    if not query.is_count:
        return 60
    few_enough = (
        step
        for step in _COUNT_STEPS_S
        if (period[1] - period[0]) / (step * WINDOW_POINTS) <= MAX_WINDOWS
    )
    return next(few_enough, _COUNT_STEPS_S[-1])


async def _read(
    reading: _Reading, period: tuple[int, int], step: int
) -> dict[str, NDArray[np.float64]]:
    start, end = period
    width_s = step * WINDOW_POINTS
    windows = [
        (at, min(at + width_s, end)) for at in range(start // width_s * width_s, end, width_s)
    ]
    by_route: dict[str, NDArray[np.float64]] = {}
    for number, window in enumerate(windows):
        position = (number, len(windows))
        reading.progress(*position, f"Datadog, window {number + 1} of {len(windows)}")
        clipped = (max(window[0], start), window[1])
        place = slice((clipped[0] - start) // step, (clipped[1] - start) // step)
        for route, values in (await _ask(reading, window, step, position)).items():
            row = by_route.setdefault(route, np.full((end - start) // step, np.nan))
            row[place] = values[(clipped[0] - window[0]) // step :]
    reading.progress(len(windows), len(windows), "Datadog")
    return by_route


async def _ask(
    reading: _Reading, window: tuple[int, int], step: int, position: tuple[int, int]
) -> dict[str, NDArray[np.float64]]:
    """Return one window by route, in rps on its grid."""
    query = reading.query

    def say(trouble: str) -> None:
        reading.progress(*position, f"Datadog: {trouble}")

    by_route: dict[str, NDArray[np.float64]] = {}
    for group in await reading.api.query(query.text(step), window, say):
        _check(group, query, step)
        row = _grid(group, window, step) / (step if query.is_count else 1)
        route = query.route_of(group.tag_set)
        # Two groups may be one route: without the tag, and tagged `other`.
        before = by_route.get(route)
        by_route[route] = row if before is None else np.nansum([before, row], axis=0)
        if before is not None:
            by_route[route][np.isnan(before) & np.isnan(row)] = np.nan
    return by_route


async def _drilled(reading: _Reading, series: RpsSeries) -> tuple[RpsSeries, str]:
    """Read the seconds around the highest minutes; return the series and a caveat on its peaks."""
    end = series.start + series.duration_s
    read: set[int] = set()
    for number in range(MAX_DRILLS):
        at = _undecided(series, read)
        if at is None:
            return series, (
                f"{len(read)} windows around the highest minutes were read to the second: the peak"
                " of each route and of all together is exact; other minutes, and sums of some"
                " routes, may be above the truth"
            )
        read.add(at)
        position = (number, MAX_DRILLS)
        reading.progress(*position, f"Datadog, seconds around a peak ({number + 1})")
        window = (at, min(at + WINDOW_POINTS, end))
        try:
            by_route = await _ask(reading, window, 1, position)
        except Refused as error:
            return series, (
                "maxima within 60 s are added over routes and instances as if they fell in one"
                f" second, an upper bound: the seconds cannot be had ({error})"
            )
        rows = [by_route.get(route, np.full(window[1] - at, np.nan)) for route in series.routes]
        series = replace(series, details=(*series.details, KnownSeconds(at, np.array(rows))))
    return series, (
        f"maxima within 60 s are added over routes and instances, an upper bound; the seconds of"
        f" {MAX_DRILLS} windows around the highest were read, which does not settle every peak"
    )


def _undecided(series: RpsSeries, read: set[int]) -> int | None:
    """Return the window of a peak whose seconds are not read yet, that of all routes first."""
    for routes in ((ALL_ROUTES,), *((route,) for route in series.routes)):
        peak = series.peak(routes)
        assert peak is not None
        window = peak.second // WINDOW_POINTS * WINDOW_POINTS
        if window not in read and peak.rps > 0:
            return window
    return None


def _check(group: QueryGroup, query: DatadogQuery, step: int) -> None:
    subject = f"Datadog, {query.text(step)}, {query.route_of(group.tag_set)}"
    if group.interval != step:
        reason = f"asked for one value per {step} s and got one per {group.interval} s"
        raise Refused([Refusal(subject, reason, "Ask for less time with --since")])
    wrong = [value for _, value in group.pointlist if value is not None and not 0 <= value < 1e12]
    if wrong:
        reason = f"has values that no rate of requests has, such as {wrong[0]:g}"
        raise Refused([Refusal(subject, reason, "Check --metric or --query")])


def _grid(group: QueryGroup, window: tuple[int, int], step: int) -> NDArray[np.float64]:
    """Return the points of one window on its grid, NaN if there is none.

    Datadog also answers with the bucket at the end of the window, cut off there. That bucket
    belongs to the next window, which has all of it. Points may come in any order; of two points in
    a bucket, the higher one counts.
    """
    start, end = window
    row = np.full((end - start) // step, np.nan)
    for milliseconds, value in group.pointlist:
        second = milliseconds / 1000
        if value is not None and start <= second < end:
            index = int(second - start) // step
            row[index] = np.fmax(row[index], value)
    return row


def _nothing_found(api: DatadogApi, query: DatadogQuery, step: int) -> Refusal:
    return Refusal(
        f"Datadog at {api.url}",
        f"found no point for {query.text(step)}",
        f"Check the metric name ({query.metric}), the tags ({query.scope}), the site, and that the"
        " time asked for has traffic",
    )
