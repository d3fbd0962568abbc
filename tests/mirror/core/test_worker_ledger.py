"""Checks that each count and latency of a worker lands in one second, and is reported once."""

from mirror.core.latency import bucket_of
from mirror.core.ledger import REQUESTS, SHADOW_LATENCY, Counts
from mirror.core.worker_ledger import Ledger

SAFE = (REQUESTS, "/a", "safe")


def counts_of(number: int) -> Counts:
    return {SAFE: number}


def test_count_lands_in_the_open_second() -> None:
    counter = Ledger(100)
    counter.count(REQUESTS, "/a", "safe")
    counter.count(REQUESTS, "/a", "safe", 2)
    counter.roll(101)
    counter.count(REQUESTS, "/a", "safe")
    assert counter.report(0, 0).seconds == [(100, counts_of(3), {})]


def test_each_second_is_handed_over_once() -> None:
    counter = Ledger(100)
    counter.count(*SAFE)
    counter.roll(101)
    assert counter.report(0, 0).seconds == [(100, counts_of(1), {})]
    assert counter.report(0, 0).seconds == []


def test_second_without_counts_is_not_reported() -> None:
    counter = Ledger(100)
    counter.roll(105)
    report = counter.report(0, 0)
    assert (report.through, report.seconds) == (104, [])


def test_standing_still_is_reported_once() -> None:
    counter = Ledger(100)
    counter.stood_still(101, 112)
    assert counter.report(0, 0).unobserved == [(101, 112)]
    assert counter.report(0, 0).unobserved == []


def test_earlier_second_reopens_nothing() -> None:
    counter = Ledger(100)
    counter.roll(90)
    counter.count(*SAFE)
    assert counter.second == 100
    counter.roll(101)
    assert counter.report(0, 0).seconds == [(100, counts_of(1), {})]


def test_totals_include_the_open_second() -> None:
    counter = Ledger(100)
    counter.count(*SAFE)
    counter.roll(101)
    counter.count(*SAFE)
    report = counter.report(in_flight=3, reading=2)
    assert report.totals == counts_of(2)
    assert (report.in_flight, report.reading) == (3, 2)


def test_latencies_land_in_the_open_second() -> None:
    counter = Ledger(100)
    counter.record(SHADOW_LATENCY, "/a", 7)
    counter.record(SHADOW_LATENCY, "/a", 7)
    counter.record(SHADOW_LATENCY, "/b", 1000)
    counter.roll(101)
    counter.record(SHADOW_LATENCY, "/a", 8)
    seconds = counter.report(0, 0).seconds
    latencies = {
        (SHADOW_LATENCY, "/a"): {7: 2},
        (SHADOW_LATENCY, "/b"): {bucket_of(1000): 1},
    }
    assert seconds == [(100, {}, latencies)]
    assert counter.report(0, 0).seconds == []
