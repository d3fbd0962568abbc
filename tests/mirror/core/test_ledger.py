"""Checks that counts add up over seconds, over workers, and over workers that die."""

import msgspec

from mirror.core import ledger
from mirror.core.latency import bucket_of
from mirror.core.ledger import (
    REQUESTS,
    SHADOW_LATENCY,
    Counts,
    Ledger,
    Report,
    add_counts,
)

SAFE = (REQUESTS, "/a", "safe")


def counts_of(number: int) -> Counts:
    return {SAFE: number}


# --- one worker's ledger ---


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


def test_report_survives_the_wire() -> None:
    seconds: list[tuple[int, Counts, ledger.Latencies]] = [(99, counts_of(1), {})]
    report = Report(100, seconds, counts_of(3), 1, 0)
    report.seconds.append((100, {}, {(SHADOW_LATENCY, "/a"): {7: 2}}))
    report.unobserved.append((98, 99))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(report), type=Report) == report


def test_add_counts_sums_by_key() -> None:
    into = {SAFE: 1}
    add_counts(into, {SAFE: 2, (LOOPED := ledger.LOOPED, "other", ""): 1})
    assert into == {SAFE: 3, (LOOPED, "other", ""): 1}
