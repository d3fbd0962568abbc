"""Checks that histograms of minutes lose no latency, and add up over runs of a sidecar."""

import json
import sqlite3
from contextlib import closing

from mirror.core.latency import Buckets
from mirror.core.ledger import COMPARED_PRIMARY_LATENCY, SHADOW_LATENCY, Settled
from mirror.formats.series_db import SCHEMA
from mirror.metrics.minute_histograms import MinuteHistograms, write_histograms

PAIRS = (COMPARED_PRIMARY_LATENCY, "/a")


def second(at: int, buckets: Buckets, is_late: bool = False) -> Settled:
    latencies = {PAIRS: buckets, (SHADOW_LATENCY, "/a"): {1: 1}}
    return Settled(at, {}, {}, {}, is_late, True, latencies)


def test_a_minute_is_due_when_it_is_over() -> None:
    histograms = MinuteHistograms()
    histograms.add(second(120, {7: 1, 9: 2}))
    histograms.add(second(179, {7: 3}))
    assert histograms.due(179) == {}
    due = histograms.due(180)
    assert due == {(120, *PAIRS): {7: 4, 9: 2}}
    histograms.forget(due)
    assert histograms.due() == {}


def test_what_comes_late_is_due_at_once() -> None:
    histograms = MinuteHistograms()
    histograms.add(second(180, {7: 1}))
    histograms.add(second(179, {8: 1}, is_late=True))
    assert histograms.due(181) == {(120, *PAIRS): {8: 1}}
    assert len(histograms.due()) == 2


def test_rows_add_up_in_the_file() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(SCHEMA)
        write_histograms(database, {(120, *PAIRS): {10: 1, 9: 2}})
        write_histograms(database, {(120, *PAIRS): {10: 5}, (180, *PAIRS): {1: 1}})
        rows = database.execute("SELECT minute, buckets FROM histograms ORDER BY minute").fetchall()
    assert [(minute, json.loads(text)) for minute, text in rows] == [
        (120, {"9": 2, "10": 6}),
        (180, {"1": 1}),
    ]
