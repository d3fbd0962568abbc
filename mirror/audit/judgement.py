"""Judges what an audit counted: findings, and an exit code by the most serious one.

Duplicates come from ids and marks alone. Misses come from ids where a capture holds every request,
and otherwise from the numbers of the whole window: what was logged, minus what was seen, what a
reason may explain, and what may be counted on the other side of an edge. The result is therefore
the least that is unexplained.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mirror.audit import rules
from mirror.audit.audit import COPIES, LOGGED, PROBES, SEEN, Audit, total_of
from mirror.audit.doubts import doubts
from mirror.audit.envoy_stats import ACTIVE_OVERFLOW, DOWNSTREAM, PENDING_OVERFLOW
from mirror.audit.ids import ENVOY
from mirror.audit.matching import (
    ARRIVED,
    BOTH_PATHS,
    COPY_LOGGED,
    IN_TWO_FILES,
    LOGGED_TWICE,
    MISSING,
    PAST_SIDECAR,
    SEEN_ONLY,
    SEEN_TWICE,
)
from mirror.audit.reasons import LOOPED, PROBED
from mirror.audit.window import utc
from mirror.core.ledger import (
    CONNECT_FAILED,
    REPEATED,
    SHADOW_REQUESTS,
    SHADOW_SENT,
    TARGET_REFUSED,
    WORKER_LOST,
)
from mirror.core.wrong_mode import WRONG_MODE
from mirror.preflight.findings import Finding

EXIT_OK = 0
EXIT_UNKNOWN = 3
EXIT_TWICE = 4
EXIT_UNEXPLAINED = 5

READINGS_APART_S = 10
"""So much may the span of two readings of Envoy differ from the window."""

_NEVER_ARRIVED = (CONNECT_FAILED, TARGET_REFUSED, WORKER_LOST)
"""Outcomes of legs of which Envoy need not have seen anything."""
_LEAST_OUTAGE = 20
"""A minute without half of its copies is an outage if it has so many requests."""


@dataclass(frozen=True, slots=True)
class Misses:
    """What of production's log has no copy, in the seconds that are judged."""

    logged: int
    missing: int
    """Logged and not seen; negative where more was seen than logged."""
    explained: int
    slack: int
    """Requests that may be counted on the other side of an edge."""
    unexplained: int
    is_by_id: bool

    @property
    def ratio(self) -> float:
        return self.unexplained / self.logged if self.logged else 0.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on an audit."""

    misses: Misses | None
    """None where nothing says what the sidecar saw."""
    twice: int
    """Requests that are proven to be counted twice."""
    findings: list[Finding]
    exit_code: int


def judge(audit: Audit, most_unexplained_ratio: float) -> Judgement:
    """Return the verdict; `most_unexplained_ratio` is a share of what was logged."""
    misses = _misses(audit)
    findings = [
        *_twice(audit),
        *_missed(audit, misses, most_unexplained_ratio),
        *_arrived(audit, most_unexplained_ratio),
        *_stats(audit),
        *doubts(audit),
    ]
    codes = {finding.code for finding in findings}
    severities = {finding.severity for finding in findings}
    if "refused" in severities:
        exit_code = EXIT_TWICE
    elif codes & {rules.UNEXPLAINED.code, rules.NOT_ARRIVED.code}:
        exit_code = EXIT_UNEXPLAINED
    else:
        exit_code = EXIT_UNKNOWN if "unknown" in severities else EXIT_OK
    return Judgement(misses, twice(audit), findings, exit_code)


def twice(audit: Audit) -> int:
    """Return how many requests are proven to be counted twice, each place counted once."""
    numbers = audit.matched.numbers
    in_gateway = max(numbers[COPY_LOGGED], total_of(audit.gateway_minutes, COPIES))
    loops = audit.explained()[LOOPED]
    return in_gateway + numbers[LOGGED_TWICE] + numbers[SEEN_TWICE] + loops


def twice_in(audit: Audit, minute: int) -> int:
    """Return the same of one minute."""
    numbers = audit.matched.minutes.get(minute, Counter())
    copies = audit.gateway_minutes.get(minute, Counter())[COPIES]
    loops = audit.minutes.get(minute, Counter())[LOOPED]
    in_gateway = max(numbers[COPY_LOGGED], copies)
    return in_gateway + numbers[LOGGED_TWICE] + numbers[SEEN_TWICE] + loops


def _misses(audit: Audit) -> Misses | None:
    if _has_every_id(audit):
        missing = audit.matched.missing
        unexplained = missing[""]
        total = missing.total()
        return Misses(audit.logged(), total, total - unexplained, 0, unexplained, is_by_id=True)
    if not audit.sources.series:
        return None
    logged, missing_number = audit.logged(), audit.logged() - audit.seen()
    explained = audit.explained().total()
    slack = audit.seconds.edges(abs(audit.lag_s or 0))
    least = missing_number - explained - slack
    outage = sum(
        _lost_in(audit, minute)
        for minute, counts in audit.minutes.items()
        if counts[LOGGED] >= _LEAST_OUTAGE and _lost_in(audit, minute) * 2 > counts[LOGGED]
    )
    unexplained = max(0, least, outage)
    return Misses(logged, missing_number, explained, slack, unexplained, is_by_id=False)


def _lost_in(audit: Audit, minute: int) -> int:
    counts = audit.minutes[minute]
    return 2 * counts[LOGGED] - counts.total()  # LOGGED minus SEEN and all reasons


def _has_every_id(audit: Audit) -> bool:
    """Return whether a capture and production's log hold an id for every request."""
    if audit.captured is None or not audit.production.requests:
        return False
    if audit.production.with_id < audit.production.requests:
        return False
    seen = audit.seen()
    slack = audit.seconds.edges()
    return not audit.sources.series or audit.captured + slack >= seen


