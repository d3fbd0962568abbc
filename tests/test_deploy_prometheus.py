"""Checks the alerts and the Grafana dashboard: their metrics, and what makes each alert fire.

promtool plays series to the alerts. tests/topology/test_prometheus.py evaluates every query on what
a real Prometheus has scraped from a sidecar.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirror.core.comparison.verdict import NEW_ERRORS, RESULTS
from mirror.demo.processes import find_program
from mirror.metrics.catalogue import METRICS, RPS, RPS_DISTRIBUTION, SHADOW_RPS, Metric
from tests.golden import prometheus_rule
from tests.test_deploy_kubernetes import kubectl_kustomize

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus/rules.yaml"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
ALERTS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
MATCHER = re.compile(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"')
SELECTOR = re.compile(r"\b(mirror_\w+)(?:\{([^}]*)\})?")
EVERYWHERE = {"instance", "job", "le"}

# What a healthy sidecar shows, with a value for each minute.
HEALTHY = {
    "up{job='mirror'}": "1+0x30",
    "mirror_workers{job='mirror'}": "2+0x30",
    "mirror_requests_total{route='a'}": "0+600x30",
    "mirror_primary_logged_total{}": "0+610x30",
    "mirror_shadow_sent_total{route='a'}": "0+600x30",
    "mirror_shadow_requests_total{route='a',outcome='2xx'}": "0+600x30",
    "mirror_shadow_requests_total{route='a',outcome='4xx'}": "0+20x30",
    "mirror_compared_total{route='a',result='same'}": "0+600x30",
    "mirror_compared_total{route='a',result='better'}": "0+60x30",
    "mirror_shadow_breaker{}": "0+0x30",
    "mirror_shadow_probes_total{verdict='accepted'}": "0+1x30",
    "mirror_shadow_latency_seconds_bucket{route='a',le='1.0'}": "0+600x30",
    "mirror_shadow_latency_seconds_bucket{route='a',le='+Inf'}": "0+600x30",
    "mirror_incomplete_seconds_total{}": "0+0x30",
}
# What differs where an alert fires. `_` in the place of a value: there is no such series.
WRONG: dict[str, dict[str, str]] = {
    "MirrorSidecarIsSilent": {"mirror_workers{job='mirror'}": "2+0x15 0+0x14"},
    "MirrorSidecarIsGone": {"up{job='mirror'}": "1+0x4", "mirror_workers{job='mirror'}": "2+0x4"},
    "MirrorSeesNoRequests": {"mirror_requests_total{route='a'}": "_"},
    "MirrorSeesLessThanTheLog": {"mirror_primary_logged_total{}": "0+700x30"},
    "MirrorRequestCameBack": {"mirror_looped_total{route='a',mark='copy'}": "_x28 1"},
    "MirrorWrongMode": {"mirror_wrong_mode_total{}": "_x28 1"},
    "MirrorLogHasARequestTwice": {"mirror_log_repeated_total{}": "_x28 1"},
    "MirrorShadowWouldLog": {"mirror_shadow_probes_total{verdict='refused'}": "_x28 1"},
    "MirrorShadowDoesNotAnswer": {"mirror_shadow_breaker{}": "2+0x30"},
    "MirrorCopiesAreShed": {
        "mirror_shed_total{route='a',reason='breaker_open'}": "0+600x30",
        "mirror_shadow_sent_total{route='a'}": "_",
    },
    "MirrorNewErrors": {"mirror_compared_total{route='a',result='route_miss'}": "0+2x30"},
    "MirrorShadowRejects": {"mirror_shadow_requests_total{route='a',outcome='4xx'}": "0+60x30"},
    "MirrorShadowFails": {"mirror_shadow_requests_total{route='a',outcome='5xx'}": "0+60x30"},
    "MirrorShadowIsSlow": {
        "mirror_shadow_latency_seconds_bucket{route='a',le='5.0'}": "0+700x30",
        "mirror_shadow_latency_seconds_bucket{route='a',le='+Inf'}": "0+700x30",
    },
    "MirrorRequestsMayBeMissing": {"mirror_incomplete_seconds_total{}": "0+1x30"},
    "MirrorSinkLosesData": {"mirror_sink_dropped_total{sink='series'}": "_x28 1"},
}


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def queries() -> list[str]:
    """Return every expression, with Grafana's variables filled in."""
    expressions = [target["expr"] for panel in panels() for target in panel["targets"]]
    filled = [
        text.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$route", ".*")
        for text in expressions
    ]
    return filled + [alert["expr"] for alert in ALERTS]


def metric_of(name: str) -> Metric:
    for metric in METRICS.values():
        full = "mirror_" + metric.name.replace(".", "_")
        suffixes = {"count": ("_total",), "latency": ("_seconds_bucket",)}.get(metric.kind, ("",))
        if name in [full + suffix for suffix in suffixes]:
            return metric
    raise AssertionError(f"no metric {name}")


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_query_is_of_existing_series(query: str) -> None:
    assert "$" not in query
    plain = query.replace('__name__=~"mirror_(shed|shadow_sent)_total"', "")
    assert "__name__" not in plain
    for name, matchers in SELECTOR.findall(plain):
        metric = metric_of(name)
        labels = EVERYWHERE | ({"route"} if metric.is_by_route else set()) | {metric.tag}
        for label, value in MATCHER.findall(matchers):
            assert label in labels, query
            if label == metric.tag:
                assert set(value.split("|")) <= set(metric.labels), query
        for group in re.findall(r"by \(([^)]*)\)", plain):
            assert set(group.split(", ")) <= labels, query


