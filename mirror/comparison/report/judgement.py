"""The verdict of `mirror compare` by thresholds: for all routes together and for each by itself.

safety.py owns the rules. This module applies them to a sum of sources, and adds whatever else keeps
its numbers from being those of all requests, as a doubt. It is pure, and knows no layout.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mirror.comparison.report.parts import Pairs, Part, Sum, instant
from mirror.comparison.report.safety import (
    HIDDEN_ORIGIN,
    LEAST_S,
    MOST_NAMED,
    MOST_NEW_ERRORS,
    MOST_SLOWER,
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
    worst,
)
from mirror.noise import Difference
from mirror.spans import show_span

ALL = "all routes"
SILENT_LOG_S = 300.0
"""A log without a line for longer is silent; production's may be quiet at night."""
EXIT_CODES = {Level.SAFE: 0, Level.UNKNOWN: 3, Level.ATTENTION: 3, Level.UNSAFE: 5}


@dataclass(frozen=True, slots=True)
class Thresholds:
    new_errors: float = MOST_NEW_ERRORS
    """Largest share of new errors, in all and of each route."""
    of_routes: Mapping[str, float] = field(default_factory=dict)
    """Other shares for these routes."""
    slower: float = MOST_SLOWER
    """Largest multiple of production's p99."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One route, or all of them."""

    name: str
    pairs: Pairs
    new_errors: NewErrors
    slower: float
    p50: Difference | None
    p99: Difference | None
    """None where no pair was answered on both sides."""

    @property
    def level_of_p99(self) -> Level:
        return level_of_p99(self.p99, self.slower)


@dataclass(frozen=True, slots=True)
class Judgement:
    level: Level
    """The worst of the reasons and doubts."""
    all: Judged
    routes: tuple[Judged, ...]
    """The most new errors first, then the most pairs."""
    reasons: tuple[str, ...]
    """Why it is not safe."""
    doubts: tuple[str, ...]
    """What could not be judged, and why."""

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.level]


def judge(compared: Sum, thresholds: Thresholds) -> Judgement:
    """Return the judgement of a comparison."""
    everything = _judged(ALL, compared.total, thresholds.new_errors, thresholds.slower)
    routes = sorted(
        (
            _judged(
                name,
                pairs,
                thresholds.of_routes.get(name, thresholds.new_errors),
                thresholds.slower,
            )
            for name, pairs in compared.routes.items()
        ),
        key=lambda route: (-route.pairs.new_errors, -route.pairs.number, route.name),
    )
    # A single route is everything, unless it has a threshold of its own.
    is_single = len(routes) == 1 and not thresholds.of_routes
    unsafe = [
        words
        for judged in (everything, *(() if is_single else routes))
        for words in _reasons(judged)
    ]
    doubts = [
        *_doubts_of_number(everything, routes, compared),
        *_doubts_of_time(everything, compared),
        *_doubts_of_names(compared, thresholds),
        *_doubts_of_latency(everything),
        *_doubts_of_missing(everything.pairs),
        *(doubt for part in compared.parts for doubt in _doubts_of_part(part)),
    ]
    levels = (*(Level.UNSAFE for _ in unsafe), *(doubt.level for doubt in doubts))
    words = tuple(doubt.words for doubt in doubts)
    return Judgement(worst(levels), everything, tuple(routes), tuple(unsafe), words)


def _judged(name: str, pairs: Pairs, threshold: float, slower: float) -> Judged:
    return Judged(
        name,
        pairs,
        NewErrors(pairs.new_errors, pairs.number, threshold),
        slower,
        difference_of(pairs.primary, pairs.shadow, "p50", 0.5),
        difference_of(pairs.primary, pairs.shadow, "p99", 0.99),
    )


def _reasons(judged: Judged) -> Iterator[str]:
    errors = judged.new_errors
    if errors.level is Level.UNSAFE:
        yield (
            f"{judged.name}: {percent(errors.share)} of {errors.pairs:,} pairs are new errors"
            f" ({errors.number:,}), at most {percent(errors.allowed)} are allowed"
        )
    if judged.level_of_p99 is Level.UNSAFE and judged.p99 is not None:
        yield (
            f"{judged.name}: p99 is {milliseconds(judged.p99.after.value)} at the shadow and"
            f" {milliseconds(judged.p99.before.value)} in production, {judged.p99.ratio:.4g} times"
            f" as much; at most {judged.slower:g} times are allowed"
        )