def _examples(audit: Audit, what: str) -> str:
    examples = audit.matched.examples.get(what, [])
    return "".join(
        f"; for example id {example.request_id} at {utc(example.time_s)}"
        for example in examples[:1]
    )


def _twice(audit: Audit) -> Iterator[Finding]:
    numbers = audit.matched.numbers
    marked = total_of(audit.gateway_minutes, COPIES)
    if marked or numbers[COPY_LOGGED]:
        ways = []
        if marked:
            ways.append(f"{marked} lines with the mark of a copy")
        if numbers[COPY_LOGGED]:
            ways.append(
                f"{numbers[COPY_LOGGED]} requests whose id is also in production's log"
                + _examples(audit, COPY_LOGGED)
            )
        yield rules.COPY_LOGGED.at("--gateway-log", "it holds " + ", and ".join(ways))
    if number := numbers[LOGGED_TWICE]:
        yield rules.LOGGED_TWICE.at(
            "--access-log", f"{number} lines repeat an id{_examples(audit, LOGGED_TWICE)}"
        )
    if number := numbers[SEEN_TWICE]:
        yield rules.SEEN_TWICE.at(
            "--capture", f"{number} requests were counted again{_examples(audit, SEEN_TWICE)}"
        )
    if number := audit.explained()[LOOPED]:
        yield rules.LOOP.at("production", f"{number} requests carried the mark of a copy")
    if number := audit.explained()[PROBED]:
        yield rules.PROBED.at("production", f"{number} probes")
    if number := audit.sidecars.total(REPEATED):
        yield rules.MIRRORED_TWICE.at("nginx", f"it mirrored {number} requests again")
    if number := audit.sidecars.total(WRONG_MODE):
        yield rules.WRONG_MODE.at("nginx", f"{number} requests were closed without an answer")
    if number := numbers[BOTH_PATHS]:
        yield rules.BOTH_PATHS.at(
            "--gateway-log", f"{number} requests are in both{_examples(audit, BOTH_PATHS)}"
        )
    if number := numbers[PAST_SIDECAR]:
        yield rules.PAST_SIDECAR.at(
            "--envoy-log",
            f"{number} requests of production's log{_examples(audit, PAST_SIDECAR)}",
        )
    if number := numbers[IN_TWO_FILES]:
        yield rules.TWO_FILES.at(
            "--access-log", f"{number} requests{_examples(audit, IN_TWO_FILES)}"
        )
    if number := total_of(audit.gateway_minutes, PROBES):
        yield rules.PROBE_LOGGED.at("--gateway-log", f"{number} lines are of probes")


