"""Two readings of Envoy's counters, and what Envoy counted in between.

A reading is what the admin address of Envoy answers to /stats, as text or with `?format=json`.
Counters only rise, so one that fell shows that Envoy was started again between the readings.

References: Envoy's "HTTP connection manager statistics" and "Cluster manager statistics";
1.38 counts requests beyond the limit of active ones as `upstream_rq_active_overflow`, and no longer
as `upstream_rq_pending_overflow`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from mirror.errors import InputError
from mirror.formats.bounded_files import Limit, read_text

LIMIT = Limit(64 << 20)

DOWNSTREAM = "downstream_rq_total"
UPSTREAM = "upstream_rq_total"
ACTIVE_OVERFLOW = "upstream_rq_active_overflow"
PENDING_OVERFLOW = "upstream_rq_pending_overflow"
UPTIME = "server.uptime"
"""Seconds since Envoy's start."""

_NAMES = (DOWNSTREAM, UPSTREAM, ACTIVE_OVERFLOW, PENDING_OVERFLOW)
_COUNTER = re.compile(rf"(?:http|cluster)\.(.+)\.({'|'.join(_NAMES)})")
# What the listeners of Envoy itself and of istio-agent serve, and what they ask.
_OF_ITSELF = re.compile(
    r"(?:admin|agent|stats|prometheus_stats|xds-grpc|sds-grpc|zipkin|BlackHoleCluster)(?:[.;|_]|$)"
)
_LINE = re.compile(r"([^\n]+?): ([0-9]{1,20})")
_LARGEST = (1 << 64) - 1
"""Envoy's counters have 64 bits."""


@dataclass(frozen=True, slots=True)
class EnvoyCounted:
    """What Envoy counted between two readings."""

    totals: dict[str, int]
    """By the last part of the name, such as `downstream_rq_total`."""
    by_name: dict[str, int]
    """The same by whole name, without zeros."""
    fallen: list[str]
    """Counters that fell: Envoy was started again, so all numbers are those since that start."""
    took_s: int | None
    """Seconds between the readings by Envoy's own clock; None where they do not say it."""
    has_active_overflow: bool
    """This Envoy (1.38 and later) counts active overflows apart from pending ones."""


def read_stats(before: Path, after: Path) -> EnvoyCounted:
    """Return what was counted between two readings. Raises InputError."""
    return difference(_read(before), _read(after))


def difference(old: Mapping[str, int], new: Mapping[str, int]) -> EnvoyCounted:
    """Return what was counted between two readings, as `read` returns them."""
    uptimes = old.get(UPTIME), new.get(UPTIME)
    # A cluster that was removed takes its counters along; Envoy may have run on.
    fallen = sorted(
        name
        for name, number in old.items()
        if name != UPTIME and new.get(name, 0 if uptimes[1] is None else number) < number
    )
    took_s = None
    if uptimes[0] is not None and uptimes[1] is not None:
        if uptimes[1] < uptimes[0]:
            fallen.append(UPTIME)
        else:
            took_s = uptimes[1] - uptimes[0]
    by_name: dict[str, int] = {}
    totals = dict.fromkeys(_NAMES, 0)
    for name, number in new.items():
        if name == UPTIME:
            continue
        counted = number if fallen else number - old.get(name, 0)
        totals[name.rpartition(".")[2]] += counted
        if counted:
            by_name[name] = counted
    has_active = any(name.endswith(ACTIVE_OVERFLOW) for name in new)
    return EnvoyCounted(totals, by_name, fallen, took_s, has_active)


def read(text: str, name: str) -> dict[str, int]:
    """Return the counters of a reading that an audit needs. Raises InputError."""
    counters = _of_json(text, name) if text.lstrip()[:1] == "{" else _of_text(text)
    known = {key: value for key, value in counters.items() if key == UPTIME or _is_needed(key)}
    if not any(key.endswith(DOWNSTREAM) for key in known):
        raise InputError(
            f"{name}: expected what Envoy answers to /stats, with http.*.{DOWNSTREAM}; Istio's"
            " proxy leaves that out unless proxyStatsMatcher includes it"
        )
    return known


def _read(path: Path) -> dict[str, int]:
    return read(read_text(path, LIMIT), str(path))


def _is_needed(name: str) -> bool:
    match = _COUNTER.fullmatch(name)
    return match is not None and not _OF_ITSELF.match(match[1])


def _of_text(text: str) -> dict[str, int]:
    return {
        match[1]: int(match[2]) for line in text.splitlines() if (match := _LINE.fullmatch(line))
    }


def _of_json(text: str, name: str) -> dict[str, int]:
    try:
        document: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"{name}: cannot be read as JSON: {error}") from error
    stats = document.get("stats")
    if not isinstance(stats, list):
        raise InputError(f"{name}: expected a key `stats` with a list, as Envoy writes it")
    return {
        entry["name"]: entry["value"]
        for entry in stats
        if isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and type(entry.get("value")) is int
        and 0 <= entry["value"] <= _LARGEST
    }
