"""Fortio's JSON: latencies in seconds, durations in nanoseconds, the requested rate as a string.

`RequestedQPS` is "max" where no rate was requested. Each thread of fortio waits for its response,
so even a run with a rate is a closed loop that falls behind. A missing percentile is interpolated
in the histogram. Source: fortio, periodic.RunnerResults.
"""

import msgspec

from estimator.table.fields import shown
from estimator.table.load_tools.run import Instant, Keys, LoadRun, decode, require
from estimator.table.rows import Loop

NAME = "fortio (JSON)"


class _Bucket(msgspec.Struct, rename="pascal"):
    start: float
    end: float
    percent: float


class _Percentile(msgspec.Struct, rename="pascal"):
    percentile: float
    value: float


class _Histogram(msgspec.Struct, rename="pascal"):
    count: int
    data: list[_Bucket] | None = None
    percentiles: list[_Percentile] | None = None


class _FortioResult(msgspec.Struct):
    requested: str = msgspec.field(name="RequestedQPS")
    actual: float = msgspec.field(name="ActualQPS")
    duration_ns: float = msgspec.field(name="ActualDuration")
    threads: int = msgspec.field(name="NumThreads")
    histogram: _Histogram = msgspec.field(name="DurationHistogram")
    codes: dict[str, int] = msgspec.field(name="RetCodes")
    start: Instant | None = msgspec.field(name="StartTime", default=None)
    jitter: bool = msgspec.field(name="Jitter", default=False)


def matches(keys: Keys, text: str) -> bool:
    return {"DurationHistogram", "RequestedQPS"} <= keys.keys()


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError."""
    result: _FortioResult = decode(text, _FortioResult, source)
    count = sum(result.codes.values())
    require(count > 0 and result.duration_ns > 0, source, "holds no request")
    notes: tuple[str, ...] = ()
    target = None
    if result.requested != "max":
        try:
            target = float(result.requested)
        except ValueError:
            require(
                False,
                source,
                f'RequestedQPS: expected a rate or "max", got {shown(result.requested)}',
            )
    stated = {
        percentile.percentile: percentile.value for percentile in result.histogram.percentiles or []
    }
    values = {}
    for percent in (50.0, 99.0):
        if percent not in stated and result.histogram.data:
            stated[percent] = interpolated(percent, result.histogram.data)
            notes += (f"p{percent:.0f} interpolated in the histogram: the file does not state it",)
        values[percent] = stated[percent] * 1000 if percent in stated else None
    good = sum(number for code, number in result.codes.items() if _is_good(code))
    never = sum(number for code, number in result.codes.items() if code == "-1")
    duration_s = result.duration_ns / 1e9
    return LoadRun(
        tool="fortio",
        loop=Loop.CLOSED,
        rps=result.actual * (count - never) / count,
        duration_s=duration_s,
        start=result.start.timestamp() if result.start else None,
        rps_target=target,
        connections=result.threads,
        p50_ms=values[50.0],
        p99_ms=values[99.0],
        error_ratio=1 - good / count,
        notes=notes,
    )


def _is_good(code: str) -> bool:
    # gRPC runs count health states and OK instead of HTTP statuses.
    return code in ("OK", "SERVING") or (len(code) == 3 and code.startswith("2"))


def interpolated(percent: float, buckets: list[_Bucket]) -> float:
    """Return the latency in seconds of a percentile (0 to 100), linear within a bucket."""
    below = 0.0
    for bucket in buckets:
        if bucket.percent >= percent:
            share = (percent - below) / (bucket.percent - below) if bucket.percent > below else 1.0
            return bucket.start + share * (bucket.end - bucket.start)
        below = bucket.percent
    return buckets[-1].end
