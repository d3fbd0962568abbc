"""Whether the switch is safe, by thresholds: for all routes together and for each by itself.

A share of new errors has three states, with 95 % confidence (bounds.py): it exceeds its threshold,
it holds it, or there are too few pairs to say, which is never `ok`. A latency exceeds where p99 of
the shadow is above the allowed multiple of production's and the difference is beyond noise
(replay/diff.py). Whatever else keeps the numbers from being those of all requests is a doubt.

This module is pure, and knows no layout.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from mirror.comparison.report.bounds import lower_bound, pairs_needed, upper_bound
from mirror.comparison.report.parts import Pairs, Part, Sum, instant
from mirror.core.latency import MOST_US
from mirror.replay.diff import Difference, bounded_percentile
from mirror.replay.measurement import Histogram
from mirror.spans import show_span

ALL = "all routes"
MOST_MISSING = 0.05
"""Share of copies without a pair, and of lost log lines, above which the verdict is a doubt: the
same as `mirror import` and `estimate` allow for lines that are left out."""
LEAST_SLOWER_MS = 5.0
"""A p99 that is higher by less is never too slow: nginx logs whole milliseconds, and the shadow's
latency includes the way to Envoy."""
SILENT_LOG_S = 300.0
"""A log without a line for longer is silent; production's may be quiet at night."""
MOST_NAMED = 5
"""Most routes that a doubt names."""


class Verdict(Enum):
    OK = "ok"
    ATTENTION = "attention"
    UNSAFE = "not safe to switch"

    @property
    def exit_code(self) -> int:
        return {Verdict.OK: 0, Verdict.ATTENTION: 3, Verdict.UNSAFE: 5}[self]


@dataclass(frozen=True, slots=True)
class Thresholds:
    new_errors: float = 0.001
    """Largest share of new errors, in all and of each route."""
    of_routes: Mapping[str, float] = field(default_factory=dict)
    """Other shares for these routes."""
    slower: float = 2.0
    """Largest multiple of production's p99."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One route, or all of them."""

    name: str
    pairs: Pairs
    threshold: float
    slower: float
    p50: Difference | None
    p99: Difference | None
    """None where no pair was answered on both sides."""

    @property
    def share(self) -> float:
        return self.pairs.new_errors / self.pairs.number if self.pairs.number else 0.0

    @property
    def least(self) -> float:
        """The share of new errors that is exceeded with 95 % confidence."""
        return lower_bound(self.pairs.new_errors, self.pairs.number)

    @property
    def bound(self) -> float:
        """The share of new errors that is not exceeded with 95 % confidence."""
        return upper_bound(self.pairs.new_errors, self.pairs.number)

    @property
    def needed(self) -> int:
        return pairs_needed(self.pairs.new_errors, self.threshold)

    @property
    def has_too_many(self) -> bool:
        return self.least > self.threshold

    @property
    def has_too_few_pairs(self) -> bool:
        return not self.has_too_many and self.bound > self.threshold

    @property
    def is_slower(self) -> bool:
        """Return whether p99 is above the threshold, within noise or beyond."""
        if self.p99 is None or self.p99.ratio <= self.slower:
            return False
        return self.p99.after.value - self.p99.before.value >= LEAST_SLOWER_MS

    @property
    def is_too_slow(self) -> bool:
        return self.is_slower and self.p99 is not None and self.p99.is_beyond_noise


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    all: Judged
    routes: tuple[Judged, ...]
    """The most new errors first, then the most pairs."""
    reasons: tuple[str, ...]
    """Why it is not safe."""
    doubts: tuple[str, ...]
    """What could not be judged, and why."""


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
    reasons = [
        reason
        for judged in (everything, *(() if is_single else routes))
        for reason in _reasons(judged)
    ]
    doubts = [
        *_doubts_of_number(everything, routes, compared),
        *_doubts_of_names(compared, thresholds),
        *_doubts_of_latency(everything),
        *_doubts_of_missing(everything.pairs),
        *(doubt for part in compared.parts for doubt in _doubts_of_part(part)),
    ]
    verdict = Verdict.UNSAFE if reasons else Verdict.ATTENTION if doubts else Verdict.OK
    return Judgement(verdict, everything, tuple(routes), tuple(reasons), tuple(doubts))


def _judged(name: str, pairs: Pairs, threshold: float, slower: float) -> Judged:
    return Judged(
        name,
        pairs,
        threshold,
        slower,
        _difference(pairs, "p50", 0.5),
        _difference(pairs, "p99", 0.99),
    )


def _difference(pairs: Pairs, name: str, ratio: float) -> Difference | None:
    if not any(pairs.primary.values()) or not any(pairs.shadow.values()):
        return None
    sides = []
    for buckets in (pairs.primary, pairs.shadow):
        histogram = Histogram()
        histogram.buckets, histogram.max_us = buckets, MOST_US
        sides.append(bounded_percentile(histogram, ratio))
    return Difference("", name, *sides)


