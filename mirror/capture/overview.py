"""What a capture holds, added up record by record.

Invariant: memory does not grow with the capture. Names that clients choose (paths, hosts) are
bounded in number, and those beyond the bound count as `other`. Seconds are kept one by one, up to a
month of them.

This module knows nothing of how the overview is printed.
"""

from collections import Counter
from collections.abc import Callable
from math import floor

from mirror.errors import InputError
from mirror.formats.capture.record import Record
from mirror.formats.routes import OTHER

MOST_NAMES = 10_000
MOST_SECONDS = 3_000_000
"""Most different seconds: a month of uninterrupted requests."""


class Overview:
    """Sums over the records that were passed to `add`."""

    def __init__(self, route_of: Callable[[bytes], str] | None = None) -> None:
        """`route_of` returns the route tag of a target; without it, a route is the path."""
        self.requests = 0
        self.begin_s = self.end_s = 0.0
        """Unix time of the first and the last request."""
        self.seconds: Counter[int] = Counter()
        self.methods: Counter[str] = Counter()
        self.hosts: Counter[str] = Counter()
        self.routes: Counter[str] = Counter()
        self.bodies = 0
        """Number of requests with a body, kept or not."""
        self.bodies_left_out = 0
        self.body_bytes = 0
        """Length of all bodies, kept or not."""
        self.largest_body_bytes = 0
        self.head_bytes = 0
        """Approximate length of the recorded request lines and fields."""
        self._route_of = route_of

    def add(self, record: Record) -> None:
        time_s = record.time_s
        self.begin_s = time_s if not self.requests else min(self.begin_s, time_s)
        self.end_s = max(self.end_s, time_s)
        self.requests += 1
        self.seconds[floor(time_s)] += 1
        if len(self.seconds) > MOST_SECONDS:
            raise InputError(f"requests in more than {MOST_SECONDS:,} seconds, which is the limit")
        _count(self.methods, record.method)
        _count(self.hosts, record.host)
        path = record.target.partition("?")[0]
        if self._route_of is not None:
            path = self._route_of(record.target.encode("latin-1"))
        _count(self.routes, path)
        self.head_bytes += len(record.method) + len(record.target) + len(record.host) + 20
        self.head_bytes += sum(len(name) + len(value) + 4 for name, value in record.headers)
        if record.body is not None or record.body_bytes is not None:
            size = len(record.body) if record.body is not None else record.body_bytes or 0
            self.bodies += 1
            self.bodies_left_out += record.body is None
            self.body_bytes += size
            self.largest_body_bytes = max(self.largest_body_bytes, size)

    @property
    def span_s(self) -> float:
        return self.end_s - self.begin_s

    @property
    def mean_rps(self) -> float:
        """Mean over the seconds from the first request to the last, both included."""
        return self.requests / (floor(self.end_s) - floor(self.begin_s) + 1)

    @property
    def peak(self) -> tuple[int, int]:
        """The busiest second and its number of requests; the first of equals."""
        second = min(self.seconds, key=lambda second: (-self.seconds[second], second))
        return second, self.seconds[second]

    def rps_over_time(self, columns: int) -> list[float]:
        """Return the highest second in each of at most `columns` equal parts of the time."""
        first, last = min(self.seconds), max(self.seconds)
        length = last - first + 1
        parts = min(columns, length)
        highest = [0.0] * parts
        for second, number in self.seconds.items():
            part = (second - first) * parts // length
            highest[part] = max(highest[part], number)
        return highest


def _count(names: Counter[str], name: str) -> None:
    if name not in names and len(names) >= MOST_NAMES:
        name = OTHER
    names[name] += 1
