"""Checks docs/metrics.md against the catalogue of metrics, and the catalogue against the code."""

import re
from pathlib import Path

from mirror.core import budget, request_head, selection
from mirror.core.ledger import MALFORMED, NOT_SELECTED, SHED, TARGET_REFUSED, WORKER_LOST
from mirror.metrics.catalogue import METRICS, Metric, most_series

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/metrics.md").read_text()


def row(metric: Metric) -> str:
    """Return the metric's row of the table."""
    kind = {"latency": "gauge"}.get(metric.kind, metric.kind)
    name = f"`mirror.{metric.name}`"
    if metric.kind == "latency":
        name = f"`mirror.{metric.name}.p50` `.p90` `.p99` `.max`"
    kind += ", timestamped" if kind == "gauge" else ""
    tags = ["`route`"] if metric.is_by_route else []
    if metric.tag:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        tags.append(f"`{metric.tag}`: " + ("an outcome" if metric.tag == "outcome" else labels))
    meaning = metric.meaning + (" (inline)" if metric.is_inline_only else "")
    cost = most_series(metric, 1)
    shown_cost = f"{cost} R" if metric.is_by_route else str(cost)
    shown_cost = "R" if shown_cost == "1 R" else shown_cost
    return f"| {name} | {kind} | {metric.unit} | {'; '.join(tags)} | {meaning} | {shown_cost} |"


def test_the_table_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `mirror\..*\|$", TEXT, re.MULTILINE)
    assert rows == [row(metric) for metric in METRICS.values()]


def total(is_inline: bool) -> int:
    """Return the custom metrics of an instance with ten routes and `other`.

    Its Agent accepts timestamps.
    """
    return sum(
        most_series(metric, 11)
        for metric in METRICS.values()
        if metric.kind != "distribution" and (is_inline or not metric.is_inline_only)
    )


def test_the_worked_cost_is_right() -> None:
    assert f"at most {total(False)} in mode sink and {total(True)} in mode inline" in TEXT


def test_every_outcome_is_listed() -> None:
    for outcome in METRICS["shadow.requests"].labels:
        assert f"`{outcome}`" in TEXT


def test_every_reason_of_the_core_is_a_label() -> None:
    assert set(METRICS[NOT_SELECTED].labels) == {
        value for name, value in vars(selection).items() if name.isupper() and name[0] != "_"
    }
    reasons = {
        value for name, value in vars(budget).items() if name.isupper() and isinstance(value, str)
    }
    assert set(METRICS[SHED].labels) == reasons | {TARGET_REFUSED, WORKER_LOST}


def test_every_reason_of_a_refusal_is_a_label() -> None:
    paths = [*(ROOT / "mirror/core").glob("*.py"), *(ROOT / "mirror/proxy").rglob("*.py")]
    sources = "".join(path.read_text() for path in paths)
    # 502 counts bad responses of the primary; after_close is not read and therefore not counted.
    refusals = re.findall(
        r'(?:(?:RemoteProtocolError|refuse)\(|return )(?!502)\d+, "([a-z0-9_]+)"', sources
    )
    assert {"host", "framing", "empty_lines", "syntax", "head_timeout"} <= set(refusals)
    named = {name for _, name in request_head._FOREIGN}
    assert {*refusals, *named} - {"after_close"} == set(METRICS[MALFORMED].labels)
