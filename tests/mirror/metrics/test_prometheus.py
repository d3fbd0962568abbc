"""Checks the ledger's totals on the page with a parser for each of its two formats."""

from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from mirror.core.latency import bucket_of
from mirror.metrics.catalogue import IN_FLIGHT, METRICS, SINK_DROPPED
from mirror.metrics.prometheus import Exposition

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
COUNTS = {
    ("requests", "/watch/_id_", "safe"): 7,
    ("requests", "other", "unsafe"): 2,
    ("shadow.sent", "/watch/_id_", ""): 5,
    ("malformed", "other", "syntax"): 3,
}
LATENCIES = {("shadow.latency", "other"): {bucket_of(900): 4, bucket_of(2_000_000): 1}}
READINGS = {(IN_FLIGHT, ""): 3.0, (SINK_DROPPED, "series"): 1.0}


def scraped(accept: str, read: Any) -> tuple[dict[tuple[str, ...], float], str]:
    page, content_type = Exposition(lambda: (COUNTS, LATENCIES, READINGS)).render(accept)
    samples = {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): value
        for family in read(page.decode())
        for sample in family.samples
        for value in [sample.value]
    }
    return samples, content_type


@pytest.mark.parametrize(
    ("accept", "read", "kind"),
    [("text/plain", read_text, "text/plain"), (OPENMETRICS, read_openmetrics, OPENMETRICS)],
)
def test_both_formats_hold_the_totals(accept: str, read: Any, kind: str) -> None:
    samples, content_type = scraped(accept, read)
    assert content_type.startswith(kind.split(";")[0])
    assert samples["mirror_requests_total", "method_class=safe", "route=/watch/_id_"] == 7
    assert samples["mirror_requests_total", "method_class=unsafe", "route=other"] == 2
    assert samples["mirror_shadow_sent_total", "route=/watch/_id_"] == 5
    assert samples["mirror_malformed_total", "reason=syntax"] == 3
    assert samples["mirror_shadow_in_flight",] == 3
    assert samples["mirror_sink_dropped_total", "sink=series"] == 1


def test_latency_is_a_histogram() -> None:
    samples, _ = scraped("text/plain", read_text)
    name = "mirror_shadow_latency_seconds"
    assert samples[f"{name}_bucket", "le=0.001", "route=other"] == 4
    assert samples[f"{name}_bucket", "le=1.0", "route=other"] == 4
    assert samples[f"{name}_bucket", "le=2.5", "route=other"] == 5
    assert samples[f"{name}_bucket", "le=+Inf", "route=other"] == 5
    assert samples[f"{name}_count", "route=other"] == 5
    assert samples[f"{name}_sum", "route=other"] == pytest.approx(2.0036, rel=0.005)


def test_a_latency_on_a_bound_is_below_it() -> None:
    # 128 µs has a bucket of its own; 1 ms shares one that ends at 1.003 ms.
    for latency_us, lowest in ((128, "0.001"), (999, "0.001"), (1001, "0.0025")):
        latencies = {("shadow.latency", "other"): {bucket_of(latency_us): 1}}
        page, _ = Exposition(lambda held=latencies: ({}, held, {})).render("text/plain")
        holding = [line for line in page.decode().splitlines() if line.endswith(" 1.0")]
        assert f'le="{lowest}"' in holding[0]


def test_every_metric_but_those_of_a_second_is_described() -> None:
    page, _ = Exposition(lambda: ({}, {}, {})).render("text/plain")
    described = {family.name for family in read_text(page.decode())}
    expected = {
        "mirror_" + name.replace(".", "_") + ("_seconds" if metric.kind == "latency" else "")
        for name, metric in METRICS.items()
        if name not in ("rps", "shadow.rps", "rps.distribution")
    }
    assert described == expected


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=x",
        "application/openmetrics-text; version=1.0.0+a\N{LATIN SMALL LETTER LONG S}",
        "text/plain; version=; escaping",
        "text/plain;version=99999999999999999999.0.0",
        ",;=,\udcff",
    ],
)
def test_any_accept_gets_a_page(accept: str) -> None:
    page, content_type = Exposition(lambda: (COUNTS, LATENCIES, READINGS)).render(accept)
    assert b"mirror_requests_total" in page
    assert content_type.isascii()
