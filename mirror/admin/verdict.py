"""Whether the switch is safe, in one word with its reasons: the first thing that the page shows.

It judges the last hour, and its last five minutes by themselves, because an hour of good answers
must not hide that the shadow fails now. A route is judged by itself, too, because a large route
must not hide a small one that is lost. Where the evidence does not suffice, the verdict is that it
is not known.

comparison/report/safety.py owns the rules, so that `mirror compare` says the same of these pairs.
"""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mirror.admin.hour import SLOT_S, Hour
from mirror.comparison.report.safety import (
    HIDDEN_ORIGIN,
    LEAST_S,
    Level,
    NewErrors,
    Reason,
    difference_of,
    few_pairs,
    is_judged,
    is_too_much,
    level_of_p99,
    lost_lines,
    problems_of_log,
    severity,
)
from mirror.comparison.report.words import words_of
from mirror.core.comparison.verdict import EXTRA_COPY, NEW_ERRORS
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

MOST_SHED = 0.01
"""Share of copies that were shed above which a person looks."""
MOST_FAILED = 0.01
"""Share of the shadow's legs without a good answer, where nothing compares it with production."""
MOST_REPEATED = 0.2
"""Share of requests that nginx may mirror twice before a person looks at its configuration."""
RECENT_SLOTS = LEAST_S // SLOT_S
"""The last five minutes; with pairs in fewer slots than these, nothing is called safe."""
MOST_LABELS = 3
"""Most routes or labels that one reason lists with their numbers."""
_GOOD = frozenset({"2xx", "3xx", "4xx"})


@dataclass(frozen=True, slots=True)
class Verdict:
    level: Level
    """The worst of the reasons."""
    reasons: list[Reason]
    """The worst first, never empty."""


def judge(status: Mapping[str, Any], hour: Hour) -> Verdict:
    """Return the verdict on an answer of /status and the last hour."""
    comparison = status.get("comparison")
    reasons = [*_broken(status), *_suffering(status), *_repeated(hour), *_lost(hour)]
    if not hour.requests:
        reasons.append(Reason(Level.UNKNOWN, "no request was seen in the last hour"))
    elif status["ratio"] == 0:
        reasons.append(Reason(Level.UNKNOWN, "nothing is mirrored: the ratio is 0"))
    if comparison is None:
        reasons += _not_compared(status, hour)
    else:
        reasons += [*_doubts_of_comparison(comparison), *_compared(hour)]
    reasons.sort(key=lambda reason: severity(reason.level))
    return Verdict(reasons[0].level, reasons)


