"""The report of `mirror replay --format json` (docs/formats.md): open loop, milliseconds.

Its latency is from the instant a request was due. Where the report says of itself that its
generator was late, that latency is the generator's and is left out; what was answered is a fact all
the same. A report of one step is read as its steady part; several are rows that the replay itself
writes with --table.
"""

from collections.abc import Mapping

from estimator.errors import InputError, Problem
from estimator.table.load_tools.run import Run, require
from estimator.table.rows import Loop
from mirror.formats.replay_result import FORMAT, PartResult, ReplayResult, decode

NAME = "mirror replay (--format json)"
_GOOD = ("2xx", "3xx")


def matches(document: object, text: str) -> bool:
    return isinstance(document, Mapping) and document.get("format") == FORMAT


def read(text: str, source: str) -> Run:
    """Return the run. Raises InputError."""
    report = _decoded(text, source)
    several = f"holds {len(report.steps)} steps: `mirror replay --table` makes a row of each"
    require(len(report.steps) < 2, source, several)
    shard = f"is shard {report.shard}: `mirror replay-merge` adds all of them up"
    require(report.shard is None, source, shard)
    part: PartResult = report
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


def _decoded(text: str, source: str) -> ReplayResult:
    try:
        return decode(text)
    except ValueError as error:
        raise InputError([Problem(source, str(error))]) from error
