import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mirror.comparison.report.data import as_json
from mirror.comparison.report.judgement import Thresholds, judge
from mirror.formats.comparison import Comparison
from tests.mirror.comparison.report.test_judgement import pairs
from tests.mirror.comparison.report.test_parts import document, example, sum_of


def data(*documents: Comparison) -> dict[str, Any]:
    compared = sum_of(*documents)
    report: dict[str, Any] = json.loads(as_json(compared, judge(compared, Thresholds())))
    return report


def test_a_program_finds_every_number() -> None:
    report = data(document(pairs(4000, errors=9), examples=[example()], examples_not_kept=2))
    assert (report["format"], report["version"]) == ("kagami-compare", 1)
    assert (report["verdict"], report["exit_code"]) == ("not safe to switch", 5)
    assert report["reasons"] and report["doubts"] == []
    every, (route,) = report["all"], report["routes"]
    assert every == {key: value for key, value in route.items() if key != "route"}
    assert route["route"] == "/api/_"
    assert (every["pairs"], every["new_errors"], every["new_error_ratio"]) == (4000, 9, 0.00225)
    assert 0.0039 < every["new_error_ratio_at_most"] < 0.004 and every["pairs_needed"] > 10_000
    assert 0.001 < every["new_error_ratio_at_least"] < 0.0012
    assert every["results"]["app_error"] == {"pairs": 9, "is_new_error": True}
    assert every["classes"] == {"2xx>2xx": 3991, "2xx>5xx": 9}
    assert every["p99_ms"]["primary"]["value"] < every["p99_ms"]["shadow"]["value"] < 15
    assert report["examples"][0]["path"] == "/items/{number}"
    assert report["examples_not_kept"] == 2
    (source,) = report["sources"]
    assert (source["instance"], source["mode"], source["log"]["lines"]) == ("web-1", "sink", 105)


def test_what_has_no_bound_is_null() -> None:
    report = data(document(pairs(20, primary_latency={0: 20}), log=None))
    assert report["all"]["p99_ms"]["ratio"] is None
    assert report["all"]["p99_ms"]["shadow"]["high"] is None
    assert report["sources"][0]["log"] is None
    assert data(document(pairs(0)))["all"]["p99_ms"] is None


def test_the_guide_describes_every_key() -> None:
    text = (Path(__file__).parents[4] / "docs" / "comparison.md").read_text()
    described = set(re.findall(r"`(\w+)`", text)) | {"format", "version", "is_new_error"}

    def keys(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                yield key
                # Their keys are data, or those of a document that docs/formats.md describes.
                if key not in ("classes", "results", "uncompared", "log", "examples"):
                    yield from keys(value)
        elif isinstance(node, list):
            for item in node:
                yield from keys(item)

    assert set(keys(data(document(pairs(4000, errors=5))))) <= described