def _missed(audit: Audit, misses: Misses | None, most_ratio: float) -> Iterator[Finding]:
    if misses is None:
        yield rules.NO_SIDECAR.at("--series", "neither a series nor a capture of every request")
        return
    if misses.unexplained and misses.ratio > most_ratio:
        how = "by id" if misses.is_by_id else "at the least"
        yield rules.UNEXPLAINED.at(
            "production",
            f"{misses.unexplained} of {misses.logged} requests ({misses.ratio:.2%}, {how})"
            f"{_examples(audit, MISSING) if misses.is_by_id else ''}{_worst_route(audit)}",
        )
    surplus = -misses.missing - misses.slack
    if not misses.is_by_id and surplus > 0 and surplus > most_ratio * misses.logged:
        yield rules.SURPLUS.at(
            "--series", f"{-misses.missing} more than the {misses.logged} of the log"
        )
    seen_only = audit.matched.numbers[SEEN_ONLY]
    if seen_only > audit.seconds.edges() + most_ratio * misses.logged:
        yield rules.SEEN_ONLY.at("--capture", f"{seen_only} requests{_examples(audit, SEEN_ONLY)}")


def open_in(counts: Counter[str]) -> int:
    """Return how many requests of a route are logged, not seen and not explained."""
    missing = counts[LOGGED] - counts[SEEN]
    reasons = counts.total() - counts[LOGGED] - counts[SEEN]
    # A reason explains a copy that is missing, and not one that is there.
    return missing - min(reasons, max(0, missing))


def _worst_route(audit: Audit) -> str:
    if not audit.routes:
        return ""
    route, counts = max(audit.routes.items(), key=lambda item: open_in(item[1]))
    return f"; most of them, {open_in(counts)} of {counts[LOGGED]}, of route {route}"


def arrivals(audit: Audit) -> int | None:
    """Return how many copies Envoy's log holds, by mark or else by id; None where it shows none."""
    if audit.envoy is None:
        return None
    if audit.envoy.says_mark:
        return total_of(audit.envoy_minutes, COPIES)
    has_ids = audit.envoy.with_id and audit.production.with_id
    return audit.matched.numbers[ARRIVED] if has_ids else None


def _arrived(audit: Audit, most_ratio: float) -> Iterator[Finding]:
    arrived = arrivals(audit)
    sent = audit.sidecars.total(SHADOW_SENT)
    if arrived is None or not sent:
        return
    expected = _sent_to_envoy(audit)
    if not arrived and expected:
        yield rules.ENVOY_SILENT.at("--envoy-log", f"none of {expected} copies is in it")
        return
    slack = audit.seconds.edges(round(abs(_offset_s(audit, ENVOY))))
    lost = expected - arrived - slack
    if lost > 0 and lost > most_ratio * sent:
        yield rules.NOT_ARRIVED.at(
            "--envoy-log", f"{arrived} of {expected} copies ({lost} at the least are missing)"
        )
    elif arrived - sent > slack + most_ratio * sent:
        yield rules.MORE_IN_ENVOY.at("--envoy-log", f"{arrived} copies, of which {sent} are known")


def _sent_to_envoy(audit: Audit) -> int:
    """Return how many copies Envoy must have seen: those sent whose connection was made."""
    outcomes = audit.sidecars.labels(SHADOW_REQUESTS)
    return audit.sidecars.total(SHADOW_SENT) - sum(outcomes[name] for name in _NEVER_ARRIVED)


def _offset_s(audit: Audit, source: int) -> float:
    offset = audit.offsets.get(source)
    return 0.0 if offset is None else offset.seconds


def _stats(audit: Audit) -> Iterator[Finding]:
    stats = audit.stats
    if stats is None:
        return
    if stats.fallen:
        yield rules.RESTARTED.at("--envoy-stats", f"{stats.fallen[0]} fell")
    span_s = len(audit.window)
    if stats.took_s is not None and abs(stats.took_s - span_s) > READINGS_APART_S:
        yield rules.OTHER_SPAN.at(
            "--envoy-stats", f"{stats.took_s} s by Envoy's clock, and the window has {span_s} s"
        )
    elif not stats.fallen and audit.sidecars.total(SHADOW_SENT):
        expected = _sent_to_envoy(audit)
        lost = expected - stats.totals[DOWNSTREAM] - audit.seconds.edges(READINGS_APART_S)
        if lost > 0:
            yield rules.NOT_ARRIVED.at(
                "--envoy-stats", f"{stats.totals[DOWNSTREAM]} requests of at least {expected}"
            )
    active, pending = stats.totals[ACTIVE_OVERFLOW], stats.totals[PENDING_OVERFLOW]
    if active or pending:
        yield rules.OVERFLOW.at(
            "--envoy-stats", f"{pending} by {PENDING_OVERFLOW}, {active} by {ACTIVE_OVERFLOW}"
        )
