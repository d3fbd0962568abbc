"""Checks what all ledgers share: their sums, and the report of one."""

import msgspec

from mirror.core import ledger
from mirror.core.ledger import (
    REQUESTS,
    SHADOW_LATENCY,
    Counts,
    Report,
    add_counts,
)

SAFE = (REQUESTS, "/a", "safe")


def counts_of(number: int) -> Counts:
    return {SAFE: number}


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
