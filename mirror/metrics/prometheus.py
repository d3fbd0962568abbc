"""Renders the counts for Prometheus and OpenMetrics at each scrape (docs/metrics.md).

Invariant: every counter is the current total of the ledger, so it never falls while the sidecar
lives. There are no rates by second, because scrapes see only the average between two of them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from mirror.core.latency import Buckets, highest_us, sum_us
from mirror.core.ledger import Counts, Latencies
from mirror.metrics.catalogue import METRICS, RPS, RPS_DISTRIBUTION, SHADOW_RPS, Readings

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BOUNDS_US = [bound * 1e6 for bound in BOUNDS_S]
_OF_ONE_SECOND = (RPS, SHADOW_RPS, RPS_DISTRIBUTION)

_OPENMETRICS = "application/openmetrics-text"

Totals = tuple[Counts, Latencies, Readings]


class Exposition(Collector):
    """The exposition page; `totals` is called at every scrape."""

    def __init__(self, totals: Callable[[], Totals]) -> None:
        self._totals = totals
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self, accept: str) -> tuple[bytes, str]:
        """Return the page and its content type, in the best format that the field Accept allows."""
        # The client's own words, such as a version that is none, would make the library raise.
        wanted = _OPENMETRICS if _OPENMETRICS in accept else ""
        encode, content_type = choose_encoder(wanted)
        return encode(self._registry), content_type

    def describe(self) -> list[Metric]:
        """Return no metric, so that registering does not scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        counts, latencies, readings = self._totals()
        families: dict[str, Metric] = {}
        for name, metric in METRICS.items():
            if name not in _OF_ONE_SECOND:
                families[name] = _family(name, metric.is_by_route, metric.tag)
        for (name, route, label), number in counts.items():
            labels = [route] if METRICS[name].is_by_route else []
            _add(families[name], [*labels, *([label] if METRICS[name].tag else [])], number)
        for (name, label), value in readings.items():
            _add(families[name], [label] if METRICS[name].tag else [], value)
        for (name, route), buckets in latencies.items():
            family = families[name]
            assert isinstance(family, HistogramMetricFamily)
            family.add_metric([route], _cumulative(buckets), sum_us(buckets) / 1e6)
        yield from families.values()


def _family(name: str, is_by_route: bool, tag: str) -> Metric:
    full_name = "mirror_" + name.replace(".", "_")
    labels = [*(["route"] if is_by_route else []), *([tag] if tag else [])]
    meaning, kind = METRICS[name].meaning, METRICS[name].kind
    if kind == "latency":
        return HistogramMetricFamily(f"{full_name}_seconds", meaning, labels=labels)
    if kind == "count":
        return CounterMetricFamily(full_name, meaning, labels=labels)
    return GaugeMetricFamily(full_name, meaning, labels=labels)


def _add(family: Metric, labels: list[str], value: float) -> None:
    assert isinstance(family, CounterMetricFamily | GaugeMetricFamily)
    family.add_metric(labels, value)


def _cumulative(buckets: Buckets) -> list[tuple[str, float]]:
    """Return (bound, latencies whose bucket ends at or below it), cumulative as in Prometheus."""
    numbers = [0] * (len(_BOUNDS_US) + 1)
    for bucket, number in buckets.items():
        numbers[bisect_left(_BOUNDS_US, highest_us(bucket))] += number
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    return list(zip(bounds, accumulate(map(float, numbers)), strict=True))
