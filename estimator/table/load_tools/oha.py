"""oha's JSON (seconds) and its CSV, one answered request a line (seconds, as hey writes them).

oha waits for each response, so even a run with a rate (-q) is a closed loop. It states neither the
connections, nor the rate asked for, nor when it ran. `requestsPerSec` counts requests without a
response, too, and those that the end of the run cut off (`aborted due to deadline`), which say
nothing of the server. --time-unit changes the text alone. Source: oha, src/printer.rs.
"""

import msgspec

from estimator.table.load_tools.hey import run_of_lines
from estimator.table.load_tools.run import Keys, LoadRun, decode, require
from estimator.table.rows import Loop

NAME = "oha (--output-format json or csv)"
CUT_OFF = "aborted due to deadline"
_HEADER = "request-start,DNS,DNS+dialup,"
_COLUMNS = ("request-start", "request-duration", "status")


class _Summary(msgspec.Struct):
    total: float


class _OhaReport(msgspec.Struct):
    summary: _Summary
    percentiles: dict[str, float | None] = msgspec.field(name="latencyPercentiles")
    statuses: dict[str, int] = msgspec.field(name="statusCodeDistribution")
    errors: dict[str, int] = msgspec.field(name="errorDistribution")


def matches(keys: Keys, text: str) -> bool:
    if keys:
        return {"summary", "latencyPercentiles", "statusCodeDistribution"} <= keys.keys()
    return text.startswith(_HEADER)


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError."""
    if text.startswith(_HEADER):
        return run_of_lines(text, source, _COLUMNS, "oha")
    return _report(text, source)


def _report(text: str, source: str) -> LoadRun:
    report: _OhaReport = decode(text, _OhaReport, source)
    counts = (*report.statuses.values(), *report.errors.values())
    require(min(counts, default=0) >= 0, source, "expected counts of at least 0")
    duration_s = report.summary.total
    answered = sum(report.statuses.values())
    require(answered > 0 and duration_s > 0, source, "holds no answered request")
    failed = sum(number for error, number in report.errors.items() if error != CUT_OFF)
    good = sum(number for code, number in report.statuses.items() if code[:1] in ("2", "3"))
    p50, p99 = (report.percentiles.get(name) for name in ("p50", "p99"))
    return LoadRun(
        tool="oha",
        loop=Loop.CLOSED,
        rps=answered / duration_s,
        duration_s=duration_s,
        p50_ms=None if p50 is None else p50 * 1000,
        p99_ms=None if p99 is None else p99 * 1000,
        error_ratio=1 - good / (answered + failed),
        notes=("oha writes neither its connections nor the requested rate",),
    )
