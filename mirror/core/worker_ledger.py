"""The counters of one worker: of the open second, of the closed ones, and since its start.

The module is apart from ledger.py because it is compiled: what a request counts here is a tenth of
what it costs. msgspec reads the annotations of the report in ledger.py, which mypyc would erase.
"""

from mirror.core.latency import bucket_of
from mirror.core.ledger import Counts, Latencies, Report, add_counts


class Ledger:
    """The counters of one worker; it closes seconds as the clock advances, and keeps totals."""

    __slots__ = ("_closed", "_latencies", "_totals", "_unobserved", "counts", "second")

    def __init__(self, second: int) -> None:
        self.second = second
        self.counts: Counts = {}
        """Counts of the open second."""
        self._latencies: Latencies = {}
        self._closed: list[tuple[int, Counts, Latencies]] = []
        self._totals: Counts = {}
        self._unobserved: list[tuple[int, int]] = []

    def stood_still(self, first: int, last: int) -> None:
        """Note that nobody observed the seconds from `first` to `last`, both included."""
        self._unobserved.append((first, last))

    def roll(self, second: int) -> None:
        """Close the open second if `second` is later; otherwise do nothing."""
        if second <= self.second:
            return
        if self.counts or self._latencies:
            self._closed.append((self.second, self.counts, self._latencies))
            add_counts(self._totals, self.counts)
            self.counts = {}
            self._latencies = {}
        self.second = second

    def count(self, metric: str, route: str, label: str = "", number: int = 1) -> None:
        """Add `number` to a counter of the open second."""
        key = (metric, route, label)
        counts = self.counts
        counts[key] = counts.get(key, 0) + number

    def record(self, metric: str, route: str, latency_us: int) -> None:
        """Add a latency in microseconds to a histogram of the open second."""
        key = (metric, route)
        buckets = self._latencies.get(key)
        if buckets is None:
            buckets = self._latencies[key] = {}
        bucket = bucket_of(latency_us)
        buckets[bucket] = buckets.get(bucket, 0) + 1

    def report(self, in_flight: int, reading: int) -> Report:
        """Return the seconds closed since the last call, and the totals.

        Each closed second is returned exactly once, so a lost report loses its seconds. `in_flight`
        and `reading` are the gauges of the tee at this moment.
        """
        totals = dict(self._totals)
        add_counts(totals, self.counts)
        closed, self._closed = self._closed, []
        unobserved, self._unobserved = self._unobserved, []
        return Report(
            self.second - 1,
            closed,
            totals,
            in_flight,
            reading,
            open_counts=dict(self.counts),
            unobserved=unobserved,
        )
