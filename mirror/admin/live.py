"""The events of the live page: what the sidecar does now, its last hour, and examples.

Each event is a JSON object in the form of server-sent events
(https://html.spec.whatwg.org/multipage/server-sent-events.html). It is built when a viewer asks for
it, once for all viewers; without a viewer only the hour is kept. This module computes every number
and every word of the page, so that the page only lays them out; it knows no socket.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from mirror.admin.hour import SLOT_S, SLOTS, Hour, Rates
from mirror.admin.verdict import errors_of, judge
from mirror.comparison.report.words import words_of
from mirror.core.comparison.verdict import EXTRA_COPY, NEW_ERRORS
from mirror.core.latency import Buckets, percentile_us
from mirror.core.ledger import (
    CAPTURE_DROPPED,
    COMPARED,
    COMPARED_CLASSES,
    COMPARED_PRIMARY_LATENCY,
    COMPARED_SHADOW_LATENCY,
    CONNECTIONS_REFUSED,
    LOG_LOST,
    LOOPED,
    MALFORMED,
    PRIMARY_LATENCY,
    PRIMARY_LOGGED,
    REPEATED,
    SHADOW_LATENCY,
    SHADOW_REQUESTS,
    SHADOW_SENT,
    SHED,
    UNCOMPARED,
    Latencies,
    Settled,
)
from mirror.formats.comparison import Comparison, Example
from mirror.formats.foreign_text import readable, visible
from mirror.metrics.catalogue import SINK_DROPPED, WORKER_RESTARTS, Readings

MOST_SHOWN_ROUTES = 20
MOST_SHOWN_EXAMPLES = 50
_SHOWN_STATUS = (
    *("version", "pid", "listen", "mode", "instance", "shadow", "ratio", "ramp", "capture"),
    *("comparison", "workers", "worker_restarts", "reload", "sinks"),
)
"""The parts of /status that the page shows as they are."""
SPARK_SLOTS = 6
"""Slots that one point of a route's small chart covers: a minute."""
_REAL_LOSSES = (*(SHED, UNCOMPARED, LOG_LOST, CAPTURE_DROPPED, CONNECTIONS_REFUSED, SINK_DROPPED),)
_LOSSES = (*_REAL_LOSSES, MALFORMED, LOOPED, REPEATED, WORKER_RESTARTS)
_BY_ROUTE = frozenset({COMPARED, UNCOMPARED})
_BY_LABEL = frozenset({*_LOSSES, COMPARED_CLASSES, PRIMARY_LOGGED, SHADOW_REQUESTS, SHADOW_SENT})


@dataclass(frozen=True, slots=True)
class Budget:
    """What the workers may hold for the shadow, all together."""

    name: str
    used: int
    most: int | None
    """None where nothing bounds it by itself."""
    is_bytes: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """What the page asks of the sidecar while somebody looks at it."""

    status: Callable[[], Mapping[str, Any]]
    """The answer of /status."""
    latencies: Callable[[], Latencies]
    """Since the start."""
    budgets: Callable[[], Sequence[Budget]]
    comparison: Callable[[], Comparison | None]
    """The document of /comparison; None where nothing is compared."""