def _reasons(judged: Judged) -> Iterator[str]:
    pairs = judged.pairs
    if judged.has_too_many:
        yield (
            f"{judged.name}: {percent(judged.share)} of {pairs.number:,} pairs are new errors"
            f" ({pairs.new_errors:,}), at most {percent(judged.threshold)} are allowed"
        )
    if judged.is_too_slow and judged.p99 is not None:
        yield (
            f"{judged.name}: p99 is {milliseconds(judged.p99.after.value)} at the shadow and"
            f" {milliseconds(judged.p99.before.value)} in production, {judged.p99.ratio:.2g} times"
            f" as much; at most {judged.slower:g} times are allowed"
        )


def _doubts_of_number(everything: Judged, routes: list[Judged], compared: Sum) -> Iterator[str]:
    number = everything.pairs.number
    if number == 0:
        yield f"no pair was compared: at least {everything.needed:,} are needed"
        return
    if everything.has_too_few_pairs and everything.share > everything.threshold:
        yield (
            f"{percent(everything.share)} of {number:,} pairs are new errors"
            f" ({everything.pairs.new_errors:,}), which is more than the"
            f" {percent(everything.threshold)} that are allowed and may be chance: it is"
            f" {percent(everything.least)} to {percent(everything.bound)}"
        )
    elif everything.has_too_few_pairs:
        yield (
            f"{number:,} pairs are too few: up to {percent(everything.bound)} of all requests may"
            f" be new errors (95 % confidence); {everything.needed:,} pairs are needed for"
            f" {percent(everything.threshold)}{_time_needed(everything, compared)}"
        )
    few = [route for route in routes if route.has_too_few_pairs]
    if few and not (everything.has_too_few_pairs and len(routes) == 1):
        names = ", ".join(map(_too_few, few[:MOST_NAMED]))
        rest = f" and {len(few) - MOST_NAMED:,} more" if len(few) > MOST_NAMED else ""
        word = "route has" if len(few) == 1 else "routes have"
        yield (
            f"{len(few):,} {word} too few pairs to be judged alone: {names}{rest}. Wait for more"
            " requests, or allow more where little comes: --max-new-errors ROUTE=SHARE"
        )


def _too_few(route: Judged) -> str:
    errors = route.pairs.new_errors
    found = f"{errors:,} new error{'' if errors == 1 else 's'} in " if errors else ""
    return f"{route.name} ({found}{route.pairs.number:,} of {route.needed:,})"


def _doubts_of_names(compared: Sum, thresholds: Thresholds) -> Iterator[str]:
    for name in thresholds.of_routes:
        if name not in compared.routes:
            known = ", ".join([*compared.routes][:MOST_NAMED]) or "none"
            yield f"no pair of the route {name}, which has a threshold (there are {known})"


def _time_needed(judged: Judged, compared: Sum) -> str:
    """Return how long the missing pairs take at the rate so far, as the end of a sentence."""
    seconds = compared.last_s - compared.first_s + 1
    more = judged.needed - judged.pairs.number
    minutes = -(-more * seconds // (judged.pairs.number * 60))
    return f", in about {show_span(minutes * 60.0)} at this rate"


def _doubts_of_latency(judged: Judged) -> Iterator[str]:
    if judged.p99 is None:
        if judged.pairs.number:
            yield "no latency of both sides is known, so it cannot be compared"
    elif judged.is_slower and not judged.is_too_slow:
        yield (
            f"p99 is {judged.p99.ratio:.2g} times production's, which may be noise: more pairs"
            " are needed to say"
        )


def _doubts_of_missing(pairs: Pairs) -> Iterator[str]:
    due = pairs.number + pairs.missing
    if pairs.missing > MOST_MISSING * due:
        yield (
            f"{percent(pairs.missing / due)} of the copies ({pairs.missing:,}) made no pair, so"
            " what happened to them is unknown; see what was not compared"
        )


def _doubts_of_part(part: Part) -> Iterator[str]:
    yield from part.doubts
    if part.shows_origin is False:
        yield (
            f"{part.source}: the shadow's answers lack x-envoy-upstream-service-time, so a route"
            " that Envoy misses and a 404 of the application look alike, and so do all its other"
            " answers. Let Envoy send it (Istio: proxyHeaders.envoyDebugHeaders)"
        )
    log = part.log
    if log is None:
        return
    # A gap may be a line that nginx is told not to write (`access_log off` in some locations). No
    # more of them were lost than copies lack their line.
    lacking = part.waiting + sum(pairs.uncompared["no_log_line"] for pairs in part.routes.values())
    lost = sum(log.lost.values()) - max(0, log.lost.get("gap", 0) - lacking)
    if lost > MOST_MISSING * (log.lines + lost):
        yield (
            f"{part.source}: {percent(lost / (log.lines + lost))} of production's log lines"
            f" ({lost:,}) were lost"
        )
    if log.problem:
        yield f"{part.source}: {log.source} is not read: {log.problem}"
    elif log.newest_s is None:
        yield f"{part.source}: no line has come from {log.source}"
    elif part.last_s - log.newest_s - (log.offset_s or 0.0) > SILENT_LOG_S:
        yield f"{part.source}: no line of {log.source} is newer than {instant(log.newest_s)} UTC"


def percent(share: float) -> str:
    """Return a share of 0 to 1 as percent with three digits; never 0 or 100 % for another value."""
    if 0.9995 < share < 1:
        return "over 99.9 %"
    text = f"{share * 100:.3g}"
    return f"{text} %" if "e" not in text else f"{share * 100:.6f} %"


def milliseconds(value: float) -> str:
    return f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"
