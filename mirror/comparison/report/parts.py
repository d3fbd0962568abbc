"""What each source counted, and the sum of several: counts and histograms add up exactly.

Invariant: nothing counts twice. Two documents of one instance whose times overlap are refused, and
so is a series.db, which names no instance, together with a document of the same time.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from mirror.core.comparison.verdict import EXTRA_COPY
from mirror.core.latency import Buckets, add_buckets
from mirror.errors import InputError
from mirror.formats.comparison import Comparison, Example, Log, RouteComparison, is_new_error
from mirror.formats.series_db import MAX_SECOND


@dataclass(slots=True)
class Pairs:
    """The pairs of one route, or of all routes, and the copies that made none."""

    results: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    """Pairs by the classes of both statuses, such as `2xx>4xx`."""
    uncompared: Counter[str] = field(default_factory=Counter)
    """Copies by the reason why they made no pair."""
    primary: Buckets = field(default_factory=dict)
    shadow: Buckets = field(default_factory=dict)
    """Latencies of the pairs that both sides answered."""

    @property
    def number(self) -> int:
        return self.results.total()

    @property
    def new_errors(self) -> int:
        return sum(count for result, count in self.results.items() if is_new_error(result))

    @property
    def missing(self) -> int:
        """Copies that should have made a pair and did not."""
        return self.uncompared.total() - self.uncompared[EXTRA_COPY]

    def add(self, other: "Pairs") -> None:
        self.results.update(other.results)
        self.classes.update(other.classes)
        self.uncompared.update(other.uncompared)
        add_buckets(self.primary, other.primary)
        add_buckets(self.shadow, other.shadow)


@dataclass(frozen=True, slots=True)
class Part:
    """What one source says."""

    source: str
    """The source as the user named it."""
    first_s: int
    last_s: int
    """Unix seconds, both included."""
    routes: Mapping[str, Pairs]
    pairs_s: int | None = None
    """Seconds in which there were pairs; None where that is not known."""
    instance: str = ""
    """Empty for a series.db, which names none."""
    mode: str = ""
    waiting: int = 0
    """Copies whose other side may still come."""
    pairs_without_latency: int = 0
    """The newest pairs of a series.db, whose latencies are written when their minute is over."""
    examples: Sequence[Example] = ()
    examples_not_kept: int = 0
    log: Log | None = None
    """None for a series.db, which counts lines only."""
    lines: int = 0
    """Lines of production's log that came."""
    lost: Mapping[str, int] = field(default_factory=dict)
    """Lines that are missing or could not be used, by the reason."""
    shows_origin: bool | None = None
    """Whether the shadow's answers tell Envoy's own from the application's; None if unknown."""


@dataclass(frozen=True, slots=True)
class Sum:
    """All sources together."""

    parts: tuple[Part, ...]
    routes: Mapping[str, Pairs]
    examples: tuple[Example, ...]
    """The most frequent first."""

    @property
    def total(self) -> Pairs:
        everything = Pairs()
        for pairs in self.routes.values():
            everything.add(pairs)
        return everything

    @property
    def first_s(self) -> int:
        return min(part.first_s for part in self.parts)

    @property
    def last_s(self) -> int:
        return max(part.last_s for part in self.parts)

    @property
    def pairs_s(self) -> int:
        """Seconds in which there were pairs, at most."""
        known = (
            part.last_s - part.first_s + 1 if part.pairs_s is None else part.pairs_s
            for part in self.parts
        )
        return min(self.last_s - self.first_s + 1, sum(known))

    @property
    def examples_not_kept(self) -> int:
        return sum(part.examples_not_kept for part in self.parts)


def part_of(document: Comparison, source: str) -> Part:
    """Return what a document says."""
    return Part(
        source=source,
        first_s=document.since_s,
        # A clock that was set back may have made the second of the answer the earlier one.
        last_s=max(document.since_s, document.until_s),
        routes={route.route: _pairs_of(route) for route in document.routes},
        pairs_s=document.pairs_s,
        instance=document.instance,
        mode=document.mode,
        waiting=document.waiting,
        examples=tuple(document.examples),
        examples_not_kept=document.examples_not_kept,
        log=document.log,
        lines=document.log.lines if document.log else 0,
        lost=document.log.lost if document.log else {},
        shows_origin=document.shows_origin,
    )


def _pairs_of(route: RouteComparison) -> Pairs:
    return Pairs(
        Counter(route.results),
        Counter(route.classes),
        Counter(route.uncompared),
        dict(route.primary_latency),
        dict(route.shadow_latency),
    )


def add_up(parts: Iterable[Part]) -> Sum:
    """Return the sum of at least one part. Raises InputError where requests would count twice."""
    parts = tuple(parts)
    for place, part in enumerate(parts):
        for other in parts[:place]:
            _refuse_double(other, part)
    routes: dict[str, Pairs] = {}
    examples: dict[tuple[object, ...], Example] = {}
    for part in parts:
        for name, pairs in part.routes.items():
            routes.setdefault(name, Pairs()).add(pairs)
        for example in part.examples:
            key = _key_of(example)
            known = examples.get(key)
            examples[key] = example if known is None else _added(known, example)
    ordered = sorted(examples.values(), key=lambda example: (-example.count, _key_of(example)))
    return Sum(parts, dict(sorted(routes.items())), tuple(ordered))


def _refuse_double(one: Part, other: Part) -> None:
    if other.first_s > one.last_s or one.first_s > other.last_s:
        return
    overlap = (
        f"both cover {instant(max(one.first_s, other.first_s))}"
        f" to {instant(min(one.last_s, other.last_s))}"
    )
    if one.instance and one.instance == other.instance:
        raise InputError(
            f"{one.source} and {other.source}: both are of the sidecar {one.instance!r}, and"
            f" {overlap}, so requests would count twice. Name one of them; different sidecars"
            " need a different `instance` in their configuration"
        )
    if bool(one.instance) != bool(other.instance):
        series, document = (other, one) if one.instance else (one, other)
        raise InputError(
            f"{series.source} and {document.source}: {overlap}. A series.db does not name its"
            " sidecar, so requests may count twice. Name the one or the other, or give --from and"
            " --until such that the times do not overlap"
        )


def _key_of(example: Example) -> tuple[object, ...]:
    return (
        *(example.route, example.result, example.method, example.host, example.path),
        *(tuple(example.names), example.primary_status, example.shadow_status, example.location),
    )


def _added(one: Example, other: Example) -> Example:
    newest = max(one, other, key=lambda example: example.last_s)
    return msgspec.structs.replace(
        newest,
        count=one.count + other.count,
        first_s=min(one.first_s, other.first_s),
    )


def instant(unix_s: float) -> str:
    """Return a Unix time in seconds in UTC; what no clock shows stays a number."""
    if not 0 <= unix_s <= MAX_SECOND:
        return f"{unix_s:g}"
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