def _broken(status: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield why the counts cannot be trusted, or no copy reaches the shadow."""
    workers = [worker for worker in status["workers"] if not worker["retiring"]]
    if not any(worker["ready"] for worker in workers):
        yield Reason(Level.UNSAFE, "no worker is ready")
    if not status["ledger"]["balanced"]:
        yield Reason(Level.UNSAFE, "the ledger does not balance, so no count can be trusted")
    for refusal in sorted({worker["refused"] for worker in workers} - {""}):
        words = f"the shadow is refused, because it would log the copies: {refusal}"
        yield Reason(Level.UNSAFE, words)
    states = Counter(worker["breaker"] for worker in workers)
    causes = {worker["breaker_cause"] for worker in workers if worker["breaker"] != "closed"}
    why = f": {'; '.join(sorted(causes - {''}))}" if causes - {""} else ""
    if states["open"] and states["open"] == len(workers):
        yield Reason(Level.UNSAFE, f"the breaker is open, so the shadow gets nothing{why}")
    elif len(workers) > states["closed"]:
        number = len(workers) - states["closed"]
        words = f"the breaker of {number} of {len(workers)} workers is not closed{why}"
        yield Reason(Level.ATTENTION, words)


def _suffering(status: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield what a person should look at, although the sidecar works."""
    if status["silence"]:
        yield Reason(Level.ATTENTION, status["silence"])
    if status["worker_start_error"]:
        yield Reason(Level.ATTENTION, f"a worker cannot be started: {status['worker_start_error']}")
    if (ramp := status["ramp"]) and ramp["holding"]:
        yield Reason(Level.ATTENTION, f"the ramp fell back: {ramp['last_fall']}")
    if (last := status["reload"]["last"]) and last["result"] == "refused":
        yield Reason(Level.ATTENTION, "the last reload was refused, and the log says why")


def _repeated(hour: Hour) -> Iterator[Reason]:
    """Yield that nginx mirrors requests twice; an `index` redirect repeats few of them."""
    repeated = sum(hour.by_label(REPEATED).values())
    if repeated > MOST_REPEATED * hour.requests:
        share = _percent(repeated / max(1, hour.requests))
        words = f"nginx mirrored {share} of the last hour's requests twice; each counted once"
        yield Reason(Level.ATTENTION, words)


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
        yield Reason(Level.ATTENTION, words)
    uncompared = hour.by_label(UNCOMPARED)
    pairs = sum(hour.by_label(COMPARED).values())
    # An extra copy has no production request of its own.
    uncompared.pop(EXTRA_COPY, 0)
    missing = sum(uncompared.values())
    if is_too_much(missing, pairs):
        words = (
            f"{_percent(missing / (missing + pairs))} of the last hour's copies were not compared"
        )
        words += f": {_largest(uncompared)}"
        yield Reason(Level.ATTENTION, words)
    lines = sum(hour.by_label(PRIMARY_LOGGED).values())
    lost = lost_lines(hour.by_label(LOG_LOST), uncompared.get("no_log_line", 0))
    if is_too_much(number := sum(lost.values()), lines):
        words = (
            f"{_percent(number / (lines + number))} of the last hour's lines of production's log"
        )
        yield Reason(Level.ATTENTION, f"{words} were lost: {_largest(lost)}")
    for metric, what in (
        (CAPTURE_DROPPED, "requests were not captured"),
        (CONNECTIONS_REFUSED, "connections were refused"),
        (SINK_DROPPED, "seconds or points were dropped before a sink"),
        (WORKER_RESTARTS, "times a worker ended and was replaced"),
    ):
        if lost := hour.by_label(metric):
            why = _largest({label: number for label, number in lost.items() if label})
            words = f"{sum(lost.values()):,} {what} in the last hour"
            yield Reason(Level.ATTENTION, f"{words}: {why}" if why else words)


def _not_compared(status: Mapping[str, Any], hour: Hour) -> Iterator[Reason]:
    """Judge the shadow's own outcomes where they are not compared with production's."""
    key = "comparison.access_log" if status["mode"] == "sink" else "comparison.enabled"
    words = f"the answers of production and of the shadow are not compared: {key} is not set"
    yield Reason(Level.UNKNOWN, words)
    outcomes = hour.by_label(SHADOW_REQUESTS, RECENT_SLOTS)
    outcomes.pop(ABORTED, None)
    failed = {label: number for label, number in outcomes.items() if label not in _GOOD}
    number, legs = sum(failed.values()), sum(outcomes.values())
    if NewErrors(number, legs, MOST_FAILED).level is Level.UNSAFE:
        words = f"{_percent(number / legs)} of {legs:,} shadow legs of the last five minutes failed"
        yield Reason(Level.ATTENTION, f"{words}: {_largest(failed)}")


def _doubts_of_comparison(comparison: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield why the pairs are not what they should be."""
    if comparison["balanced"] is False:
        words = "the comparison does not balance, so no count of it can be trusted"
        yield Reason(Level.UNSAFE, words)
    if comparison["shows_origin"] is False:
        yield Reason(Level.ATTENTION, HIDDEN_ORIGIN)
    if (log := comparison["log"]) is None:
        return
    for words in problems_of_log(log["source"], log["problem"], log["repeated"]):
        yield Reason(Level.ATTENTION, words)


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
        yield Reason(Level.UNKNOWN, "no pair of answers was compared in the last hour")
        return
    if not recent:
        yield Reason(Level.UNKNOWN, "no pair of answers was compared in the last five minutes")
    if (minutes := hour.slots_with(COMPARED) * SLOT_S / 60) < RECENT_SLOTS * SLOT_S / 60:
        words = f"only {minutes:.1f} minutes have pairs so far, and five are the least"
        yield Reason(Level.UNKNOWN, words)
    yield from _slower(hour)
    yield _all_routes(NewErrors(errors, pairs), results, _not_judged(hour, of_hour))
    uncompared = hour.by_route(UNCOMPARED)
    routes = {
        route: _new_errors(of_hour.get(route, {}))
        for route in sorted({*of_hour, *uncompared})
        if is_judged(of_hour.get(route, {}), uncompared.get(route, {}))
    }
    few = [(route, errors) for route, errors in routes.items() if errors.has_too_few_pairs]
    if few and len(routes) > 1:
        yield few_pairs(few)


def _all_routes(errors: NewErrors, results: Mapping[str, int], not_judged: str) -> Reason:
    """Return what the pairs of all routes together say."""
    number = _number(errors.number)
    words = f"{number} in {errors.pairs:,} pairs of the last hour"
    allowed = f"{_percent(errors.allowed)} is allowed"
    if errors.level is Level.UNSAFE:
        words += f", which is {_percent(errors.share)}; {allowed}: {_titles(_only_errors(results))}"
    elif errors.level is Level.SAFE:
        words += f", at most {_percent(errors.most)} with 95 % confidence; {allowed}{not_judged}"
    elif errors.level is Level.ATTENTION:
        words += f", too few to say whether that is chance: {_titles(_only_errors(results))}"
    else:
        most = f"no more than {_percent(errors.allowed)}"
        words += f": it takes {errors.needed:,} to vouch for {most}"
    return Reason(errors.level, words)


def _not_judged(hour: Hour, compared: Container[str]) -> str:
    """Return the end of a sentence that names the routes without a pair; empty without such."""
    routes = [route for route, rates in hour.routes() if route not in compared and any(rates.sums)]
    if not routes:
        return ""
    more = f" and {len(routes) - MOST_LABELS} more" if len(routes) > MOST_LABELS else ""
    return f". Not judged, because no copy was compared: {', '.join(routes[:MOST_LABELS])}{more}"


def _slower(hour: Hour) -> Iterator[Reason]:
    """Judge the latency of the hour's pairs, over all routes."""
    primary = hour.latency_of_hour(COMPARED_PRIMARY_LATENCY)
    shadow = hour.latency_of_hour(COMPARED_SHADOW_LATENCY)
    p99 = difference_of(primary, shadow, "p99", 0.99)
    if p99 is None:
        words = "no latency of both sides is known, so it cannot be compared"
        yield Reason(level_of_p99(p99), words)
    elif (level := level_of_p99(p99)) is not Level.SAFE:
        words = f"the shadow's p99 is {p99.after.value:,.1f} ms, and production's"
        words += f" {p99.before.value:,.1f} ms, for the same requests of the last hour"
        doubt = "; that may be noise, and more pairs are needed to say"
        yield Reason(level, words + (doubt if level is Level.UNKNOWN else ""))


def _new_errors(results: Mapping[str, int]) -> NewErrors:
    return NewErrors(errors_of(results), sum(results.values()))


def _lost_routes(results: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the routes that have too many new errors by themselves, most errors first."""
    errors = {route: _new_errors(labels) for route, labels in results.items()}
    lost = [route for route in results if errors[route].level is Level.UNSAFE]
    return sorted(lost, key=lambda route: -errors[route].number)


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
    for route in routes[:MOST_LABELS]:
        errors, pairs = _only_errors(results[route]), sum(results[route].values())
        since = "; none in the last five minutes" if route in ended else ""
        found = f"{sum(errors.values()):,} of {pairs:,} pairs ({_titles(errors)}{since})"
        words.append(f"{route}: {found}")
    if (more := len(routes) - MOST_LABELS) > 0:
        words.append(f"and {more} more")
    yield Reason(Level.UNSAFE, f"new errors in the last {window} on {'; '.join(words)}")


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
    words = [f"{label} {number:,}" for label, number in ordered[:MOST_LABELS]]
    return ", ".join(words + (["..."] if len(ordered) > MOST_LABELS else []))
