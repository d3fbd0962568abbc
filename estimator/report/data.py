"""The projection as JSON, in the stable shape of docs/formats.md, "Estimate report".

Written out key by key, so that renaming a field of the model cannot change the format unnoticed.
Every number that answers something is an object of value, unit and reason.
"""

import json
from typing import Any

from estimator.model.projection import Amounts, ComponentProjection, Figure, Projection

FORMAT = "kagami-estimate"
VERSION = 1


def to_json(projection: Projection) -> str:
    """Return the report as JSON text that ends in a newline."""
    return json.dumps(to_data(projection), indent=2, ensure_ascii=False) + "\n"


def to_data(projection: Projection) -> dict[str, Any]:
    """Return the report as plain dicts, lists, strings and numbers."""
    series = projection.series
    return {
        "format": FORMAT,
        "version": VERSION,
        "confidence": {
            "level": "low" if projection.low_confidence else "ok",
            "reasons": list(projection.low_confidence),
        },
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
        "assumptions": [
            {"name": one.name, "value": one.value, "reason": one.reason, "default": one.is_default}
            for one in projection.assumptions
        ],
        "warnings": list(projection.warnings),
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
        "containers": {name: _amounts(one) for name, one in component.containers.items()},
        "total": _amounts(component.total),
        "rows": {
            "used": list(component.rows_used),
            "nearest": list(component.rows_nearest),
            "excluded": [
                {"row": row, "rule": rule} for row, rule in component.rows_excluded.items()
            ],
        },
        "not_covered": list(component.not_covered),
        "warnings": list(component.warnings),
    }


def _amounts(amounts: Amounts) -> dict[str, Any]:
    return {
        "cpu_request": _figure(amounts.cpu_request),
        "memory_request": _figure(amounts.memory_request),
        "cpu_used": _figure(amounts.cpu_used),
        "memory_used": _figure(amounts.memory_used),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {"value": figure.value, "unit": figure.unit, "reason": figure.reason}
