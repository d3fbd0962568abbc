"""Checks that the catalogue has every metric once and every counter of the ledger."""

from mirror.core import ledger
from mirror.metrics.catalogue import METRICS, OUTCOMES, PERCENTILES, Metric, most_series


def test_every_name_of_the_ledger_is_a_metric() -> None:
    names = {
        value
        for name, value in vars(ledger).items()
        if name.isupper() and isinstance(value, str) and not name.startswith("_")
    }
    assert names - set(OUTCOMES) <= set(METRICS)


def test_names_are_what_datadog_takes() -> None:
    names = [name for metric in METRICS.values() for name in metric.names]
    assert len(names) == len(set(names))
    for name in names:
        assert name.replace(".", "").replace("_", "").isalnum() and name.islower()


def test_a_tag_and_its_labels_come_together() -> None:
    for metric in METRICS.values():
        assert bool(metric.tag) == (metric.labels != ("",)), metric.name
        assert len(set(metric.labels)) == len(metric.labels), metric.name


def test_latencies_are_one_gauge_a_percentile() -> None:
    assert METRICS["shadow.latency"].names == tuple(f"shadow.latency.{p}" for p in PERCENTILES)


def test_cost_is_names_times_tag_values() -> None:
    count = Metric("a", "count", "", "", "tag", ("x", "y"))
    assert most_series(count, routes=3) == 6
    assert most_series(Metric("a", "gauge", "", "", is_by_route=False), routes=3) == 1
    assert most_series(Metric("a", "latency", "", ""), routes=3) == 12
    assert most_series(Metric("a", "distribution", "", ""), routes=3) == 15