class Live:
    """Give it each settled second; it makes the newest event of each kind when asked."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self.hour = Hour(
            _BY_ROUTE, _BY_LABEL - _BY_ROUTE, (COMPARED_PRIMARY_LATENCY, COMPARED_SHADOW_LATENCY)
        )
        self._rps: dict[str, int] = {}
        """Of the newest complete second, by route."""
        self._shadow_rps = 0
        self._readings: dict[tuple[str, str], float] = {}
        self._now: bytes | None = None
        self._past: tuple[int, bytes] | None = None
        """The event of the hour, and the slot in which it was made."""
        self._examples: tuple[int, bytes] | None = None

    def add(self, settled: Settled) -> None:
        """Take in a settled second."""
        self.hour.add(settled)
        if settled.is_complete and not settled.is_late:
            self._rps = settled.rps
            self._shadow_rps = sum(settled.shadow_rps.values())
        self._now = None

    def note(self, readings: Readings) -> None:
        """Take in what only the supervisor counts, after the newest second."""
        for key, value in readings.items():
            if key[0] in (SINK_DROPPED, WORKER_RESTARTS):
                if more := int(value - self._readings.get(key, 0.0)):
                    self.hour.count(*key, more)
                self._readings[key] = value

    def newest(self) -> tuple[bytes, bytes]:
        """Return the newest event of each kind that every viewer may have."""
        if self._now is None:
            self._now = _event("now", self._present())
        slot = self._slot
        if self._past is None or self._past[0] != slot:
            self._past = (slot, _event("hour", self._hour()))
        return self._now, self._past[1]

    def examples(self) -> bytes:
        """Return the newest event with hosts and paths."""
        slot = self._slot
        if self._examples is None or self._examples[0] != slot:
            self._examples = (slot, _event("examples", self._shown_examples()))
        return self._examples[1]

    @property
    def _slot(self) -> int:
        return self.hour.newest_s // SLOT_S

    def _present(self) -> dict[str, Any]:
        """Return what changes every second."""
        status = self._sources.status()
        verdict = judge(status, self.hour)
        results = self.hour.by_label(COMPARED)
        return {
            "at": self.hour.newest_s,
            "verdict": {
                "level": verdict.level.name.lower(),
                "title": _sentence(verdict.level.value),
                "reasons": [
                    {
                        "level": reason.level.name.lower(),
                        "level_words": reason.level.value,
                        "words": _sentence(visible(reason.words)),
                    }
                    for reason in verdict.reasons
                ],
            },
            "status": {name: status[name] for name in _SHOWN_STATUS},
            "pairs": sum(results.values()),
            "errors": errors_of(results),
            "rps": self._rps,
            "rps_total": sum(self._rps.values()),
            "shadow_rps": self._shadow_rps,
            "latency": self._latencies(),
            "budgets": [asdict(budget) for budget in self._sources.budgets()],
        }

    def _latencies(self) -> dict[str, Any]:
        """Return the last minute's latencies: of pairs where there are any, else of all legs."""
        hour = self.hour
        primary, shadow = (
            hour.latency(COMPARED_PRIMARY_LATENCY),
            hour.latency(COMPARED_SHADOW_LATENCY),
        )
        is_of_pairs = bool(primary or shadow)
        if not is_of_pairs:
            primary, shadow = hour.latency(PRIMARY_LATENCY), hour.latency(SHADOW_LATENCY)
        return {
            "of_pairs": is_of_pairs,
            "primary": _percentiles(primary),
            "shadow": _percentiles(shadow),
        }

    def _hour(self) -> dict[str, Any]:
        """Return what changes with each slot."""
        hour = self.hour
        results = hour.by_label(COMPARED)
        losses = {metric: hour.by_label(metric) for metric in _LOSSES}
        return {
            "end": (self._slot + 1) * SLOT_S,
            "slot_s": SLOT_S,
            "total": _series(hour, hour.total),
            "shadow": _series(hour, hour.shadow),
            **self._routes(),
            "classes": hour.by_label(COMPARED_CLASSES),
            "pairs": sum(results.values()),
            "results": _shown_results(results),
            "outcomes": hour.by_label(SHADOW_REQUESTS),
            "losses": losses,
            "lost_number": sum(
                sum(losses[metric].values()) - losses[metric].get(EXTRA_COPY, 0)
                for metric in _REAL_LOSSES
            ),
        }

    def _routes(self) -> dict[str, Any]:
        """Return the routes with new errors and those with the most requests, and all others."""
        results = self.hour.by_route(COMPARED)
        latencies = self._sources.latencies()
        errors = {route: errors_of(labels) for route, labels in results.items()}
        pairs = {route: sum(labels.values()) for route, labels in results.items()}
        routes = sorted(self.hour.routes(), key=lambda item: -errors.get(item[0], 0))
        further = routes[MOST_SHOWN_ROUTES:]
        return {
            "routes": [
                {
                    "route": route,
                    **_coarse(self.hour, rates),
                    "pairs": pairs.get(route, 0),
                    "errors": errors.get(route, 0),
                    "primary": _route_percentiles(latencies, _PRIMARY, route),
                    "shadow": _route_percentiles(latencies, _SHADOW, route),
                }
                for route, rates in routes[:MOST_SHOWN_ROUTES]
            ],
            "further_routes": {
                "number": len(further),
                "hour_mean": self.hour.mean(rates for _, rates in further),
                "pairs": sum(pairs.get(route, 0) for route, _ in further),
                "errors": sum(errors.get(route, 0) for route, _ in further),
            },
        }

    def _shown_examples(self) -> dict[str, Any]:
        document = self._sources.comparison()
        examples = [] if document is None else document.examples
        newest = sorted(examples, key=lambda example: -example.last_s)[:MOST_SHOWN_EXAMPLES]
        return {
            "examples": [_shown(example) for example in newest],
            "further": len(examples) - len(newest),
            "refused": None,
        }


