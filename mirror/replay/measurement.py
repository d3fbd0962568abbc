"""What is counted while requests are sent: one Measure for each part of a replay.

Invariant: due = sum of shed + sent, and sent = sum of outcomes + in flight. A request stays with
the part in which it was due, however late its response comes.
Histograms are sparse dicts in the layout of core/latency.py. Recording costs 0.3 us, the hdrh
library's own record_value 2.5 us, and adding two of them loses nothing.
"""

from mirror.core.latency import Buckets, add_buckets, bucket_of, percentile_us

LATE_S = 0.010
"""Seconds after its instant from which a request counts as late. The result is invalid when more
than one request in a hundred is late."""


LEAST_ERROR = 400
"""The lowest status of an error."""


class Histogram:
    """Times in microseconds; the longest time is kept exactly."""

    __slots__ = ("buckets", "max_us")

    def __init__(self) -> None:
        self.buckets: Buckets = {}
        self.max_us = 0

    def record(self, time_us: int) -> None:
        bucket = bucket_of(time_us)
        buckets = self.buckets
        buckets[bucket] = buckets.get(bucket, 0) + 1
        if time_us > self.max_us:
            self.max_us = time_us

    def add(self, other: "Histogram") -> None:
        add_buckets(self.buckets, other.buckets)
        self.max_us = max(self.max_us, other.max_us)

    def percentile_ms(self, ratio: float) -> float | None:
        """Return the time that a share `ratio` (0 to 1) did not exceed, or None without times."""
        if not self.buckets:
            return None
        return min(percentile_us(self.buckets, ratio), self.max_us) / 1000


class Measure:
    """Counts and times of the requests due in one part of a replay."""

    __slots__ = (
        "completed",
        "due",
        "from_intended",
        "from_send",
        "lag",
        "late",
        "outcomes",
        "shed",
        "statuses",
    )

    def __init__(self) -> None:
        self.due = 0
        self.late = 0
        self.shed: dict[str, int] = {}
        """Requests never sent, by reason."""
        self.outcomes: dict[str, int] = {}
        self.statuses: dict[int, int] = {}
        """Answers by status, of 400 and above: of the others the outcome says enough."""
        self.completed = 0
        """Responses that came while this part lasted, to requests of any part."""
        self.from_intended = Histogram()
        self.from_send = Histogram()
        self.lag = Histogram()

    def started(self, lag_s: float) -> None:
        """Count a request that was due, and was started `lag_s` later."""
        self.due += 1
        if lag_s > LATE_S:
            self.late += 1
        self.lag.record(int(lag_s * 1e6))

    def count_shed(self, reason: str) -> None:
        self.shed[reason] = self.shed.get(reason, 0) + 1

    def ended(self, outcome: str, status: int = 0) -> None:
        """Count a request that ended, with the status of its answer; 0 where it got none."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if status >= LEAST_ERROR:
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def add(self, other: "Measure") -> None:
        self.due += other.due
        self.late += other.late
        self.completed += other.completed
        for reason, number in other.shed.items():
            self.shed[reason] = self.shed.get(reason, 0) + number
        for outcome, number in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + number
        for status, number in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + number
        self.from_intended.add(other.from_intended)
        self.from_send.add(other.from_send)
        self.lag.add(other.lag)
