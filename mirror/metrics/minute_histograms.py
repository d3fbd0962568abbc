"""Latencies of compared pairs in series.db: one histogram for each minute, metric and route.

Percentiles can be neither added nor averaged, histograms can (core/latency.py). A minute is written
once it is over, because writing its rows anew every second would cost far more than all counts of
that second; so a sidecar that is killed loses the histograms of less than two minutes, and none of
the counts.
"""

import json
import sqlite3

from mirror.core.latency import Buckets, add_buckets
from mirror.core.ledger import COMPARED_PRIMARY_LATENCY, COMPARED_SHADOW_LATENCY, Settled

METRICS = frozenset({COMPARED_PRIMARY_LATENCY, COMPARED_SHADOW_LATENCY})
MINUTE_S = 60

Key = tuple[int, str, str]
"""First second of the minute, metric, route."""


class MinuteHistograms:
    """The minutes that are not written yet: `add` each second once, and write what is `due`."""

    def __init__(self) -> None:
        self._pending: dict[Key, Buckets] = {}

    def add(self, settled: Settled) -> None:
        """Take the latencies of a second, or those that came late for it."""
        minute = settled.second // MINUTE_S * MINUTE_S
        for (metric, route), buckets in settled.latencies.items():
            if metric in METRICS:
                add_buckets(self._pending.setdefault((minute, metric, route), {}), buckets)

    def due(self, second: int | None = None) -> dict[Key, Buckets]:
        """Return the minutes that are over in this second; without one, all of them."""
        if second is None:
            return dict(self._pending)
        open_minute = second // MINUTE_S * MINUTE_S
        return {key: buckets for key, buckets in self._pending.items() if key[0] < open_minute}

    def forget(self, written: dict[Key, Buckets]) -> None:
        """Forget what was written."""
        for key in written:
            del self._pending[key]


def write_histograms(database: sqlite3.Connection, histograms: dict[Key, Buckets]) -> None:
    """Add histograms to those that the file has, in the transaction that is open."""
    for key, buckets in histograms.items():
        query = "SELECT buckets FROM histograms WHERE minute = ? AND metric = ? AND route = ?"
        row = database.execute(query, key).fetchone()
        total = (
            {int(bucket): number for bucket, number in json.loads(row[0]).items()} if row else {}
        )
        add_buckets(total, buckets)
        text = json.dumps(dict(sorted(total.items())), separators=(",", ":"))
        database.execute("INSERT OR REPLACE INTO histograms VALUES (?, ?, ?, ?)", (*key, text))