_PRIMARY = (COMPARED_PRIMARY_LATENCY, PRIMARY_LATENCY)
_SHADOW = (COMPARED_SHADOW_LATENCY, SHADOW_LATENCY)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


@cache
def refused_examples(why: str) -> bytes:
    """Return the event for a viewer that may not have examples."""
    return _event("examples", {"examples": [], "further": 0, "refused": why})


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    """JSON has no line end outside of its strings, and escapes those within."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _shown(example: Example) -> dict[str, Any]:
    """Return an example with nothing that would change the order or the look of other text."""
    return {
        "title": words_of(example.result).title,
        "request": visible(_request_line(example)),
        "primary_status": example.primary_status,
        "shadow_status": example.shadow_status,
        "location": visible(readable(example.location)),
        "count": example.count,
        "last_s": example.last_s,
        "request_id": visible(example.request_id),
    }


def _request_line(example: Example) -> str:
    query = f"?{'&'.join(example.names)}" if example.names else ""
    return f"{example.method} {example.host}{readable(example.path)}{query}"


def _shown_results(results: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the results with their words, the new errors first."""
    ordered = sorted(results, key=lambda name: (name not in NEW_ERRORS, -results[name]))
    return [
        {
            **{key: text.replace("`", "") for key, text in asdict(words_of(name)).items()},
            "number": results[name],
            "is_new_error": name in NEW_ERRORS,
        }
        for name in ordered
    ]


def _percentiles(buckets: Buckets) -> dict[str, float] | None:
    """Return percentiles in milliseconds; None for an empty histogram."""
    if not buckets:
        return None
    return {
        "p50": percentile_us(buckets, 0.5) / 1e3,
        "p99": percentile_us(buckets, 0.99) / 1e3,
        "number": sum(buckets.values()),
    }


def _route_percentiles(
    latencies: Latencies, metrics: tuple[str, str], route: str
) -> dict[str, float] | None:
    of_pairs, of_all = (latencies.get((metric, route), {}) for metric in metrics)
    return _percentiles(of_pairs or of_all)


def _series(hour: Hour, rates: Rates) -> dict[str, Any]:
    means, highest = hour.series(rates)
    return {"mean": means, "max": highest, **_sums(hour, rates)}


def _sums(hour: Hour, rates: Rates) -> dict[str, Any]:
    return {"hour_mean": hour.mean([rates]), "hour_max": max(rates.most)}


def _coarse(hour: Hour, rates: Rates) -> dict[str, Any]:
    """Return a route's series with a point for each minute."""
    means, _ = hour.series(rates)
    points: list[float | None] = []
    for place in range(0, SLOTS, SPARK_SLOTS):
        known = [mean for mean in means[place : place + SPARK_SLOTS] if mean is not None]
        points.append(round(sum(known) / len(known), 1) if known else None)
    return {"mean": points, **_sums(hour, rates)}