def _doubts_of_number(everything: Judged, routes: list[Judged], compared: Sum) -> Iterator[Reason]:
    errors = everything.new_errors
    if errors.pairs == 0:
        words = f"no pair was compared: at least {errors.needed:,} are needed"
        yield Reason(Level.UNKNOWN, words)
        return
    if errors.level is Level.ATTENTION:
        yield Reason(
            errors.level,
            f"{percent(errors.share)} of {errors.pairs:,} pairs are new errors"
            f" ({errors.number:,}), which is more than the {percent(errors.allowed)} that are"
            f" allowed and may be chance: it is {percent(errors.least)} to {percent(errors.most)}",
        )
    elif errors.level is Level.UNKNOWN:
        yield Reason(
            errors.level,
            f"{errors.pairs:,} pairs are too few: up to {percent(errors.most)} of all requests may"
            f" be new errors (95 % confidence); {errors.needed:,} pairs are needed for"
            f" {percent(errors.allowed)}{_time_needed(errors, compared)}",
        )
    judged = [route for route in routes if is_judged(route.pairs.results, route.pairs.uncompared)]
    few = [(route.name, route.new_errors) for route in judged if route.new_errors.has_too_few_pairs]
    if few and not (errors.has_too_few_pairs and len(judged) == 1):
        alone = few_pairs(few)
        advice = "Wait for more requests, or allow more where little comes"
        yield Reason(alone.level, f"{alone.words}. {advice}: --max-new-errors ROUTE=SHARE")


def _doubts_of_time(everything: Judged, compared: Sum) -> Iterator[Reason]:
    seconds = compared.pairs_s
    if everything.pairs.number and seconds < LEAST_S:
        yield Reason(
            Level.UNKNOWN,
            f"the pairs are of {seconds:,} seconds, and errors come in bursts: {LEAST_S} seconds"
            " are the least",
        )


def _doubts_of_names(compared: Sum, thresholds: Thresholds) -> Iterator[Reason]:
    for name in thresholds.of_routes:
        if name not in compared.routes:
            known = ", ".join([*compared.routes][:MOST_NAMED]) or "none"
            words = f"no pair of the route {name}, which has a threshold (there are {known})"
            yield Reason(Level.ATTENTION, words)


def _time_needed(errors: NewErrors, compared: Sum) -> str:
    """Return how long the missing pairs take at the rate so far, as the end of a sentence."""
    seconds = compared.last_s - compared.first_s + 1
    minutes = -(-(errors.needed - errors.pairs) * seconds // (errors.pairs * 60))
    return f", in about {show_span(minutes * 60.0)} at this rate"


def _doubts_of_latency(judged: Judged) -> Iterator[Reason]:
    if judged.p99 is None:
        if judged.pairs.number:
            words = "no latency of both sides is known, so it cannot be compared"
            yield Reason(judged.level_of_p99, words)
    elif judged.level_of_p99 is Level.UNKNOWN:
        yield Reason(
            judged.level_of_p99,
            f"p99 is {judged.p99.ratio:.4g} times production's, which may be noise: more pairs"
            " are needed to say",
        )


def _doubts_of_missing(pairs: Pairs) -> Iterator[Reason]:
    if is_too_much(pairs.missing, pairs.number):
        share = percent(pairs.missing / (pairs.number + pairs.missing))
        yield Reason(
            Level.ATTENTION,
            f"{share} of the copies ({pairs.missing:,}) made no pair, so what happened to them is"
            " unknown; see what was not compared",
        )


def _doubts_of_part(part: Part) -> Iterator[Reason]:
    if part.shows_origin is False:
        yield Reason(Level.ATTENTION, f"{part.source}: {HIDDEN_ORIGIN}")
    for words in _problems_of_log(part):
        yield Reason(Level.ATTENTION, f"{part.source}: {words}")


def _problems_of_log(part: Part) -> Iterator[str]:
    lacking = part.waiting + sum(pairs.uncompared["no_log_line"] for pairs in part.routes.values())
    lost = sum(lost_lines(part.lost, lacking).values())
    if is_too_much(lost, part.lines):
        share = percent(lost / (part.lines + lost))
        yield f"{share} of production's log lines ({lost:,}) were lost"
    log = part.log
    if log is None:
        return
    yield from problems_of_log(log.source, log.problem, log.repeated)
    if log.problem:
        return
    if log.newest_s is None:
        yield f"no line has come from {log.source}"
    elif part.last_s - log.newest_s - (log.offset_s or 0.0) > SILENT_LOG_S:
        yield f"no line of {log.source} is newer than {instant(log.newest_s)} UTC"


def percent(share: float) -> str:
    """Return a share of 0 to 1 as percent with three digits; never 0 or 100 % for another value."""
    if 0.9995 < share < 1:
        return "over 99.9 %"
    text = f"{share * 100:.3g}"
    return f"{text} %" if "e" not in text else f"{share * 100:.6f} %"


def milliseconds(value: float) -> str:
    return f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"
