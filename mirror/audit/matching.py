"""Which requests are in which logs, by their ids: the proof of what was counted twice or missed.

Invariant: nothing is concluded from numbers here. A request counts as logged twice because the same
id stands in two places, and as missing because its id stands in one place and not in another that
holds every id.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from mirror.audit.clocks import MOST_SAMPLES
from mirror.audit.ids import (
    CAPTURE,
    ENVOY,
    GATEWAY,
    IN_WINDOW,
    MARK_LOGGED,
    MARKED,
    PRODUCTION,
    Entry,
)
from mirror.audit.reasons import REASONS
from mirror.audit.window import Seconds

# What is counted.
REQUESTS = "requests"
COPY_LOGGED = "copy_logged"
"""In production's log and in the gateway's, whose line carries the mark or says nothing of it."""
BOTH_PATHS = "both_paths"
"""In both logs, and the gateway's says that it was no copy."""
LOGGED_TWICE = "logged_twice"
"""Further lines of the same id in one file of production's log."""
IN_TWO_FILES = "in_two_files"
"""The same line in two files, such as a log and its copy."""
SEEN_TWICE = "seen_twice"
"""Captured twice: the sidecar counted a request again."""
CAPTURED = "captured"
MISSING = "missing"
SEEN_ONLY = "seen_only"
"""Captured, and not in production's log."""
ARRIVED = "arrived"
"""In production's log and in Envoy's."""
PAST_SIDECAR = "past_sidecar"
"""In production's log and in Envoy's, and Envoy's says that it was no copy."""

MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Example:
    """One request to look up in the logs."""

    request_id: str
    time_s: float
    status: int


@dataclass(slots=True)
class Matched:
    """What the ids show, of the requests of the window."""

    numbers: Counter[str] = field(default_factory=Counter)
    minutes: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    missing: Counter[str] = field(default_factory=Counter)
    """Missing copies by reason; the empty one explains nothing."""
    examples: dict[str, list[Example]] = field(default_factory=lambda: defaultdict(list))
    later: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Source -> how much later than production's its times are."""

    def count(self, what: str, entry: Entry, number: int = 1) -> None:
        self.numbers[what] += number
        self.minutes[int(entry.time_s) // 60 * 60][what] += number
        if len(self.examples[what]) < MOST_EXAMPLES:
            self.examples[what].append(Example(entry.request_id.hex(), entry.time_s, entry.status))


def match(groups: Iterable[list[Entry]], seconds: Seconds, has_capture: bool) -> Matched:
    """Return what the ids show; `groups` holds the entries of one id each, sorted by time."""
    matched = Matched()
    for group in groups:
        by_source: tuple[list[Entry], ...] = ([], [], [], [])
        for entry in group:
            by_source[entry.source].append(entry)
        captured = by_source[CAPTURE]
        is_seen_in = bool(captured and captured[0].flags & IN_WINDOW)
        if by_source[PRODUCTION]:
            _match_production(by_source, seconds, has_capture, matched)
        elif is_seen_in and _is_judged(captured[0], seconds):
            matched.count(SEEN_ONLY, captured[0])
        if is_seen_in and len(captured) > 1:
            matched.count(SEEN_TWICE, captured[0], len(captured) - 1)
    return matched


def _match_production(
    by_source: tuple[list[Entry], ...], seconds: Seconds, has_capture: bool, matched: Matched
) -> None:
    lines = by_source[PRODUCTION]
    first = lines[0]
    for source in (CAPTURE, GATEWAY, ENVOY):
        if by_source[source] and len(matched.later[source]) < MOST_SAMPLES:
            matched.later[source].append(by_source[source][0].time_s - first.time_s)
    if not first.flags & IN_WINDOW:
        return
    matched.count(REQUESTS, first)
    if len(lines) > 1:
        _match_repeated(lines, matched)
    if gateway := by_source[GATEWAY]:
        is_copy = any(entry.flags & MARKED or not entry.flags & MARK_LOGGED for entry in gateway)
        matched.count(COPY_LOGGED if is_copy else BOTH_PATHS, first)
    if arrived := by_source[ENVOY]:
        matched.count(ARRIVED, first)
        if any(entry.flags & (MARKED | MARK_LOGGED) == MARK_LOGGED for entry in arrived):
            matched.count(PAST_SIDECAR, first)
    if by_source[CAPTURE]:
        matched.count(CAPTURED, first)
    elif has_capture and _is_judged(first, seconds):
        matched.count(MISSING, first)
        matched.missing[REASONS[first.reason - 1] if first.reason else ""] += 1


def _match_repeated(lines: list[Entry], matched: Matched) -> None:
    """Tell a request that was logged again from a line that two files hold."""
    in_file = Counter(entry.file for entry in lines)
    most = max(in_file.values())
    if most > 1:
        matched.count(LOGGED_TWICE, lines[0], most - 1)
    if len(in_file) > 1:
        matched.count(IN_TWO_FILES, lines[0], len(lines) - most)


def _is_judged(entry: Entry, seconds: Seconds) -> bool:
    place = int(entry.time_s) - seconds.window.first
    return 0 <= place < len(seconds.judged) and bool(seconds.judged[place])
