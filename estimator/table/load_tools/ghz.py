"""ghz's JSON (also pretty-printed): nanoseconds; a closed loop, unless it ran with --async.

`rps` also counts failed calls. `details` may hold fewer calls than were made: then the totals of
the whole run are used. `date` is the time of the report, so the start is that of the first call in
`details`, where there is one. The latency distribution covers the calls that were OK.
"""

import msgspec
import numpy as np

from estimator.table.load_tools.run import (
    Instant,
    Keys,
    LoadRun,
    Requests,
    decode,
    measured,
    require,
)
from estimator.table.rows import Loop

NAME = "ghz (JSON)"


class _Options(msgspec.Struct):
    concurrency: int | None = msgspec.field(name="c", default=None)
    rps: float = 0.0
    is_async: bool = msgspec.field(name="async", default=False)


class _Latency(msgspec.Struct):
    percentage: float
    latency: float


class _Call(msgspec.Struct):
    timestamp: Instant
    latency: float
    status: str


class _GhzReport(msgspec.Struct):
    count: int
    total: float
    rps: float
    options: _Options = msgspec.field(default_factory=_Options)
    statuses: dict[str, int] | None = msgspec.field(name="statusCodeDistribution", default=None)
    latencies: list[_Latency] | None = msgspec.field(name="latencyDistribution", default=None)
    details: list[_Call] | None = None


def matches(keys: Keys, text: str) -> bool:
    # oha has statusCodeDistribution too, but counts nothing outside of its summary.
    return {"statusCodeDistribution", "count", "total"} <= keys.keys()


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError."""
    report: _GhzReport = decode(text, _GhzReport, source)
    require(report.count > 0 and report.total > 0, source, "holds no call")
    duration_s = report.total / 1e9
    is_whole = report.details is not None and len(report.details) == report.count
    requests = _requests(report.details or []) if is_whole else None
    stated = {
        percentile.percentage: percentile.latency / 1e6 for percentile in report.latencies or []
    }
    totals = {
        "rps": report.rps,
        "p50_ms": stated.get(50.0),
        "p99_ms": stated.get(99.0),
        "error_ratio": 1 - (report.statuses or {}).get("OK", 0) / report.count,
    }
    start = min((call.timestamp for call in report.details or []), default=None)
    notes = () if is_whole else (f"not every one of its {report.count} calls is in the file",)
    return LoadRun(
        tool="ghz",
        loop=Loop.OPEN if report.options.is_async else Loop.CLOSED,
        duration_s=duration_s,
        start=start.timestamp() if start else None,
        rps_target=report.options.rps or None,
        connections=report.options.concurrency,
        requests=requests,
        notes=notes,
        **(totals if requests is None else measured(requests, duration_s)),
    )


def _requests(calls: list[_Call]) -> Requests:
    at = np.array([call.timestamp.timestamp() for call in calls])
    statuses = [call.status for call in calls]
    return Requests(
        at - at.min(),
        np.array([call.latency for call in calls]) / 1e6,
        np.array([status != "OK" for status in statuses]),
        # A call that never left the generator cost the component nothing.
        np.array([status not in ("Unavailable", "Canceled") for status in statuses]),
    )
