"""Maxima per minute of an rps gauge, from Datadog.

    sum:mirror.rps{service:watch} by {route}.rollup(max, 60)

Datadog first takes the maximum of each minute for each tag set, then adds the tag sets up. With
several instances or routes that peak in different seconds of a minute, the sum is an **upper
bound** of the true peak; the series carries that as a caveat. The default rollup would be an
average and hide the peak (a one-second burst of 1000 rps over 100 reads 103 in five minutes).

Windows are at most a day, 1440 points: beyond 1500 Datadog widens the interval without a word, so
the interval that came back is checked. Empty buckets are absent from an answer; they are gaps.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.datadog_api import DatadogApi, Series
from estimator.series.rps import RpsSeries

WINDOW_S = 86_400

_METRIC = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,199}", re.ASCII)
# As Datadog stores tags; anything else could end the scope and begin another query.
_TAG = re.compile(r"[a-z][a-z0-9_\-./]*:[a-z0-9_\-:./*]*[a-z0-9_\-./*]", re.ASCII)

Progress = Callable[[int, int, str], None]
"""Windows done, windows in all, and what is happening."""


@dataclass(frozen=True, slots=True)
class DatadogQuery:
    """A gauge of rps, summed by route; made by `of`."""

    metric: str
    tags: tuple[str, ...]
    resolution_s: int = 60

    @classmethod
    def of(
        cls, metric: str, service: str | None, env: str | None, tags: tuple[str, ...]
    ) -> "DatadogQuery":
        """Check and normalise. Raises InputError; tags are lower-cased as Datadog stores them."""
        problems = []
        if not _METRIC.fullmatch(metric):
            rule = f"expected a metric name such as mirror.rps, got {metric!r}"
            problems.append(Problem("--metric", rule))
        given = [("--tag", tag) for tag in tags]
        given += [("--env", f"env:{env}")] if env is not None else []
        given += [("--service", f"service:{service}")] if service is not None else []
        for option, tag in given:
            if not _TAG.fullmatch(tag.lower()):
                rule = f"expected letters, digits and _ - : . / as in key:value, got {tag!r}"
                problems.append(Problem(option, rule))
        if problems:
            raise InputError(problems)
        return cls(metric, tuple(sorted({tag.lower() for _, tag in given})))

    @property
    def text(self) -> str:
        scope = ",".join(self.tags)
        return f"sum:{self.metric}{{{scope}}} by {{route}}.rollup(max, {self.resolution_s})"


async def read_datadog(
    api: DatadogApi, query: DatadogQuery, period: tuple[int, int], progress: Progress
) -> RpsSeries:
    """Read the period [from, to), Unix seconds and multiples of the resolution.

    Raises InputError and Refused as the API does, Refused also for no data at all, for another
    interval than asked for and for values that no rate has.
    """
    start, end = period
    width = (end - start) // query.resolution_s
    by_route: dict[str, NDArray[np.float64]] = {}
    windows = _windows(start, end)
    for number, window in enumerate(windows):
        message = f"Datadog, day {number + 1} of {len(windows)}"
        progress(number, len(windows), message)

        def say(trouble: str, number: int = number) -> None:
            progress(number, len(windows), f"Datadog: {trouble}")

        for group in await api.query(query.text, window, say):
            _check(group, query)
            row = by_route.setdefault(_route(group), np.full(width, np.nan))
            first, last = ((edge - start) // query.resolution_s for edge in window)
            found = _grid(group, window, query.resolution_s)
            # Two groups may be one route: without the tag, and tagged `other`.
            both = row[first:last] + np.nan_to_num(found)
            row[first:last] = np.where(np.isnan(row[first:last]), found, both)
    progress(len(windows), len(windows), "Datadog")
    if not any(np.isfinite(row).any() for row in by_route.values()):
        raise Refused([_nothing_found(api, query)])
    routes = tuple(sorted(by_route))
    return RpsSeries(
        source=f"Datadog at {api.url}: {query.text}",
        start=start,
        resolution_s=query.resolution_s,
        routes=routes,
        rps=np.array([by_route[route] for route in routes]),
        averaging_s=1,  # maxima of the gauge's one-second values
        caveats=(
            f"maxima within {query.resolution_s} s are added over routes and instances as if they"
            " fell in one second: an upper bound of the peak",
            "a route without a point in a minute in which another has one counts as 0 there",
        ),
    )


def _windows(start: int, end: int) -> list[tuple[int, int]]:
    return [(at, min(at + WINDOW_S, end)) for at in range(start, end, WINDOW_S)]


def _route(group: Series) -> str:
    for tag in group.tag_set:
        if tag.startswith("route:"):
            return tag.removeprefix("route:")
    # Points without the tag are real traffic too.
    return "other"


def _check(group: Series, query: DatadogQuery) -> None:
    subject = f"Datadog, {query.metric}, {_route(group)}"
    if group.interval != query.resolution_s:
        reason = (
            f"asked for one maximum per {query.resolution_s} s and got one per {group.interval} s"
        )
        raise Refused([Refusal(subject, reason, "Ask for less time with --since")])
    wrong = [value for _, value in group.pointlist if value is not None and not 0 <= value < 1e12]
    if wrong:
        reason = f"has values that no rate of requests has, such as {wrong[0]:g}"
        raise Refused([Refusal(subject, reason, "Check --metric")])


def _grid(group: Series, window: tuple[int, int], resolution_s: int) -> NDArray[np.float64]:
    """Return the points of one window on its grid, NaN where there is none.

    Datadog answers with the bucket at the window's end too, cut off there: that one belongs to the
    next window, which has it whole. Points may come in any order, and one twice is one maximum.
    """
    start, end = window
    row = np.full((end - start) // resolution_s, np.nan)
    for milliseconds, value in group.pointlist:
        second = milliseconds / 1000
        if value is not None and start <= second < end:
            index = int(second - start) // resolution_s
            row[index] = np.fmax(row[index], value)
    return row


def _nothing_found(api: DatadogApi, query: DatadogQuery) -> Refusal:
    return Refusal(
        f"Datadog at {api.url}",
        f"found no point for {query.text}",
        f"Check the metric name ({query.metric}), the tags ({', '.join(query.tags)}), the site,"
        " and that the time asked for has traffic",
    )
