"""Whether the switch is safe, in one word with its reasons: the first thing that the page shows.

It judges the last hour, and its last five minutes by themselves, because an hour of good answers
must not hide that the shadow fails now. A route is judged by itself, too, because a large route
must not hide a small one that is lost. Where the evidence does not suffice, the verdict is that it
is not known.

The bounds of a share of errors hold with 95 % confidence for independent pairs
(comparison/report/bounds.py). Errors come in bursts, so many pairs of a short time prove little:
some minutes are asked for besides, and even then the verdict is only "so far".
"""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirror.admin.hour import SLOT_S, Hour
from mirror.comparison.report.bounds import lower_bound, pairs_needed, upper_bound
from mirror.comparison.report.words import words_of
from mirror.core.comparison.verdict import EXTRA_COPY, NEW_ERRORS
from mirror.core.latency import percentile_us
from mirror.core.ledger import (
    ABORTED,
    CAPTURE_DROPPED,
    COMPARED,
    COMPARED_PRIMARY_LATENCY,
    COMPARED_SHADOW_LATENCY,
    CONNECTIONS_REFUSED,
    LOG_LOST,
    PRIMARY_LOGGED,
    REPEATED,
    SHADOW_REQUESTS,
    SHADOW_SENT,
    SHED,
    UNCOMPARED,
)
from mirror.metrics.catalogue import SINK_DROPPED, WORKER_RESTARTS

UNSAFE, ATTENTION, UNKNOWN, SAFE = "unsafe", "attention", "unknown", "safe"


@dataclass(frozen=True, slots=True)
class Level:
    title: str
    of_reason: str
    """What the page calls a reason of this level."""


LEVELS = {
    UNSAFE: Level("Not safe to switch", "not safe"),
    ATTENTION: Level("Needs attention", "attention"),
    UNKNOWN: Level("Not known yet", "unknown"),
    SAFE: Level("Safe so far", "safe"),
}
"""The worst first, as the page shows them."""

MOST_NEW_ERRORS = 0.001
"""Share of pairs with a new error that a switch may have."""
LEAST_NEW_ERRORS = 3
"""Fewer are a reason to look, and none against the switch."""
MOST_SHED = 0.01
"""Share of copies that were shed, or of log lines that were lost, above which a person looks."""
MOST_UNCOMPARED = 0.05
"""Share of copies without a pair above which a person looks; `mirror compare` allows as much."""
MOST_FAILED = 0.01
"""Share of the shadow's legs without a good answer, where nothing compares it with production."""
MOST_REPEATED = 0.2
"""Share of requests that nginx may mirror twice before a person looks at its configuration."""
MOST_SLOWER = 2.0
"""Multiple of production's p99 that the shadow's may be, as `mirror compare` allows."""
LEAST_SLOWER_US = 5_000
"""A p99 that is higher by less is no difference."""
LEAST_ANSWERS = 1_000
"""Fewer answers in a minute have no p99 that could be judged."""
RECENT_SLOTS = 30
"""The last five minutes; with pairs in fewer slots than these, nothing is called safe."""
MOST_NAMED = 3
"""Most routes that one reason names."""
_GOOD = frozenset({"2xx", "3xx", "4xx"})


@dataclass(frozen=True, slots=True)
class Reason:
    level: str
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    level: str
    """One of LEVELS; the worst of the reasons."""
    reasons: list[Reason]
    """The worst first, never empty."""


def judge(status: Mapping[str, Any], hour: Hour) -> Verdict:
    """Return the verdict on an answer of /status and the last hour."""
    comparison = status.get("comparison")
    reasons = [*_broken(status), *_suffering(status), *_repeated(hour), *_lost(hour)]
    if not hour.requests:
        reasons.append(Reason(UNKNOWN, "no request was seen in the last hour"))
    elif status["ratio"] == 0:
        reasons.append(Reason(UNKNOWN, "nothing is mirrored: the ratio is 0"))
    if comparison is None:
        reasons += _not_compared(status, hour)
    else:
        reasons += _compared(hour)
    order = list(LEVELS)
    reasons.sort(key=lambda reason: order.index(reason.level))
    return Verdict(reasons[0].level, reasons)


