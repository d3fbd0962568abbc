"""An audit as text and as JSON. Both are bounded: the worst minutes come first, and the rest is
counted.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from rich.table import Table

from mirror.audit.audit import COPIES, LINES, LOGGED, SEEN, Audit
from mirror.audit.judgement import (
    EXIT_OK,
    EXIT_TWICE,
    EXIT_UNEXPLAINED,
    EXIT_UNKNOWN,
    Judgement,
    arrivals,
    open_in,
    twice_in,
)
from mirror.audit.matching import ARRIVED
from mirror.audit.reasons import WORDS
from mirror.audit.window import utc
from mirror.core.ledger import AMPLIFIED, NOT_SELECTED, REPEATED, SHADOW_SENT, SHED
from mirror.preflight.findings import worst_first

FORMAT = "kagami-audit"
VERSION = 1

SHOWN_MINUTES = 20
SHOWN_ROUTES = 10
LISTED_MINUTES = 1440
"""Minutes in JSON: a day of them."""

VERDICTS = {
    EXIT_OK: "nothing is counted twice, and nothing is missing without a reason",
    EXIT_UNKNOWN: "could not be judged as a whole",
    EXIT_TWICE: "requests are counted twice",
    EXIT_UNEXPLAINED: "requests are missing, and nothing explains it",
}
OK_IN_PRODUCTION = (
    "nothing is counted twice in production's log, and nothing is missing without a reason"
)


def verdict(audit: Audit, judgement: Judgement) -> str:
    """Return the result in words, which claim nothing of a log that was not looked at."""
    words = VERDICTS[judgement.exit_code]
    if judgement.exit_code != EXIT_OK:
        return words
    if not audit.sources.gateway_log:
        return f"{OK_IN_PRODUCTION}; the gateway's log was not given"
    if "--gateway-log" in dict(audit.empty):
        return f"{OK_IN_PRODUCTION}; the gateway's log has no file"
    return words


@dataclass(frozen=True, slots=True)
class Minute:
    """One row of the table; None where no source says it."""

    minute: int
    """Unix time of its begin."""
    logged: int
    seen: int | None
    explained: int
    unexplained: int | None
    """Logged, not seen and not explained; negative where more was seen."""
    sent: int | None
    envoy: int | None
    gateway: int | None
    twice: int


def rows(audit: Audit) -> list[Minute]:
    """Return a row for each minute, the worst first."""
    begins = {*audit.minutes, *audit.gateway_minutes, *audit.envoy_minutes}
    found = [_row(audit, begin) for begin in begins]
    return sorted(found, key=lambda row: (-row.twice, -abs(row.unexplained or 0), row.minute))


def _row(audit: Audit, begin: int) -> Minute:
    counts = audit.minutes.get(begin)
    logged, seen, explained = 0, 0, 0
    if counts is not None:
        logged, seen = counts[LOGGED], counts[SEEN]
        explained = counts.total() - logged - seen
    has_series = bool(audit.sources.series)
    sidecar = audit.sidecars.minutes.get(begin, Counter())
    unexplained = open_in(counts or Counter())
    gateway = audit.gateway_minutes.get(begin, Counter())[LINES]
    envoy = None
    if audit.envoy is not None:
        lines = audit.envoy_minutes.get(begin, Counter())
        by_id = audit.matched.minutes.get(begin, Counter())[ARRIVED]
        envoy = lines[COPIES] if audit.envoy.says_mark else by_id
    return Minute(
        begin,
        logged,
        seen if has_series else None,
        explained,
        unexplained if has_series else None,
        sidecar[SHADOW_SENT] if has_series else None,
        envoy,
        None if audit.gateway is None else gateway,
        twice_in(audit, begin),
    )


def as_json(audit: Audit, judgement: Judgement) -> str:
    """Return the whole audit as a JSON document."""
    minutes = rows(audit)
    misses = judgement.misses
    document = {
        "format": FORMAT,
        "version": VERSION,
        "verdict": verdict(audit, judgement),
        "exit_code": judgement.exit_code,
        "window": {"from": audit.window.first, "until": audit.window.end},
        "judged_s": sum(audit.seconds.judged),
        "sources": _sources(audit),
        "totals": _totals(audit),
        "twice": judgement.twice,
        "by_id": dict(audit.matched.numbers),
        "misses": None if misses is None else asdict(misses) | {"ratio": misses.ratio},
        "missing_by_id": dict(audit.matched.missing),
        "explained": dict(audit.explained()),
        "examples": {
            what: [asdict(example) for example in examples]
            for what, examples in audit.matched.examples.items()
        },
        "envoy_stats": None if audit.stats is None else asdict(audit.stats),
        "routes": [
            {"route": route, "logged": counts[LOGGED], "seen": counts[SEEN], "unexplained": number}
            for route, counts, number in _routes(audit)
        ],
        "minutes": [asdict(row) for row in minutes[:LISTED_MINUTES]],
        "minutes_not_listed": max(0, len(minutes) - LISTED_MINUTES),
        "findings": worst_first(judgement.findings),
    }
    return msgspec.json.format(msgspec.json.encode(document)).decode()


def _sources(audit: Audit) -> list[dict[str, Any]]:
    return [
        {
            "option": log.option,
            "files": log.files[:LISTED_MINUTES],
            "lines": log.tally.lines,
            "skipped": log.skipped,
            "requests": log.requests,
            "with_id": log.with_id,
            "says_mark": log.says_mark,
            "says_upstream": log.says_upstream,
            "inexact": log.inexact,
            "lost": dict(log.tally.lost),
            "first_s": log.first_s,
            "last_s": log.last_s,
        }
        for log in (audit.production, audit.gateway, audit.envoy)
        if log is not None
    ]


def _totals(audit: Audit) -> dict[str, int | None]:
    """Return the sums over the seconds that are judged; None where no source says it."""
    sidecars = audit.sidecars
    has_series = bool(audit.sources.series)
    by_sidecar = {
        "seen": audit.seen(),
        "repeated": sidecars.total(REPEATED),
        "not_selected": sidecars.total(NOT_SELECTED),
        "amplified": sidecars.total(AMPLIFIED),
        "shed": sidecars.total(SHED),
        "sent": sidecars.total(SHADOW_SENT),
    }
    gateway = sum(counts[LINES] for counts in audit.gateway_minutes.values())
    return {
        "logged": audit.logged(),
        **{name: number if has_series else None for name, number in by_sidecar.items()},
        "captured": audit.captured,
        "envoy": arrivals(audit),
        "gateway": None if audit.gateway is None else gateway,
    }


def _routes(audit: Audit) -> list[tuple[str, Counter[str], int]]:
    """Return each route with its counts and what is unexplained of it, the worst first."""
    found = [(route, counts, open_in(counts)) for route, counts in audit.routes.items()]
    return sorted(found, key=lambda row: (-abs(row[2]), row[0]))


def route_table(audit: Audit) -> Table | None:
    """Return the worst routes as a table; None where no route is known."""
    found = _routes(audit)
    if not found:
        return None
    hidden = len(found) - SHOWN_ROUTES
    title = "the worst routes first" + (f", {hidden} more not shown" if hidden > 0 else "")
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    shown.add_column("route")
    for name in ("logged", "seen", "reason", "no reason"):
        shown.add_column(name, justify="right")
    for route, counts, unexplained in found[:SHOWN_ROUTES]:
        logged, seen = counts[LOGGED], counts[SEEN]
        numbers = (logged, seen, counts.total() - logged - seen, unexplained)
        shown.add_row(route, *map(str, numbers))
    return shown


def heading(audit: Audit, judgement: Judgement) -> str:
    """Return the verdict and the numbers of the whole window as lines of text."""
    window = audit.window
    begin = "; the series of a sidecar begins there" if window.begins_with_series else ""
    lines = [
        verdict(audit, judgement),
        f"{utc(window.first)} to before {utc(window.end)} UTC: {len(window)} s,"
        f" {sum(audit.seconds.judged)} s judged{begin}",
        ", ".join(
            f"{number} {name.replace('_', ' ')}"
            for name, number in _totals(audit).items()
            if number is not None
        ),
        f"proven to be counted twice: {judgement.twice}",
    ]
    if (misses := judgement.misses) is not None:
        how = "by id"
        if not misses.is_by_id:
            near = min(misses.slack, misses.logged)
            how = f"by number; up to {near} near an edge may count on its other side"
        lines.append(
            f"without a copy: {max(0, misses.missing)} of {misses.logged} ({how});"
            f" {misses.explained} may be explained, {misses.unexplained} are not"
        )
    reasons = audit.matched.missing if misses and misses.is_by_id else audit.explained()
    lines += [f"  {number} {WORDS[reason]}" for reason, number in reasons.most_common() if reason]
    return "\n".join(lines)


def table(audit: Audit) -> Table | None:
    """Return the worst minutes as a table; None where there is no minute."""
    minutes = rows(audit)
    if not minutes:
        return None
    hidden = len(minutes) - SHOWN_MINUTES
    title = "the worst minutes first" + (f", {hidden} more not shown" if hidden > 0 else "")
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    shown.add_column("minute (UTC)", no_wrap=True)
    names = ("logged", "seen", "explained", "unexplained", "sent", "envoy", "gateway", "twice")
    for name in names:
        # Eight columns of numbers fit into 80 characters.
        heading = {"explained": "reason", "unexplained": "no reason"}.get(name, name)
        shown.add_column(heading, justify="right")
    for row in minutes[:SHOWN_MINUTES]:
        numbers = (getattr(row, name) for name in names)
        shown.add_row(utc(row.minute)[5:-3], *("-" if n is None else str(n) for n in numbers))
    return shown
