"""Whether pairs of answers say that the switch is safe: the levels, the thresholds and the rules.

`mirror compare`, the live page and `mirror status` judge by these alone, so that the same pairs get
the same word everywhere. Each of them only says where its numbers come from, and what else it
knows.

A share of new errors exceeds its threshold, or holds it, with 95 % confidence (bounds.py); between
the two there are too few pairs to say. Two errors never exceed a threshold: many routes are judged
at once, and one error among 39 pairs of a rare route would exceed 0.1 %. A p99 is too high where it
is above the allowed multiple of production's and the difference is beyond noise (mirror/noise.py).
Errors come in bursts, so pairs of a short time prove little, however many they are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from mirror.comparison.report.bounds import lower_bound, pairs_needed, upper_bound
from mirror.core.comparison.verdict import EXTRA_COPY, PRIMARY_ABORTED, SHADOW_ABORTED
from mirror.core.latency import Buckets
from mirror.noise import Difference, bounded_percentile

MOST_NEW_ERRORS = 0.001
"""Share of pairs with a new error that a switch may have."""
LEAST_NEW_ERRORS = 3
"""Fewer are a reason to look, and none against the switch."""
MOST_MISSING = 0.05
"""Share of copies without a pair, and of lost log lines, above which a person looks: the same as
`mirror import` and `estimate` allow for lines that are left out."""
MOST_SLOWER = 2.0
"""Multiple of production's p99 that the shadow's may be."""
LEAST_SLOWER_MS = 5.0
"""A p99 that is higher by less is never too slow: nginx logs whole milliseconds, and the shadow's
latency includes the way to Envoy."""
LEAST_S = 300
"""With pairs of fewer seconds, nothing is called safe."""
MOST_NAMED = 5
"""Most routes that a sentence names."""
HIDDEN_ORIGIN = (
    "the shadow's answers lack x-envoy-upstream-service-time, so a route that Envoy misses and a"
    " 404 of the application look alike, and so do all its other answers. Let Envoy send it (Istio:"
    " proxyHeaders.envoyDebugHeaders)"
)


_CUT = frozenset({EXTRA_COPY, PRIMARY_ABORTED, SHADOW_ABORTED})
"""Reasons why a copy has no pair that say nothing of its route. Where a worker died, its copies are
even counted as `other`, because nobody knows their routes any more."""


class Level(Enum):
    """The worst first."""

    UNSAFE = "not safe to switch"
    ATTENTION = "needs attention"
    UNKNOWN = "not known yet"
    SAFE = "safe so far"


_ORDER = tuple(Level)


def severity(level: Level) -> int:
    """Return a number that sorts levels, the worst first."""
    return _ORDER.index(level)


def worst(levels: Iterable[Level]) -> Level:
    """Return the level that decides; without any, nothing is against the switch."""
    return min(levels, key=severity, default=Level.SAFE)


@dataclass(frozen=True, slots=True)
class Reason:
    level: Level
    words: str


@dataclass(frozen=True, slots=True)
class NewErrors:
    """The new errors of one route or of all, and what they say."""

    number: int
    pairs: int
    allowed: float = MOST_NEW_ERRORS
    """The threshold, a share above 0."""

    @property
    def share(self) -> float:
        return self.number / self.pairs if self.pairs else 0.0

    @property
    def least(self) -> float:
        """The share that is reached at least, with 95 % confidence."""
        return lower_bound(self.number, self.pairs)

    @property
    def most(self) -> float:
        """The share that is not exceeded, with 95 % confidence."""
        return upper_bound(self.number, self.pairs)

    @property
    def needed(self) -> int:
        """Pairs in all that vouch for the threshold if no further error comes."""
        return pairs_needed(self.number, self.allowed)

    @property
    def level(self) -> Level:
        if self.number >= LEAST_NEW_ERRORS and self.least > self.allowed:
            return Level.UNSAFE
        if self.most <= self.allowed:
            return Level.SAFE
        return Level.ATTENTION if self.share > self.allowed else Level.UNKNOWN

    @property
    def has_too_few_pairs(self) -> bool:
        return self.level in (Level.ATTENTION, Level.UNKNOWN)


def is_judged(results: Mapping[str, int], uncompared: Mapping[str, int]) -> bool:
    """Return whether a route is judged: it has pairs, or copies that should have made some."""
    return any(results.values()) or any(
        number for reason, number in uncompared.items() if reason not in _CUT
    )


def few_pairs(routes: Sequence[tuple[str, NewErrors]]) -> Reason:
    """Return that these routes, at least one, have too few pairs to be judged alone."""
    names = ", ".join(_too_few(name, errors) for name, errors in routes[:MOST_NAMED])
    rest = f" and {len(routes) - MOST_NAMED:,} more" if len(routes) > MOST_NAMED else ""
    word = "route has" if len(routes) == 1 else "routes have"
    words = f"{len(routes):,} {word} too few pairs to be judged alone: {names}{rest}"
    return Reason(worst(errors.level for _, errors in routes), words)


def _too_few(name: str, errors: NewErrors) -> str:
    number = errors.number
    counted = f"{number:,} new error{'' if number == 1 else 's'} in " if number else ""
    return f"{name} ({counted}{errors.pairs:,} of {errors.needed:,})"


# --- latency ---


def difference_of(primary: Buckets, shadow: Buckets, name: str, ratio: float) -> Difference | None:
    """Return a percentile of both sides in milliseconds; None where a side has no answer."""
    if not any(primary.values()) or not any(shadow.values()):
        return None
    before, after = (bounded_percentile(buckets, ratio) for buckets in (primary, shadow))
    return Difference("", name, before, after)


def level_of_p99(p99: Difference | None, allowed: float = MOST_SLOWER) -> Level:
    """Return what a p99 says; `allowed` is a multiple of production's."""
    if p99 is None:
        return Level.UNKNOWN
    if p99.ratio <= allowed or p99.after.value - p99.before.value < LEAST_SLOWER_MS:
        return Level.SAFE
    return Level.UNSAFE if p99.is_beyond_noise else Level.UNKNOWN


# --- what is missing or too much ---


def is_too_much(missing: int, rest: int) -> bool:
    """Return whether so much is missing beside the rest that a person should look."""
    return missing > MOST_MISSING * (missing + rest)


def lost_lines(lost: Mapping[str, int], lacking: int) -> dict[str, int]:
    """Return the lines of production's log that were lost, by reason, without zeros.

    `lacking` are the copies that lack their line. A gap may be a line that nginx is told not to
    write (`access_log off` in some locations), and no more of them were lost than copies lack one.
    """
    real = {**lost, "gap": min(lost.get("gap", 0), lacking)}
    return {reason: number for reason, number in real.items() if number}


def problems_of_log(source: str, problem: str, repeated: int) -> Iterator[str]:
    """Yield what a person should look at; the arguments are those of formats/comparison.py."""
    if problem:
        yield f"{source} is not read: {problem}"
    if repeated:
        yield f"{repeated:,} requests have two lines in {source}, so whoever reads it counts twice"
