"""Vegeta's JSON report and its encoded CSV: nanoseconds throughout, open loop.

In the report `rate` is the rate sent, and `throughput` counts successes only. The component
answered every request whose status is not 0, which stands for a failed connection. The CSV has no
header: time, status, latency, sizes, error, body, attack, number, then (newer) method, URL and
headers.
"""

import csv
import io

import msgspec
import numpy as np

from estimator.table.load_tools.run import (
    Instant,
    Keys,
    LoadRun,
    Problems,
    Requests,
    decode,
    measured,
    require,
)
from estimator.table.rows import Loop

NAME = "vegeta (`report -type=json`, `encode --to csv`)"

MOST_NS = 4 * 10**18
"""Year 2096 as Unix time. Two such numbers add up to what 64 bits hold."""


class _Latencies(msgspec.Struct):
    p50: float = msgspec.field(name="50th", default=0.0)
    p99: float = msgspec.field(name="99th", default=0.0)


class _VegetaReport(msgspec.Struct):
    latencies: _Latencies
    requests: int
    rate: float
    duration: float
    """Nanoseconds from the first request to the last."""
    wait: float
    """Nanoseconds until the last response."""
    success: float
    earliest: Instant
    status_codes: dict[str, int] | None = None


def matches(keys: Keys, text: str) -> bool:
    if keys:
        return {"latencies", "status_codes", "earliest"} <= keys.keys()
    cells = text.partition("\n")[0].split(",")
    return len(cells) in (9, 12) and len(cells[0]) == 19 and all(c.isdigit() for c in cells[:3])


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError."""
    return _report(text, source) if text.lstrip().startswith("{") else _encoded(text, source)


def _report(text: str, source: str) -> LoadRun:
    report: _VegetaReport = decode(text, _VegetaReport, source)
    duration_s = (report.duration + report.wait) / 1e9
    require(report.requests > 0 and duration_s > 0, source, "holds no request")
    codes = report.status_codes or {}
    answered = report.requests - codes.get("0", 0)
    return LoadRun(
        tool="vegeta",
        loop=Loop.OPEN,
        rps=answered / duration_s,
        duration_s=duration_s,
        start=report.earliest.timestamp(),
        rps_target=report.rate,
        p50_ms=report.latencies.p50 / 1e6,
        p99_ms=report.latencies.p99 / 1e6,
        error_ratio=1 - report.success,
        notes=("the requested rate is taken to be the rate sent: the report does not state it",),
    )


def _encoded(text: str, source: str) -> LoadRun:
    rows: list[tuple[int, int, int]] = []
    problems = Problems(source)
    # Bodies are base64 of any length.
    for number, cells in enumerate(csv.reader(io.StringIO(text, newline="")), start=1):
        try:
            row = int(cells[0]), int(cells[1]), int(cells[2])
            if not all(0 <= value <= MOST_NS for value in row):
                raise ValueError
            rows.append(row)
        except (ValueError, IndexError):
            rule = f"expected time, status and latency as whole numbers, got {cells[:3]!r}"
            problems.add(number, rule)
    problems.check()
    require(bool(rows), source, "holds no request")
    rows.sort()
    at_ns, codes, latency_ns = np.array(rows, dtype=np.int64).T
    ends_ns = at_ns + latency_ns
    duration_s = float(ends_ns.max() - at_ns[0]) / 1e9
    sent_s = float(at_ns[-1] - at_ns[0]) / 1e9
    require(duration_s > 0, source, "holds a single instant, no rate")
    requests = Requests(
        (at_ns - at_ns[0]) / 1e9,
        latency_ns / 1e6,
        (codes < 200) | (codes >= 400),
        codes != 0,
    )
    return LoadRun(
        tool="vegeta",
        loop=Loop.OPEN,
        duration_s=duration_s,
        start=float(at_ns[0]) / 1e9,
        # n requests span n - 1 gaps.
        rps_target=(len(rows) - 1) / sent_s if sent_s else None,
        requests=requests,
        **measured(requests, duration_s),
    )
