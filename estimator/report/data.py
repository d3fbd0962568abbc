"""The projection as JSON and CSV, in the stable shape of docs/formats.md, "Estimate report".

The keys of the first version are written out one by one. Later parts follow the names of the
model's fields, and a golden report (tests/golden) shows every change of them. Every number is an
object of value, unit and reason, with bounds and flags where it has them. Plots are left out: they
are thinned for drawing, and the series itself is the better source.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from estimator.model.projection import Assumption, ComponentProjection, Figure, Projection
from estimator.model.sizing.amounts import Amounts

FORMAT = "kagami-estimate"
VERSION = 1

_OPTIONAL = ("low", "high", "constraint", "rows", "assumptions", "flags")
_DRAWN = {"plot", "curves", "demand_plot"}
_CSV = ("component", "what", "value", "unit", "low", "high", "flags", "rows", "reason")
# A spreadsheet executes a cell that begins with one of these, so a name must not.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_json(projection: Projection) -> str:
    """Return the report as JSON text that ends in a newline."""
    return json_text(to_data(projection))


def json_text(data: Mapping[str, Any]) -> str:
    """Return a document as indented JSON that ends in a newline."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def confidence_data(reasons: Sequence[str]) -> dict[str, Any]:
    """Return the confidence of an answer as every document has it: low if there are reasons."""
    return {"level": "low" if reasons else "ok", "reasons": list(reasons)}


def to_csv(projection: Projection) -> str:
    """Return every figure of the report, one per line, with a header."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV)
    data = to_data(projection)
    for component in data.pop("components"):
        for quantity, figure in _figures(component, ()):
            writer.writerow(_row(component["name"], quantity, figure))
    for quantity, figure in _figures(data, ()):
        writer.writerow(_row("", quantity, figure))
    return stream.getvalue()


def to_data(projection: Projection) -> dict[str, Any]:
    """Return the report as plain dicts, lists, strings and numbers."""
    series = projection.series
    return {
        "format": FORMAT,
        "version": VERSION,
        "confidence": confidence_data(projection.low_confidence),
        "series": {
            "source": series.source,
            "start": series.start,
            "resolution": _figure(series.resolution),
            "duration": _figure(series.duration),
            "observed": _figure(series.observed),
            "completeness": _figure(series.completeness),
            "routes": list(series.routes),
            "peak": _figure(series.peak),
            "peak_second": series.peak_second,
        },
        "table": {"source": projection.table, "is_example": projection.is_example_table},
        "components": [_component(component) for component in projection.components],
        "total": _amounts(projection.total),
        "reserve": plain_data(projection.reserve),
        "nodes": plain_data(projection.nodes),
        "phases": plain_data(projection.phases),
        "paths": plain_data(projection.paths),
        "assumptions": [_assumption(assumed) for assumed in projection.assumptions],
        "weights": [
            _assumption(weight.assumption) | {"factor": plain_data(weight.factor)}
            for weight in projection.heaviest
        ],
        "warnings": list(projection.warnings),
    }


def _assumption(assumed: Assumption) -> dict[str, Any]:
    return {
        "name": assumed.name,
        "value": assumed.value,
        "reason": assumed.reason,
        "default": assumed.is_default,
    }


def _component(component: ComponentProjection) -> dict[str, Any]:
    return {
        "name": component.name,
        "kind": str(component.kind),
        "routes": list(component.routes),
        "peak": _figure(component.peak),
        "peak_second": component.peak_second,
        "replicas": _figure(component.replicas),
        "decided_by": component.decided_by,
        "constraints": [
            {
                "name": constraint.name,
                "replicas": {
                    "value": constraint.replicas,
                    "unit": "replicas",
                    "reason": constraint.reason,
                },
            }
            for constraint in component.constraints
        ],
        "capacity": _figure(component.capacity),
        "rps_per_replica": _figure(component.rps_per_replica),
        "cpu_utilisation": _figure(component.cpu_utilisation),
        "containers": {name: _amounts(used) for name, used in component.containers.items()},
        "total": _amounts(component.total),
        "rows": {
            "used": list(component.rows_used),
            "nearest": list(component.rows_nearest),
            "excluded": [
                {"row": row, "rule": rule} for row, rule in component.rows_excluded.items()
            ],
        },
        "demand": plain_data(component.demand),
        "performance_limit": plain_data(component.performance_limit),
        "workers": plain_data(component.workers),
        "rollout": plain_data(component.rollout),
        "hpa": plain_data(component.hpa),
        "no_hpa": component.no_hpa,
        "simulation": plain_data(component.simulation),
        "rate_limits": plain_data(component.rate_limits),
        "explanation": plain_data(component.explanation),
        "not_covered": list(component.not_covered),
        "warnings": list(component.warnings),
    }


def _amounts(amounts: Amounts) -> dict[str, Any]:
    return {
        "cpu_request": _figure(amounts.cpu_request),
        "memory_request": _figure(amounts.memory_request),
        "cpu_used": _figure(amounts.cpu_used),
        "memory_used": _figure(amounts.memory_used),
        "cpu_limit": plain_data(amounts.cpu_limit),
        "memory_limit": plain_data(amounts.memory_limit),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    """Return a figure; bounds, flags and evidence only where there are any, as few have them."""
    return {"value": figure.value, "unit": figure.unit, "reason": figure.reason} | {
        name: plain_data(value)
        for name in _OPTIONAL
        if (value := getattr(figure, name)) not in (None, ())
    }


def plain_data(value: Any) -> Any:
    """Return a part of an answer as dicts, lists, strings and numbers, keys being field names."""
    if isinstance(value, Figure):
        return _figure(value)
    if is_dataclass(value):
        return {
            item.name: plain_data(getattr(value, item.name))
            for item in fields(value)
            if item.name not in _DRAWN
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): plain_data(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain_data(item) for item in value]
    return value


def _figures(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every figure inside, with the path of keys that leads to it."""
    if isinstance(value, list):
        for number, item in enumerate(value, 1):
            name = isinstance(item, dict) and item.get("name")
            yield from _figures(item, (*path, str(name or number)))
    elif isinstance(value, dict) and {"value", "unit", "reason"} <= set(value):
        yield ".".join(path), value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _figures(item, (*path, name))


def _row(component: str, quantity: str, figure: Mapping[str, Any]) -> list[Any]:
    words = ("; ".join(str(item) for item in figure.get(name, ())) for name in ("flags", "rows"))
    flags, rows = words
    bounds = (figure.get(name, "") for name in ("low", "high"))
    row = [
        component,
        quantity,
        figure["value"],
        figure["unit"],
        *bounds,
        flags,
        rows,
        figure["reason"],
    ]
    return [_harmless(cell) if isinstance(cell, str) else cell for cell in row]


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