def _broken(status: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield why the counts cannot be trusted, or no copy reaches the shadow."""
    workers = [worker for worker in status["workers"] if not worker["retiring"]]
    if not any(worker["ready"] for worker in workers):
        yield Reason(UNSAFE, "no worker is ready")
    if not status["ledger"]["balanced"]:
        yield Reason(UNSAFE, "the ledger does not balance, so no count can be trusted")
    for refusal in sorted({worker["refused"] for worker in workers} - {""}):
        yield Reason(UNSAFE, f"the shadow is refused, because it would log the copies: {refusal}")
    states = Counter(worker["breaker"] for worker in workers)
    causes = {worker["breaker_cause"] for worker in workers if worker["breaker"] != "closed"}
    why = f": {'; '.join(sorted(causes - {''}))}" if causes - {""} else ""
    if states["open"] and states["open"] == len(workers):
        yield Reason(UNSAFE, f"the breaker is open, so the shadow gets nothing{why}")
    elif len(workers) > states["closed"]:
        number = len(workers) - states["closed"]
        words = f"the breaker of {number} of {len(workers)} workers is not closed{why}"
        yield Reason(ATTENTION, words)


def _suffering(status: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield what a person should look at, although the sidecar works."""
    if status["silence"]:
        yield Reason(ATTENTION, status["silence"])
    if status["worker_start_error"]:
        yield Reason(ATTENTION, f"a worker cannot be started: {status['worker_start_error']}")
    if (ramp := status["ramp"]) and ramp["holding"]:
        yield Reason(ATTENTION, f"the ramp fell back: {ramp['last_fall']}")
    if (last := status["reload"]["last"]) and last["result"] == "refused":
        yield Reason(ATTENTION, "the last reload was refused, and the log says why")


def _repeated(hour: Hour) -> Iterator[Reason]:
    """Yield that nginx mirrors requests twice; an `index` redirect repeats few of them."""
    repeated = sum(hour.by_label(REPEATED).values())
    if repeated > MOST_REPEATED * hour.requests:
        share = _percent(repeated / max(1, hour.requests))
        words = f"nginx mirrored {share} of the last hour's requests twice; each counted once"
        yield Reason(ATTENTION, words)


def _lost(hour: Hour) -> Iterator[Reason]:
    """Yield what was lost in the last five minutes, or was not compared in the last hour."""
    shed = hour.by_label(SHED, RECENT_SLOTS)
    sent = sum(hour.by_label(SHADOW_SENT, RECENT_SLOTS).values())
    copies = sent + sum(shed.values())
    if sum(shed.values()) > MOST_SHED * copies:
        share = sum(shed.values()) / copies
        words = (
            f"{_percent(share)} of the copies of the last five minutes were shed: {_largest(shed)}"
        )
        yield Reason(ATTENTION, words)
    uncompared = hour.by_label(UNCOMPARED)
    pairs = sum(hour.by_label(COMPARED).values())
    legs = sum(uncompared.values()) + pairs
    # An extra copy has no production request of its own.
    legs -= uncompared.pop(EXTRA_COPY, 0)
    if sum(uncompared.values()) > MOST_UNCOMPARED * legs:
        share = sum(uncompared.values()) / legs
        words = (
            f"{_percent(share)} of the last hour's copies were not compared: {_largest(uncompared)}"
        )
        yield Reason(ATTENTION, words)
    lost, lines = hour.by_label(LOG_LOST), sum(hour.by_label(PRIMARY_LOGGED).values())
    # A gap may be a line that nginx is told not to write. No more were lost than copies lack one.
    lost["gap"] = min(lost.get("gap", 0), uncompared.get("no_log_line", 0))
    if (number := sum(lost.values())) > MOST_SHED * (lines + number):
        words = (
            f"{_percent(number / (lines + number))} of the last hour's lines of production's log"
        )
        yield Reason(ATTENTION, f"{words} were lost: {_largest(lost)}")
    for metric, what in (
        (CAPTURE_DROPPED, "requests were not captured"),
        (CONNECTIONS_REFUSED, "connections were refused"),
        (SINK_DROPPED, "seconds or points were dropped before a sink"),
        (WORKER_RESTARTS, "times a worker ended and was replaced"),
    ):
        if lost := hour.by_label(metric):
            why = _largest({label: number for label, number in lost.items() if label})
            words = f"{sum(lost.values()):,} {what} in the last hour"
            yield Reason(ATTENTION, f"{words}: {why}" if why else words)


def _not_compared(status: Mapping[str, Any], hour: Hour) -> Iterator[Reason]:
    """Judge the shadow's own outcomes where they are not compared with production's."""
    key = "comparison.access_log" if status["mode"] == "sink" else "comparison.enabled"
    words = f"the answers of production and of the shadow are not compared: {key} is not set"
    yield Reason(UNKNOWN, words)
    outcomes = hour.by_label(SHADOW_REQUESTS, RECENT_SLOTS)
    outcomes.pop(ABORTED, None)
    failed = {label: number for label, number in outcomes.items() if label not in _GOOD}
    number, legs = sum(failed.values()), sum(outcomes.values())
    if number >= LEAST_NEW_ERRORS and lower_bound(number, legs) > MOST_FAILED:
        words = f"{_percent(number / legs)} of {legs:,} shadow legs of the last five minutes failed"
        yield Reason(ATTENTION, f"{words}: {_largest(failed)}")


def _compared(hour: Hour) -> Iterator[Reason]:
    """Judge the pairs of the hour, of each route, and of the last five minutes."""
    of_hour, recent = hour.by_route(COMPARED), hour.by_route(COMPARED, RECENT_SLOTS)
    lost = _lost_routes(of_hour)
    ended = {route for route in lost if recent.get(route) and not errors_of(recent[route])}
    yield from _named_routes(lost, of_hour, "hour", ended)
    lost_now = [route for route in _lost_routes(recent) if route not in lost]
    yield from _named_routes(lost_now, recent, "five minutes", frozenset())
    results = hour.by_label(COMPARED)
    errors, pairs = errors_of(results), sum(results.values())
    if not pairs:
        yield Reason(UNKNOWN, "no pair of answers was compared in the last hour")
        return
    if not recent:
        yield Reason(UNKNOWN, "no pair of answers was compared in the last five minutes")
    if (minutes := hour.slots_with(COMPARED) * SLOT_S / 60) < RECENT_SLOTS * SLOT_S / 60:
        words = f"only {minutes:.1f} minutes have pairs so far, and five are the least"
        yield Reason(UNKNOWN, words)
    yield from _slower(hour)
    found = f"{_number(errors)} in {pairs:,} pairs of the last hour"
    allowed = f"{_percent(MOST_NEW_ERRORS)} is allowed"
    highest = upper_bound(errors, pairs)
    if errors >= LEAST_NEW_ERRORS and lower_bound(errors, pairs) > MOST_NEW_ERRORS:
        words = f"{found}, which is {_percent(errors / pairs)}; {allowed}"
        yield Reason(UNSAFE, f"{words}: {_titles(_only_errors(results))}")
    elif highest <= MOST_NEW_ERRORS:
        words = f"at most {_percent(highest)} with 95 % confidence; {allowed}"
        yield Reason(SAFE, f"{found}, {words}{_not_judged(hour, of_hour)}")
    elif errors > MOST_NEW_ERRORS * pairs:
        why = _titles(_only_errors(results))
        yield Reason(ATTENTION, f"{found}, too few to say whether that is chance: {why}")
    else:
        needed = pairs_needed(errors, MOST_NEW_ERRORS)
        most = f"no more than {_percent(MOST_NEW_ERRORS)}"
        yield Reason(UNKNOWN, f"{found}: it takes {needed:,} to vouch for {most}")


def _not_judged(hour: Hour, compared: Container[str]) -> str:
    """Return the end of a sentence that names the routes without a pair; empty without such."""
    routes = [route for route, rates in hour.routes() if route not in compared and any(rates.sums)]
    if not routes:
        return ""
    more = f" and {len(routes) - MOST_NAMED} more" if len(routes) > MOST_NAMED else ""
    return f". Not judged, because no copy was compared: {', '.join(routes[:MOST_NAMED])}{more}"


def _slower(hour: Hour) -> Iterator[Reason]:
    primary = hour.latency(COMPARED_PRIMARY_LATENCY)
    shadow = hour.latency(COMPARED_SHADOW_LATENCY)
    if min(sum(primary.values()), sum(shadow.values())) < LEAST_ANSWERS:
        return
    ours, theirs = percentile_us(primary, 0.99), percentile_us(shadow, 0.99)
    if theirs > max(MOST_SLOWER * ours, ours + LEAST_SLOWER_US):
        words = f"the shadow's p99 is {theirs / 1e3:,.1f} ms, and production's {ours / 1e3:,.1f} ms"
        yield Reason(ATTENTION, f"{words} (last minute, the same requests)")


def _lost_routes(results: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the routes that have too many new errors by themselves, most errors first."""
    errors = {route: errors_of(labels) for route, labels in results.items()}
    lost = [
        route
        for route, labels in results.items()
        if errors[route] >= LEAST_NEW_ERRORS
        and lower_bound(errors[route], sum(labels.values())) > MOST_NEW_ERRORS
    ]
    return sorted(lost, key=lambda route: -errors[route])


def _named_routes(
    routes: Sequence[str],
    results: Mapping[str, Mapping[str, int]],
    window: str,
    ended: Container[str],
) -> Iterator[Reason]:
    """Yield the routes with their numbers; those in `ended` have had no new error lately."""
    if not routes:
        return
    words = []
    for route in routes[:MOST_NAMED]:
        errors, pairs = _only_errors(results[route]), sum(results[route].values())
        since = "; none in the last five minutes" if route in ended else ""
        found = f"{sum(errors.values()):,} of {pairs:,} pairs ({_titles(errors)}{since})"
        words.append(f"{route}: {found}")
    if (more := len(routes) - MOST_NAMED) > 0:
        words.append(f"and {more} more")
    yield Reason(UNSAFE, f"new errors in the last {window} on {'; '.join(words)}")


def _only_errors(results: Mapping[str, int]) -> dict[str, int]:
    return {result: number for result, number in results.items() if result in NEW_ERRORS}


def errors_of(results: Mapping[str, int]) -> int:
    """Return the number of new errors among these pairs."""
    return sum(_only_errors(results).values())


def _number(errors: int) -> str:
    if errors == 0:
        return "no new error"
    return f"{errors:,} new error{'s' if errors > 1 else ''}"


def _percent(share: float) -> str:
    """Return a share as percent with two digits, 0.0001 % at least."""
    return f"{max(share * 100, 1e-4):.2g} %" if share < 0.995 else "100 %"


def _titles(results: Mapping[str, int]) -> str:
    """Return the words for the results; the number of a single one is known already."""
    titles = {words_of(result).title: number for result, number in results.items()}
    return next(iter(titles)) if len(titles) == 1 else _largest(titles)


def _largest(numbers: Mapping[str, int]) -> str:
    """Return the labels with the largest numbers, and how many there are of each."""
    ordered = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{label} {number:,}" for label, number in ordered[:MOST_NAMED]]
    return ", ".join(words + (["..."] if len(ordered) > MOST_NAMED else []))
