"""The report of `mirror replay --format json` (docs/formats.md): open loop, milliseconds.

Its latency is from the instant a request was due. Where the report says of itself that its
generator was late, that latency is the generator's and is left out; what was answered is a fact all
the same. A report of one step is read as its steady part; several are rows that the replay itself
writes with --table.
"""

from collections.abc import Mapping

import msgspec

from estimator.table.load_tools.run import Run, decode, require
from estimator.table.rows import Loop

NAME = "mirror replay (--format json)"
FORMAT = "kagami-replay"
_GOOD = ("2xx", "3xx")


class _Percentiles(msgspec.Struct):
    p50: float | None
    p99: float | None


class _Part(msgspec.Struct, kw_only=True):
    is_valid: bool
    invalid_reason: str | None
    offered_rps: float
    achieved_rps: float
    window_s: float
    due: int
    answered: int
    outcomes: dict[str, int]
    from_intended_ms: _Percentiles


class _Step(_Part, kw_only=True):
    steady_from: float | None
    """Unix time; null where the step ended before its steady part."""


class _Report(_Part, kw_only=True):
    version: int
    elapsed_s: float
    shard: str | None = None
    steps: list[_Step] = []


def matches(document: object, text: str) -> bool:
    return isinstance(document, Mapping) and document.get("format") == FORMAT


def read(text: str, source: str) -> Run:
    """Return the run. Raises InputError."""
    report: _Report = decode(text, _Report, source)
    require(report.version == 1, source, f"expected version 1, got {report.version}")
    several = f"holds {len(report.steps)} steps: `mirror replay --table` makes a row of each"
    require(len(report.steps) < 2, source, several)
    shard = f"is shard {report.shard}: `mirror replay-merge` adds all of them up"
    require(report.shard is None, source, shard)
    part: _Part = report
    start, duration_s = None, max(report.window_s, report.elapsed_s)
    if report.steps and report.steps[0].steady_from is not None:
        part, start = report.steps[0], report.steps[0].steady_from
        duration_s = part.window_s
    require(part.answered > 0 and part.window_s > 0, source, "holds no answered request")
    good = sum(count for outcome, count in part.outcomes.items() if outcome in _GOOD)
    return Run(
        tool="mirror replay",
        loop=Loop.OPEN,
        rps=part.achieved_rps,
        duration_s=duration_s,
        start=start,
        rps_target=part.offered_rps,
        p50_ms=part.from_intended_ms.p50 if report.is_valid else None,
        p99_ms=part.from_intended_ms.p99 if report.is_valid else None,
        error_ratio=1 - good / part.due,
        notes=() if report.is_valid else (f"no latency: {report.invalid_reason}",),
    )
