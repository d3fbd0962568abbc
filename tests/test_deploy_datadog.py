"""Checks that the dashboard and the monitors query existing metrics in the right way."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirror.core.comparison.verdict import NEW_ERRORS, RESULTS
from mirror.metrics.catalogue import METRICS, Metric

ROOT = Path(__file__).parents[1] / "deploy/datadog"
DASHBOARD = json.loads((ROOT / "dashboard.json").read_text())
MONITORS = json.loads((ROOT / "monitors.json").read_text())
BY_NAME = {f"mirror.{name}": metric for metric in METRICS.values() for name in metric.names}
QUERY = re.compile(
    r"(?P<space>sum|max|min|avg):(?P<metric>mirror\.[a-z0-9_.]+)\{(?P<filter>[^}]*)\}"
    r"(?: by \{(?P<by>[^}]*)\})?(?P<rest>\.[a-z_]+\([^)]*\))?"
)
EVERYWHERE = {"env", "service", "version", "instance"}


def widgets(inside: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for widget in inside:
        definition = widget["definition"]
        yield definition
        yield from widgets(definition.get("widgets", []))


def queries() -> Iterator[str]:
    for definition in widgets(DASHBOARD["widgets"]):
        for request in definition.get("requests", []):
            yield from (query["query"] for query in request["queries"])
    for monitor in MONITORS:
        yield from (match[0] for match in QUERY.finditer(monitor["query"]))


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_query_is_of_a_metric_and_read_right(query: str) -> None:
    match = QUERY.fullmatch(query)
    assert match, query
    metric = BY_NAME[match["metric"]]
    tags = EVERYWHERE | ({"route"} if metric.is_by_route else set()) | {metric.tag}
    assert set((match["by"] or "instance").split(",")) <= tags
    for term in match["filter"].split(","):
        name, _, label = term.removeprefix("$").removeprefix("!").partition(":")
        assert name == "*" or name in tags
        assert not label or label in metric.labels
    if metric.kind == "count":
        assert (match["space"], match["rest"]) == ("sum", ".as_count()")
    else:
        # By default Datadog rolls up to an average.
        assert (match["rest"] or "").startswith((".rollup(max", ".rollup(min"))
    if metric.kind == "latency":
        assert match["space"] == "max"  # percentiles neither add up nor average


def test_dashboard_shows_every_metric() -> None:
    shown = {match["metric"] for query in queries() if (match := QUERY.match(query))}

    def is_shown(metric: Metric) -> bool:
        return any(f"mirror.{name}" in shown for name in metric.names)

    left_out = {metric.name for metric in METRICS.values() if not is_shown(metric)}
    # Other programs emit these, or only an old Agent does.
    assert left_out <= {"rps.distribution", "amplified", "shadow.sent", "primary.requests"} | {
        name for name in METRICS if name.startswith(("capture.", "connections."))
    } | {"shadow.breaker.changes"}


def test_dashboard_has_the_fields_that_datadog_requires() -> None:
    assert {"title", "layout_type", "widgets"} <= set(DASHBOARD)
    variables = {variable["name"] for variable in DASHBOARD["template_variables"]}
    used = set(re.findall(r"\$(\w+)", json.dumps(DASHBOARD["widgets"])))
    assert used == variables
    for definition in widgets(DASHBOARD["widgets"]):
        assert definition["type"] in ("group", "note", "timeseries")
        for request in definition.get("requests", []):
            names = {query["name"] for query in request["queries"]}
            assert {formula["formula"] for formula in request["formulas"]} <= names


def test_new_errors_are_those_of_the_comparison() -> None:
    (query,) = (item["query"] for item in MONITORS if "!result:" in item["query"])
    assert set(re.findall(r"!result:(\w+)", query)) == set(RESULTS) - NEW_ERRORS


def test_both_programs_watch_the_same() -> None:
    rules = yaml.safe_load((ROOT.parent / "prometheus/rules.yaml").read_text())
    alerts = {rule["alert"] for rule in rules["groups"][0]["rules"]}
    # The monitor of a silent sidecar hears of missing data, too.
    assert len(MONITORS) == len(alerts - {"MirrorSidecarIsGone"})
    assert any(monitor["options"].get("notify_no_data") for monitor in MONITORS)


@pytest.mark.parametrize("monitor", MONITORS, ids=lambda monitor: monitor["name"])
def test_monitor_compares_with_its_own_threshold(monitor: dict[str, Any]) -> None:
    assert monitor["type"] == "query alert"
    window, _, rest = monitor["query"].partition(":")
    assert re.fullmatch(r"(avg|sum|min|max)\(last_\d+[mh]\)", window)
    threshold = re.search(r" (?:>|<|>=) ([0-9.]+)$", rest)
    assert threshold
    assert float(threshold[1]) == monitor["options"]["thresholds"]["critical"]
    for name in re.findall(r"\{\{(\w+)\.name\}\}", monitor["message"]):
        assert re.search(rf"by \{{[^}}]*\b{name}\b", monitor["query"])
