import json
from typing import Any

from estimator.model.projection import Projection
from estimator.report.data import to_data, to_json

AMOUNTS = {"cpu_request", "memory_request", "cpu_used", "memory_used"}


def test_text_is_json_and_ends_a_line(projection: Projection) -> None:
    text = to_json(projection)
    assert text.endswith("}\n")
    assert json.loads(text) == to_data(projection)


def test_keys_are_the_documented_ones(projection: Projection) -> None:
    report = to_data(projection)
    assert (report["format"], report["version"]) == ("kagami-estimate", 1)
    assert set(report) == {"format", "version", "confidence", "series", "table", "components"} | {
        "total",
        "assumptions",
        "warnings",
    }
    assert set(report["series"]) == {"source", "start", "resolution", "duration", "observed"} | {
        "completeness",
        "routes",
        "peak",
        "peak_second",
    }
    (component,) = report["components"]
    assert set(component) == {"name", "kind", "routes", "peak", "peak_second", "replicas"} | {
        "decided_by",
        "constraints",
        "capacity",
        "rps_per_replica",
        "cpu_utilisation",
        "containers",
        "total",
        "rows",
        "not_covered",
        "warnings",
    }
    assert set(component["total"]) == AMOUNTS
    assert set(component["containers"]["app"]) == AMOUNTS
    assert set(component["rows"]) == {"used", "nearest", "excluded"}
    assert set(report["assumptions"][0]) == {"name", "value", "reason", "default"}


def test_answer_is_in_base_units(projection: Projection) -> None:
    (component,) = to_data(projection)["components"]
    assert component["replicas"] == {
        "value": 2,
        "unit": "replicas",
        "reason": "0.6 of the 500m request of app, 300m, is not reached in any row used;"
        " 1,000 rps need 2 replica(s)",
    }
    assert component["total"]["cpu_request"]["value"] == 1200
    assert component["total"]["memory_request"]["value"] == 640 * 2**20
    assert component["peak_second"] == 1_700_000_007
    assert component["rows"]["excluded"] == [{"row": 4, "rule": "error_ratio 0.2 is above 0.01"}]


def test_low_confidence_carries_its_reasons(projection: Projection) -> None:
    confidence = to_data(projection)["confidence"]
    assert confidence["level"] == "low"
    assert confidence["reasons"][0].startswith("only 10m were observed")


def walk(node: Any, path: str = "") -> list[str]:
    """Return the paths of numbers that stand without a reason beside them."""
    if isinstance(node, dict):
        if "value" in node and "reason" in node:
            return []
        return [found for key, value in node.items() for found in walk(value, f"{path}.{key}")]
    if isinstance(node, list):
        return [found for value in node for found in walk(value, f"{path}[]")]
    return [path] if isinstance(node, int | float) and not isinstance(node, bool) else []


def test_every_answer_carries_its_reason(projection: Projection) -> None:
    # Names of seconds and rows, and of this format, are no answers.
    assert set(walk(to_data(projection))) == {
        ".version",
        ".series.start",
        ".series.peak_second",
        ".components[].peak_second",
        ".components[].rows.used[]",
        ".components[].rows.nearest[]",
        ".components[].rows.excluded[].row",
    }
