"""What the sources of an audit could not show, as findings.

A log may not be given, may hold no ids or lines that cannot be read; seconds may not be judged, and
the clocks of two hosts may be apart.
"""

from collections.abc import Iterator
from dataclasses import replace

from mirror.audit import rules
from mirror.audit.audit import LINES, OURS, PROBES, Audit, total_of
from mirror.audit.ids import CAPTURE, ENVOY, GATEWAY
from mirror.audit.logs import Log
from mirror.audit.reasons import BY_NGINX, CLIENT_ABORTED, LOOPED, MALFORMED, PROBED
from mirror.formats.access_log.tally import LOW_CONFIDENCE_RATIO
from mirror.preflight.findings import Finding

UNOBSERVED_RATIO = 0.1
"""Beyond this share of seconds that are not judged, the window as a whole cannot be."""
_NAMES = {CAPTURE: "--capture", GATEWAY: "--gateway-log", ENVOY: "--envoy-log"}


def doubts(audit: Audit) -> Iterator[Finding]:
    """Name what the sources could not show."""
    if not sum(audit.seconds.logged):
        yield rules.NO_REQUESTS.at("--access-log", _outside(audit.production))
    for log in (audit.production, audit.gateway, audit.envoy):
        if log is not None:
            yield from _doubts_of(log)
    yield from _unnamed(audit)
    if audit.gateway is not None:
        yield from _gateway_doubts(audit, audit.gateway)
    elif not audit.sources.gateway_log:
        yield rules.NO_GATEWAY_LOG.at("--gateway-log", "it was not given")
    for option, pattern in audit.empty:
        yield rules.NO_FILES.at(option, f"{pattern} matches no file, and its folder is empty")
    out = sum(not judged for judged in audit.seconds.judged)
    if audit.sidecars.unobserved_s:
        finding = rules.UNOBSERVED.at(
            "--series",
            f"{audit.sidecars.unobserved_s} s of {len(audit.window)} s; with their neighbours"
            f" {out} s are not judged, with {_unjudged(audit)} requests of the log",
        )
        is_much = out > UNOBSERVED_RATIO * len(audit.window)
        yield finding if is_much else _as_note(finding)
    if audit.hole_s:
        yield rules.LOG_HOLE.at("--access-log", f"{audit.hole_s} s")
    for source, offset in audit.offsets.items():
        if offset.is_apart:
            later = "later" if offset.seconds > 0 else "earlier"
            yield rules.CLOCKS.at(
                _NAMES[source],
                f"{abs(offset.seconds):.1f} s {later} than production's log, the median of"
                f" {offset.samples} requests",
            )
    if audit.lag_s is not None and CAPTURE not in audit.offsets:
        yield rules.SHAPES.at("--series", f"it fits the log better when shifted by {audit.lag_s} s")
    if number := audit.production.inexact:
        yield rules.INEXACT.at("--access-log", f"{number} of {audit.production.requests} lines")
    sure = (MALFORMED, CLIENT_ABORTED, BY_NGINX, LOOPED, PROBED)
    unsure = sum(n for reason, n in audit.explained().items() if reason not in sure)
    if unsure and audit.production.says_upstream < audit.production.requests:
        yield rules.UNSURE.at("--access-log", f"{unsure} requests are explained by status alone")


def _unjudged(audit: Audit) -> int:
    seconds = audit.seconds
    return sum(
        number for number, judged in zip(seconds.logged, seconds.judged, strict=True) if not judged
    )


def _outside(log: Log) -> str:
    """Return how many requests a log has where none is in the window."""
    return f"it has {log.requests + log.skipped} requests outside of the window"


def _doubts_of(log: Log) -> Iterator[Finding]:
    if log.tally.lost:
        is_much = log.tally.lost_ratio > LOW_CONFIDENCE_RATIO
        rule = rules.LOST_LINES if is_much else rules.LOST_LINES_NOTE
        yield rule.at(log.option, log.tally.loss())


def _unnamed(audit: Audit) -> Iterator[Finding]:
    if audit.without_id:
        logged = sum(audit.seconds.logged)
        finding = rules.NO_IDS.at(
            "--access-log", f"{audit.without_id} of {logged} requests have no id"
        )
        is_much = audit.without_id > LOW_CONFIDENCE_RATIO * logged
        yield finding if is_much else _as_note(finding)


def _gateway_doubts(audit: Audit, gateway: Log) -> Iterator[Finding]:
    lines = total_of(audit.gateway_minutes, LINES)
    if not lines:
        yield rules.SILENT.at("--gateway-log", _outside(gateway))
        return
    known = total_of(audit.gateway_minutes, PROBES) + total_of(audit.gateway_minutes, OURS)
    can_match = gateway.with_id and audit.production.with_id
    if lines > known and not can_match and not gateway.says_mark:
        yield rules.ANONYMOUS.at("--gateway-log", f"{lines} lines cannot be told from copies")


def _as_note(finding: Finding) -> Finding:
    return replace(finding, severity="note")
