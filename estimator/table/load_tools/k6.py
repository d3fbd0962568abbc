"""k6's three summaries: `--summary-export` (flat), handleSummary's data, and machine-readable.

All times are in milliseconds. The machine-readable summary (k6 1.5 to 2.2) states counts, and the
duration of the run in seconds as `config.duration`; it has no rates and no p(99). Traps:
`http_req_failed.passes` counts the requests that failed, so only its rate is read; a threshold that
is `true` in the flat summary has failed, so thresholds are not read; p(99) exists only where
summaryTrendStats names it; rates include the ramp. A summary does not say whether the executor was
open or closed, but dropped iterations show an open one that could not keep up.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from estimator.table.fields import shown
from estimator.table.load_tools.run import Keys, LoadRun, decode, members, require
from estimator.table.rows import Loop

NAME = "k6 (--summary-export, handleSummary, machine-readable summary)"


def matches(keys: Keys, text: str) -> bool:
    if "http_reqs" in members(keys.get("metrics")):
        return True
    return bytes(members(keys.get("results")).get("metrics", b"")).startswith(b"[")


def read(text: str, source: str) -> LoadRun:
    """Return the run. Raises InputError."""
    document: dict[str, Any] = decode(text, dict[str, Any], source)
    metrics = _metrics(document, source)
    is_machine_readable = "results" in document
    count = _value(metrics, "http_reqs", "count", source)
    require(count > 0, source, "holds no HTTP request")
    if is_machine_readable:
        duration_s = _number(_member(document, "config", "duration"), source, "config.duration")
        require(duration_s > 0, source, "config.duration: expected seconds above 0")
        rate = count / duration_s
    else:
        rate = _value(metrics, "http_reqs", "rate", source)
        require(rate > 0, source, "holds no HTTP request")
        duration_s = count / rate
    dropped = _optional(metrics, "dropped_iterations", "count", source) or 0.0
    iterations = _optional(metrics, "iterations", "count", source) or 0.0
    is_open = dropped > 0
    notes = ["rate, latency and errors include the ramp: k6 sums up the whole run"]
    if not is_open:
        notes.append("taken as a closed loop: a summary does not name the executor")
    p99 = _optional(metrics, "http_req_duration", "p(99)", source)
    if p99 is None:
        notes.append(
            "no p99: k6's machine-readable summary never has it; --summary-export without that"
            " option has"
            if is_machine_readable
            else "no p99: run k6 with --summary-trend-stats=med,p(99)"
        )
    failed = _optional(metrics, "http_req_failed", "rate", source)
    connections = _optional(metrics, "vus_max", "max", source)
    generated = _member(document, "metadata", "generatedAt")
    return LoadRun(
        tool="k6",
        loop=Loop.OPEN if is_open else Loop.CLOSED,
        rps=rate,
        duration_s=duration_s,
        start=_start(generated, duration_s),
        rps_target=rate * (iterations + dropped) / iterations if is_open and iterations else None,
        connections=int(connections) if connections else None,
        p50_ms=_optional(metrics, "http_req_duration", "med", source),
        p99_ms=p99,
        error_ratio=failed,
        notes=tuple(notes),
    )


def _metrics(document: dict[str, Any], source: str) -> dict[str, dict[str, Any]]:
    """Return the values of each metric from any of the three shapes."""
    listed = document.get("metrics") or document["results"]["metrics"]
    metrics: dict[str, Any]
    if isinstance(listed, Mapping):
        metrics = {
            name: metric.get("values", metric) if isinstance(metric, Mapping) else None
            for name, metric in listed.items()
        }
    else:
        metrics = {
            str(entry.get("name")): entry.get("values")
            for entry in listed
            if isinstance(entry, dict)
        }
    for name in _NEEDED & metrics.keys():
        is_mapping = isinstance(metrics[name], Mapping)
        require(is_mapping, source, f"{name}: expected its values, got {shown(metrics[name])}")
    return {name: dict(metrics[name]) for name in _NEEDED & metrics.keys()}


_NEEDED = {
    *("http_reqs", "http_req_duration", "http_req_failed"),
    *("iterations", "dropped_iterations", "vus_max"),
}
_OTHER_NAMES = {"rate": "value", "max": "value"}
"""Other spellings in the flat summary, where a rate is `value`."""


def _optional(
    metrics: Mapping[str, Mapping[str, Any]], metric: str, key: str, source: str
) -> float | None:
    values = metrics.get(metric, {})
    value = values.get(key, values.get(_OTHER_NAMES.get(key, key)))
    return None if value is None else _number(value, source, f"{metric}.{key}")


def _value(metrics: Mapping[str, Mapping[str, Any]], metric: str, key: str, source: str) -> float:
    value = _optional(metrics, metric, key, source)
    require(value is not None, source, f"{metric}.{key}: missing")
    assert value is not None
    return value


def _number(value: object, source: str, name: str) -> float:
    require(value is not None, source, f"{name}: missing")
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    require(is_number, source, f"{name}: expected a number of at least 0, got {shown(value)}")
    assert isinstance(value, int | float)
    return float(value)


def _member(document: Mapping[str, Any], section: str, key: str) -> object:
    values = document.get(section)
    return values.get(key) if isinstance(values, Mapping) else None


def _start(generated: object, duration_s: float) -> float | None:
    """Return the start as Unix time: k6 writes the summary when the run has ended."""
    if not isinstance(generated, str):
        return None
    try:
        ended = datetime.fromisoformat(generated)
    except ValueError:
        return None
    # Without a zone, the instant would be in that of the reading machine.
    return None if ended.tzinfo is None else ended.timestamp() - duration_s
