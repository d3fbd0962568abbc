"""Reads all sources of an audit into one result, which judgement.py judges.

Production's log, the sidecars, the gateway's log and Envoy are counted by minute, and their ids are
gathered to be matched. Nothing is judged here.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mirror.audit.clocks import Offset, lag_by_shape, offset_of
from mirror.audit.envoy_stats import EnvoyCounted, read_stats
from mirror.audit.ids import (
    CAPTURE,
    ENVOY,
    GATEWAY,
    IN_WINDOW,
    MARK_LOGGED,
    MARKED,
    PRODUCTION,
    Entry,
    IdStore,
)
from mirror.audit.lines import PROBE, SHADOW, Line
from mirror.audit.logs import Log, files_if_any, files_of, read_log
from mirror.audit.matching import IN_TWO_FILES, LOGGED_TWICE, Matched, match
from mirror.audit.reasons import (
    LOOPED,
    NOT_MIRRORED,
    PROBED,
    REASONS,
    REFUSED_BY_SIDECAR,
    why_unmirrored,
)
from mirror.audit.sidecar import Sidecars, read_captured, read_counts, read_seen
from mirror.audit.window import Seconds, Window
from mirror.errors import InputError
from mirror.formats.access_log.line_reader import LineReader, Reading
from mirror.formats.routes import RouteTable

LOGGED = "logged"
SEEN = "seen"
LINES = "lines"
COPIES = "copies"
"""Lines with the mark of a copy that the sidecar sent."""
OURS = "ours"
"""Lines with another mark of ours: of a replay or a canary."""
PROBES = "probes"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where an audit looks, as the options name it."""

    access_log: tuple[str, ...]
    series: tuple[Path, ...] = ()
    capture: tuple[Path, ...] = ()
    gateway_log: tuple[str, ...] = ()
    envoy_log: tuple[str, ...] = ()
    envoy_stats: tuple[Path, Path] | None = None
    reading: Reading = field(default_factory=Reading)
    routes: tuple[str, ...] = ()
    """The route templates of the sidecars, so that misses can be told by route."""
    unmirrored: frozenset[str] = frozenset()
    """Tags of routes that have no copy on purpose."""


@dataclass(slots=True)
class Audit:
    """Everything that was counted in the window."""

    window: Window
    sources: Sources
    seconds: Seconds
    production: Log
    sidecars: Sidecars
    gateway: Log | None = None
    envoy: Log | None = None
    empty: list[tuple[str, str]] = field(default_factory=list)
    """Options whose log has no file yet, each with its glob."""
    stats: EnvoyCounted | None = None
    captured: int | None = None
    """Captured requests of the window; None without a capture."""
    matched: Matched = field(default_factory=Matched)
    log_minutes: dict[int, Counter[str]] = field(default_factory=dict)
    """Begin of the minute -> reason why there may be no copy -> lines of production's log."""
    without_id: int = 0
    """Requests of production's log in the window whose line has no id."""
    gateway_minutes: dict[int, Counter[str]] = field(default_factory=dict)
    envoy_minutes: dict[int, Counter[str]] = field(default_factory=dict)
    hole_s: int = 0
    """Seconds in which a part of production's log is missing."""
    offsets: dict[int, Offset] = field(default_factory=dict)
    """Source -> how much later than production's log it is, by ids."""
    lag_s: int | None = None
    """How far the sidecars seem to lag behind production's log, by the shapes of both."""
    minutes: dict[int, Counter[str]] = field(default_factory=dict)
    """Begin of the minute -> LOGGED and SEEN in the seconds that are judged, and why there may be
    no copy."""

    routes: dict[str, Counter[str]] = field(default_factory=dict)
    """Route tag -> LOGGED and SEEN, and why there may be no copy; empty without `Sources.routes`.
    """

    def logged(self) -> int:
        return sum(minute[LOGGED] for minute in self.minutes.values())

    def seen(self) -> int:
        return sum(minute[SEEN] for minute in self.minutes.values())

    def explained(self) -> Counter[str]:
        """Return how many requests may have no copy, by reason, in the seconds that are judged."""
        total: Counter[str] = Counter()
        for minute in self.minutes.values():
            total.update(minute)
        del total[LOGGED], total[SEEN]
        return +total


def total_of(minutes: dict[int, Counter[str]], name: str) -> int:
    """Return the sum of one count over all minutes."""
    return sum(counts[name] for counts in minutes.values())


def run_audit(
    sources: Sources, window: Window, progress: Callable[[str], None] = lambda text: None
) -> Audit:
    """Read everything; `progress` gets what is being done. Raises InputError."""
    seconds = Seconds(window)
    production = Log("--access-log", files_of(sources.access_log, "--access-log"))
    _refuse_same_files(sources, production)
    sidecars = read_seen(sources.series, seconds)
    audit = Audit(window, sources, seconds, production, sidecars)
    reader = LineReader(sources.reading)
    with IdStore() as ids:
        read_log(production, reader, window, _production(audit, ids), progress)
        audit.gateway = _log_if_any(audit, "--gateway-log", sources.gateway_log)
        if audit.gateway is not None:
            take = _other(window, ids, GATEWAY, audit.gateway_minutes)
            read_log(audit.gateway, reader, window, take, progress)
        audit.envoy = _log_if_any(audit, "--envoy-log", sources.envoy_log)
        if audit.envoy is not None:
            take = _other(window, ids, ENVOY, audit.envoy_minutes)
            read_log(audit.envoy, reader, window, take, progress)
        if sources.capture:
            progress("Reading captures")
            audit.captured = read_captured(sources.capture, window, ids)
        if sources.series:
            audit.hole_s = seconds.leave_out_holes()
            audit.lag_s = lag_by_shape(seconds.logged, seconds.seen)
        read_counts(sources.series, seconds, sidecars)
        progress("Matching ids")
        audit.matched = match(ids.groups(), seconds, audit.captured is not None)
    for source in (CAPTURE, GATEWAY, ENVOY):
        if (offset := offset_of(audit.matched.later[source])) is not None:
            audit.offsets[source] = offset
    if sources.envoy_stats is not None:
        audit.stats = read_stats(*sources.envoy_stats)
    _add_up(audit)
    return audit


