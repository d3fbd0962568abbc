"""Requests per second from Prometheus' or VictoriaMetrics' range queries.

    sum by (route) (rate(mirror_requests_total[60s]))          every 60 s

A rate at an instant is the mean over the window before it, so it belongs to the bucket that ends
there. A value of a query without a window (`[`) belongs to the bucket that begins there. Instants
are multiples of the step in Unix time, so that two runs ask for the same ones.

If the counter was not scraped twice in a window, there is no point, which is a gap. A query without
a window shows no gap for up to five minutes, because an instant vector repeats the last sample that
long (the lookback delta of Prometheus).
"""

import string
from dataclasses import dataclass, field, replace

import numpy as np

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.series.grid import Period, points_of, series_of
from estimator.series.prometheus_api import LabelledSeries, PrometheusApi
from estimator.series.rps import RpsSeries
from mirror.formats.routes import OTHER, route_tag

QUERY = "sum by (route) (rate(mirror_requests_total[${window}s]))"


@dataclass(frozen=True, slots=True)
class RateQuery:
    """A query and its server; `$window` in the query becomes the step in seconds."""

    url: str
    query: str = QUERY
    step_s: int = 60
    """Resolution of the series and window of a rate; at least two scrapes."""
    authorization: str | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        return string.Template(self.query).safe_substitute(window=str(self.step_s))


async def read_prometheus(query: RateQuery, period: tuple[int, int], now: float) -> RpsSeries:
    """Read the period [from, to), Unix seconds, narrowed to whole steps.

    Raises InputError for what the server rejects, Refused if it has no point.
    """
    step = query.step_s
    start, end = -(-period[0] // step) * step, period[1] // step * step
    lag_s = step if "[" in query.query else 0
    async with PrometheusApi(query.url, "--from-prometheus", query.authorization) as api:
        groups = await api.range(query.text, start + lag_s, end + lag_s, step)
    source = f"Prometheus at {query.url}: {query.text}"
    if not any(len(series.values) for series in groups):
        reason = f"has nothing from {start} to {end}"
        advice = "Check the query, the time (--since), and that --step spans two scrapes"
        raise Refused([Refusal(source, reason, advice)])
    window = Period(start, end, step)
    tags = [_route(series, query) for series in groups]
    sizes = [len(series.values) for series in groups]
    instants = np.concatenate([series.seconds for series in groups])
    values = np.concatenate([series.values for series in groups])
    codes = np.repeat(np.arange(len(groups)), sizes)
    series = series_of(points_of(instants - lag_s, codes, tags, values), source, now, window)
    caveats = list(dict.fromkeys(api.warnings))
    if not lag_s:
        caveats.append("a gap of less than five minutes shows the value before it")
    return replace(series, caveats=tuple(caveats))


def _route(series: LabelledSeries, query: RateQuery) -> str:
    labels = series.metric
    if "route" not in labels and len(labels) > 1:
        rule = f"expected series with a `route` label, as of `sum by (route)`, got {labels}"
        raise InputError([Problem("--promql", rule)])
    name = labels.get("route", next(iter(labels.values()), ""))
    return route_tag(name) or OTHER