def test_new_errors_are_those_of_the_comparison() -> None:
    served = "|".join(result for result in RESULTS if result not in NEW_ERRORS)
    using = [query for query in queries() if "result!~" in query]
    assert len(using) == 2
    assert all(f'result!~"{served}"' in query for query in using)


def test_dashboard_shows_every_metric() -> None:
    shown = {metric_of(name).name for query in queries() for name, _ in SELECTOR.findall(query)}
    # Rates of one second, which a scrape cannot see.
    assert set(METRICS) - shown == {RPS, SHADOW_RPS, RPS_DISTRIBUTION}


def test_dashboard_is_one_that_grafana_can_load() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    names = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD["panels"]))) - {"__rate_interval"}
    assert used == names
    cells = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in cells, panel["title"]
                cells.add((x, y))


def series(values: dict[str, str]) -> list[dict[str, str]]:
    made = []
    for name, points in values.items():
        if points != "_":
            labels = "instance='a'" + ("," if not name.endswith("{}") else "")
            made.append({"series": name.replace("{", "{" + labels), "values": points})
    return made


def promtool() -> Path:
    found = find_program("promtool")
    if found is None:
        pytest.skip("no promtool here: apt-get install prometheus")
    return found


def test_each_alert_fires_for_its_reason_and_no_other(tmp_path: Path) -> None:
    assert set(WRONG) == {alert["alert"] for alert in ALERTS}
    expression = 'count by (alertname) (ALERTS{alertstate="firing"})'
    groups = []
    for name, wrong in [("", {}), *WRONG.items()]:
        expected = [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in [name] if alert]
        groups.append(
            {
                "name": name or "healthy",
                "interval": "1m",
                "input_series": series(HEALTHY | wrong),
                "promql_expr_test": [
                    {"expr": expression, "eval_time": "29m", "exp_samples": expected}
                ],
            }
        )
    path = tmp_path / "test.yaml"
    path.write_text(
        yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": groups})
    )
    done = subprocess.run(
        [promtool(), "test", "rules", path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def fired(tmp_path: Path, values: dict[str, str], minute: int, alerts: list[str]) -> None:
    """Let promtool check which alerts fire; an instance and a job are labels of the series."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in values.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{minute}m",
                "exp_samples": [
                    {"labels": f'{{alertname="{name}"}}', "value": 1} for name in alerts
                ],
            }
        ],
    }
    path = tmp_path / "test.yaml"
    document = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}
    path.write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [promtool(), "test", "rules", path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def sidecar(name: str, workers: str, up: str) -> dict[str, str]:
    labels = f"{{instance='{name}',job='swarm'}}"
    requests = {f"mirror_requests_total{labels}": "0+600x150"}
    return requests | {f"mirror_workers{labels}": workers, f"up{labels}": up}


@pytest.mark.parametrize(
    ("gone", "alerts"),
    [
        # Another job than `mirror`: the target that answered before is down.
        (("2+0x60", "1+0x60 0+0x90"), ["MirrorSidecarIsGone", "MirrorSidecarIsSilent"]),
        # The target itself is removed, one of two.
        (("2+0x60", "1+0x60"), ["MirrorSidecarIsGone"]),
        (("2+0x150", "1+0x150"), []),
    ],
    ids=["down", "removed", "well"],
)
def test_a_target_of_any_job_that_ends_is_noticed(
    tmp_path: Path, gone: tuple[str, str], alerts: list[str]
) -> None:
    values = sidecar("a", "2+0x150", "1+0x150") | sidecar("b", *gone)
    fired(tmp_path, values, 90, alerts)


def test_a_pod_with_a_new_name_is_none_that_is_gone(tmp_path: Path) -> None:
    values = sidecar("a", "2+0x60", "1+0x60") | sidecar("b", "_x60 2+0x90", "_x60 1+0x40")
    fired(tmp_path, values, 90, [])


def test_operator_gets_the_same_rules_and_dashboard(tmp_path: Path) -> None:
    assert prometheus_rule.MADE.read_text() == prometheus_rule.text()
    folder = tmp_path / "deploy"
    for name in ("prometheus", "grafana"):
        shutil.copytree(DEPLOY / name, folder / name)
    (folder / "own").mkdir()
    (folder / "own/kustomization.yaml").write_text(
        "resources: [../prometheus]\nlabels: [{pairs: {release: prometheus}}]\n"
    )
    objects = {item["kind"]: item for item in yaml.safe_load_all(kubectl_kustomize(folder / "own"))}
    assert set(objects) == {"PrometheusRule", "ConfigMap"}
    assert objects["PrometheusRule"]["spec"] == yaml.safe_load(RULES.read_text())
    board = objects["ConfigMap"]
    assert json.loads(board["data"]["dashboard.json"]) == DASHBOARD
    assert board["metadata"]["labels"] == {"grafana_dashboard": "1", "release": "prometheus"}
    # `kubectl apply` keeps a copy in an annotation, for which there are 256 KiB.
    assert len(json.dumps(board)) < 200_000
    assert {item["metadata"]["namespace"] for item in objects.values()} == {"monitoring"}


def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run(
        [promtool(), "check", "rules", "--lint-fatal", RULES],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
