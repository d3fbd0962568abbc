"""The report of `mirror replay --format json` (docs/formats.md): open loop, milliseconds.

Its latency is from the instant a request was due. Where the report says of itself that its
generator was late, that latency is the generator's and is left out; what was answered is a fact all
the same. The time of the run is not in it.
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


class _Report(msgspec.Struct):
    version: int
    is_valid: bool
    invalid_reason: str | None
    offered_rps: float
    achieved_rps: float
    window_s: float
    elapsed_s: float
    due: int
    answered: int
    outcomes: dict[str, int]
    from_intended_ms: _Percentiles


def matches(document: object, text: str) -> bool:
    return isinstance(document, Mapping) and document.get("format") == FORMAT


def read(text: str, source: str) -> Run:
    """Return the run. Raises InputError."""
    report: _Report = decode(text, _Report, source)
    require(report.version == 1, source, f"expected version 1, got {report.version}")
    require(report.answered > 0 and report.window_s > 0, source, "holds no answered request")
    good = sum(count for outcome, count in report.outcomes.items() if outcome in _GOOD)
    return Run(
        tool="mirror replay",
        loop=Loop.OPEN,
        rps=report.achieved_rps,
        duration_s=max(report.window_s, report.elapsed_s),
        rps_target=report.offered_rps,
        p50_ms=report.from_intended_ms.p50 if report.is_valid else None,
        p99_ms=report.from_intended_ms.p99 if report.is_valid else None,
        error_ratio=1 - good / report.due,
        notes=() if report.is_valid else (f"no latency: {report.invalid_reason}",),
    )