def _log_if_any(audit: Audit, option: str, patterns: Sequence[str]) -> Log | None:
    files, empty = files_if_any(patterns, option)
    audit.empty += [(option, pattern) for pattern in empty]
    return Log(option, files) if files else None


def _refuse_same_files(sources: Sources, production: Log) -> None:
    """Raise InputError where a file is named for two places: every request would be in both."""
    for option, patterns in (
        ("--gateway-log", sources.gateway_log),
        ("--envoy-log", sources.envoy_log),
    ):
        for name in files_if_any(patterns, option)[0]:
            if len(files_of([*production.files, name], option)) == len(production.files):
                raise InputError(f"{option} {name}: is production's log, too")


def _production(audit: Audit, ids: IdStore) -> Callable[[Line, int], None]:
    window, seconds, sources = audit.window, audit.seconds, audit.sources
    route_of = RouteTable(sources.routes).match if sources.routes else None

    def take(line: Line, file: int) -> None:
        if not window.is_near(line.time_s):
            return
        is_in = window.has(line.time_s)
        route = "" if route_of is None else route_of(line.target.encode("latin-1"))
        if line.mark:
            reason = PROBED if line.mark == PROBE else LOOPED
        elif route in sources.unmirrored:
            reason = NOT_MIRRORED
        else:
            reason = why_unmirrored(line.status, line.has_asked_upstream)
        if is_in:
            place = int(line.time_s) - window.first
            seconds.logged[place] += 1
            audit.without_id += not line.request_id
            if seconds.judged[place]:
                if reason:
                    _minute(audit.log_minutes, line.time_s)[reason] += 1
                if route:
                    audit.routes.setdefault(route, Counter()).update((LOGGED, reason))
        if line.request_id:
            code = REASONS.index(reason) + 1 if reason else 0
            flags = IN_WINDOW if is_in else 0
            status = line.status or 0
            ids.add(
                Entry(line.request_id, line.time_s, PRODUCTION, flags, code, file & 255, status)
            )

    return take


def _other(
    window: Window, ids: IdStore, source: int, minutes: dict[int, Counter[str]]
) -> Callable[[Line, int], None]:
    def take(line: Line, file: int) -> None:
        if not window.is_near(line.time_s):
            return
        flags = MARK_LOGGED if line.mark is not None else 0
        if line.mark == SHADOW:
            flags |= MARKED
        if window.has(line.time_s):
            flags |= IN_WINDOW
            minute = _minute(minutes, line.time_s)
            minute[LINES] += 1
            if line.is_probe or line.mark == PROBE:
                minute[PROBES] += 1
            elif line.mark == SHADOW:
                minute[COPIES] += 1
            elif line.mark:
                minute[OURS] += 1
        # A replay may carry the id of the request that it repeats, and is no copy of it.
        if line.request_id and line.mark in (None, "", SHADOW):
            status = line.status or 0
            ids.add(Entry(line.request_id, line.time_s, source, flags, 0, file & 255, status))

    return take


def _minute(minutes: dict[int, Counter[str]], time_s: float) -> Counter[str]:
    return minutes.setdefault(int(time_s) // 60 * 60, Counter())


def _add_up(audit: Audit) -> None:
    """Fill the minutes from the seconds that are judged."""
    seconds, window = audit.seconds, audit.window
    for place, judged in enumerate(seconds.judged):
        if judged and (seconds.logged[place] or seconds.seen[place]):
            minute = _minute(audit.minutes, window.first + place)
            minute[LOGGED] += seconds.logged[place]
            minute[SEEN] += seconds.seen[place]
    for begin, numbers in audit.matched.minutes.items():
        if further := numbers[LOGGED_TWICE] + numbers[IN_TWO_FILES]:
            minute = _minute(audit.minutes, begin)
            minute[LOGGED] = max(0, minute[LOGGED] - further)
    for begin, reasons in audit.log_minutes.items():
        _minute(audit.minutes, begin).update(reasons)
    for counts in audit.routes.values():
        del counts[""]
    for route, number in audit.sidecars.routes.items():
        if audit.sources.routes:
            audit.routes.setdefault(route, Counter())[SEEN] += number
    for begin, counts in audit.sidecars.minutes.items():
        minute = _minute(audit.minutes, begin)
        for name, number in counts.items():
            if name.startswith("malformed"):
                minute[REFUSED_BY_SIDECAR] += number
            elif name.startswith("looped"):
                # Where the log shows the mark as well, these are the same requests.
                reason = PROBED if name == "looped probe" else LOOPED
                minute[reason] = max(minute[reason], number)
