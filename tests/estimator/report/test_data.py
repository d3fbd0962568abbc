import csv
import io
import json
from dataclasses import replace
from typing import Any

from estimator.model.projection import Projection
from estimator.report.data import to_csv, to_data, to_json

AMOUNTS = {"cpu_request", "memory_request", "cpu_used", "memory_used", "cpu_limit", "memory_limit"}


def test_text_is_json_and_ends_a_line(projection: Projection) -> None:
    text = to_json(projection)
    assert text.endswith("}\n")
    assert json.loads(text) == to_data(projection)


def test_keys_are_the_documented_ones(projection: Projection) -> None:
    report = to_data(projection)
    assert (report["format"], report["version"]) == ("kagami-estimate", 1)
    assert set(report) == {"format", "version", "confidence", "series", "table", "components"} | {
        "total",
        "reserve",
        "nodes",
        "phases",
        "paths",
        "assumptions",
        "weights",
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
        "demand",
        "performance_limit",
        "workers",
        "rollout",
        "hpa",
        "no_hpa",
        "simulation",
        "rate_limits",
        "explanation",
        "not_covered",
        "warnings",
    }
    assert set(component["total"]) == AMOUNTS
    assert set(component["containers"]["app"]) == AMOUNTS
    assert set(component["rows"]) == {"used", "nearest", "excluded"}
    assert set(report["assumptions"][0]) == {"name", "value", "reason", "default"}


def test_weights_of_assumptions_are_in_it(complete: Projection) -> None:
    first, second = to_data(complete)["weights"][:2]
    assert set(first) == {"name", "value", "reason", "default", "factor"}
    assert (first["name"], first["value"], first["factor"]) == ("linear scaling", "api", None)
    assert (second["name"], second["default"]) == ("target utilisation", True)
    assert second["factor"]["unit"] == "ratio" and round(second["factor"]["value"], 3) == 1.667
    names = [line.split(",")[1] for line in to_csv(complete).splitlines()]
    assert "weights.target utilisation.factor" in names


def test_reserve_is_in_it(projection: Projection) -> None:
    assert to_data(projection)["reserve"] is None
    reserve = replace(projection.total.cpu_request, value=2.8, unit="ratio", reason="all of them")
    known = to_data(replace(projection, reserve=reserve))["reserve"]
    assert known == {"value": 2.8, "unit": "ratio", "reason": "all of them"}


def test_answer_is_in_base_units(projection: Projection) -> None:
    (component,) = to_data(projection)["components"]
    assert component["replicas"] == {
        "value": 2,
        "unit": "replicas",
        "reason": "0.6 of the 500m request of app is not reached",
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
    """Return the paths of numbers that have no reason beside them."""
    if isinstance(node, dict):
        if "value" in node and "reason" in node:
            return []
        return [found for key, value in node.items() for found in walk(value, f"{path}.{key}")]
    if isinstance(node, list):
        return [found for value in node for found in walk(value, f"{path}[]")]
    return [path] if isinstance(node, int | float) and not isinstance(node, bool) else []


def test_every_answer_carries_its_reason(projection: Projection) -> None:
    # Times, row numbers and the version of the format are no results.
    assert set(walk(to_data(projection))) == {
        ".version",
        ".series.start",
        ".series.peak_second",
        ".components[].peak_second",
        ".components[].rows.used[]",
        ".components[].rows.nearest[]",
        ".components[].rows.excluded[].row",
    }


def test_bounds_flags_and_evidence_stand_where_there_are_any(complete: Projection) -> None:
    component = to_data(complete)["components"][0]
    assert component["replicas"]["flags"] == ["scaled linearly"]
    assert (component["replicas"]["low"], component["replicas"]["high"]) == (8, 10)
    assert component["containers"]["app"]["cpu_used"]["rows"] == [2, 3]
    assert "low" not in component["workers"] and "flags" not in component["workers"]


def test_every_part_is_json_without_plots(complete: Projection) -> None:
    data = json.loads(to_json(complete))
    assert data["nodes"]["pools"][0]["nodes_per_zone"] == [2, 2, 2]
    assert data["phases"][0]["refused"] == ["gateway: no row"]
    assert data["components"][0]["explanation"][0]["inputs"][0][0] == "peak"
    simulated = data["components"][0]["simulation"]
    assert simulated["saturated"]["value"] == 480 and "plot" not in simulated


def rows_of(projection: Projection) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(projection))))


def test_csv_has_every_figure_of_the_json(complete: Projection) -> None:
    rows = rows_of(complete)
    # The values of assumptions are texts.
    texts = len(complete.assumptions) + len(complete.heaviest)
    assert len(rows) == json.dumps(to_data(complete)).count('"reason": ') - texts
    (replicas,) = [r for r in rows if (r["component"], r["what"]) == ("api", "replicas")]
    assert (replicas["value"], replicas["low"], replicas["high"]) == ("2", "8", "10")
    assert replicas["flags"] == "scaled linearly"
    (nodes,) = [r for r in rows if r["what"] == "nodes.nodes"]
    assert (nodes["component"], nodes["value"]) == ("", "6")


def test_no_cell_of_the_csv_is_a_formula(projection: Projection) -> None:
    hostile = replace(projection.components[0], name="=HYPERLINK(1)")
    (first, *_) = rows_of(replace(projection, components=(hostile,)))
    assert first["component"] == "'=HYPERLINK(1)"
