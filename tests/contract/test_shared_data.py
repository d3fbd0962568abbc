"""Checks against published result files, datagrams and schemas (shared_data.py).

For each of these checks, a test elsewhere in the repository uses a source of its own.
"""

import json
import re

import jsonschema
import pytest
import yaml

from estimator.errors import InputError
from estimator.migration.coverage.entries import entry_of
from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Attachment, Backend, Step
from estimator.migration.snippets.virtual_service import virtual_service
from estimator.routing.conditions import Conditions, Kind, Text
from estimator.routing.rules import Destination, Place
from estimator.table.load_tools.detect import READERS, read_result
from estimator.table.load_tools.run import members
from estimator.table.rows import Loop, Verdict
from estimator.table.verdicts import judge
from tests.contract.test_istio_fields import full
from tests.estimator.routing.istio.conftest import problems_of
from tests.estimator.table.conftest import read_ladder
from tests.fakes_agent import Rejected, parse
from tests.shared_data import DATA
from tests.test_deploy import compose
from tests.test_deploy_kubernetes import by_name

if not DATA.is_dir():
    pytest.skip(
        f"no folder {DATA}: what others published is not compared with; SHARED_DATA may name it",
        allow_module_level=True,
    )

SAMPLES = DATA / "loadtool-samples"
# By file: tool, loop, rps, duration in s, p50 and p99 in ms, share of errors, and connections, as
# each file states them.
RUNS: dict[str, tuple[str, Loop, float, float, float, float, float, int | None]] = {
    "fortio_http.json": ("fortio", Loop.CLOSED, 999.98, 240.0, 3.33, 4.78, 0, 64),
    "ghz_pretty.json": ("ghz", Loop.CLOSED, 1156.34, 0.17296, 31.946, 62.985, 9 / 200, 50),
    "hey_100rps.csv": ("hey", Loop.CLOSED, 1408 / 13.95, 13.95, 15.8, 31.8, 0, None),
    "hey_2000rps_saturated_head.csv": (
        "hey",
        Loop.CLOSED,
        59 / 0.0923,
        0.0923,
        43.2,
        51.9,
        0,
        None,
    ),
    "locust_stats.csv": ("locust", Loop.CLOSED, 97.81, 19.03, 18, 33, 381 / 1861, None),
    "locust_stats_history.csv": ("locust", Loop.CLOSED, 1711 / 17, 17, 17, 33, 348 / 1711, 20),
    "vegeta_report.json": ("vegeta", Loop.OPEN, 100 / 0.9935, 0.9935, 2.854, 3.53, 0, None),
    "wrk2_latency.txt": ("wrk2", Loop.OPEN, 2000.28, 30, 6.67, 11.18, 0, 100),
    "wrk_latency.txt": ("wrk", Loop.CLOSED, 712.82, 6.01, 22.46, 25.39, 0, 16),
}


@pytest.mark.parametrize("name", RUNS)
def test_published_result_has_its_units(name: str) -> None:
    tool, loop, rps, duration_s, p50_ms, p99_ms, error_ratio, connections = RUNS[name]
    text = (SAMPLES / name).read_text()
    keys = members(text) if text.startswith("{") else {}
    assert sum(reader.matches(keys, text) for reader in READERS) == 1
    (run,) = read_result(SAMPLES / name).runs
    assert (run.tool, run.loop, run.connections) == (tool, loop, connections)
    assert (run.rps, run.duration_s) == (
        pytest.approx(rps, rel=1e-3),
        pytest.approx(duration_s, rel=1e-3),
    )
    assert (run.p50_ms, run.p99_ms) == (
        pytest.approx(p50_ms, rel=2e-3),
        pytest.approx(p99_ms, rel=2e-3),
    )
    assert run.error_ratio == pytest.approx(error_ratio)


def test_published_results_say_when_and_how_much() -> None:
    starts = {
        "fortio_http.json": 1562785937.2069,  # 2019-07-10T19:12:17.206854704Z
        "vegeta_report.json": 1442666750.6458,  # 2015-09-19T14:45:50.645818631+02:00
        "ghz_pretty.json": 1545079975.73693,  # of the first call, not of the report
        "locust_stats_history.csv": 1795367821,
    }
    for name, start in starts.items():
        assert read_result(SAMPLES / name).runs[0].start == pytest.approx(start, abs=1e-3)
    assert read_result(SAMPLES / "fortio_http.json").runs[0].rps_target == 1000
    # The sample lists 191 of its 200 calls.
    assert read_result(SAMPLES / "ghz_pretty.json").runs[0].requests is None


def test_published_text_reports_get_advice() -> None:
    for name, advice in (
        ("hey_summary.txt", "is the text summary of hey or ghz"),
        ("vegeta_report.txt", "is vegeta's text report"),
    ):
        with pytest.raises(InputError, match=advice):
            read_result(SAMPLES / name)


def test_published_ladder_is_judged_as_its_owners_did() -> None:
    ladder = read_ladder(SAMPLES / "nginx_gzip_proxy_ladder.csv")
    targets: dict[Verdict, set[float | None]] = {}
    for point, judgement in zip(ladder, judge(ladder), strict=True):
        targets.setdefault(judgement.verdict, set()).add(point.rps_target)
    assert targets == {
        # At a target of 25 it reached 24.0: 4 % less, but only one request a second.
        Verdict.OK: {25, 50, 100, 200, 300},
        Verdict.GENERATOR_BOUND: {400, 600},
        Verdict.SATURATED: {800, 1000, 1200, 1300, 1400, 1600, 2000},
    }


def test_the_parser_passes_the_agents_vectors() -> None:
    path = DATA / "datadog/dogstatsd/datadog_agent_parser_vectors.json"
    cases = json.loads(path.read_text())["metric_cases"]
    assert len(cases) > 30
    for case in cases:
        if not case["accept"]:
            with pytest.raises(Rejected):
                parse(case["input"])
            continue
        line = parse(case["input"])
        values = case["values"] or ([] if case["value"] is None else [case["value"]])
        timestamp = case["timestamp"]
        if case.get("agent_config") == {"dogstatsd_no_aggregation_pipeline": False}:
            timestamp = line.timestamp  # the fake has no such switch
        parsed = (line.name, line.kind, list(line.values), line.set_value, list(line.tags))
        assert parsed == (case["name"], case["type"], values, case["set_value"], case["tags"])
        assert (line.sample_rate, line.timestamp) == (case["sample_rate"], timestamp)


def test_the_parser_reads_the_recorded_datagrams() -> None:
    path = DATA / "datadog/dogstatsd/datadogpy_0.56.0_datagrams.json"
    read = 0
    for case in json.loads(path.read_text())["cases"]:
        for datagram in case["datagrams"]:
            for text in datagram.split("\n"):
                if re.match(r"[\w.]+:[\d.:]+\|[gcdh](\||$)", text) and "|T" not in text:
                    assert parse(text).kind in "gcdh"
                    read += 1
    assert read > 10


def test_compose_file_fits_the_published_schema() -> None:
    schema = json.loads((DATA / "schemas/compose-spec.json").read_text())
    # The class is named here because $schema in the file has https://, which names no draft.
    validator = jsonschema.Draft7Validator(schema)
    validator.validate(compose())
    # The schema must be able to refuse something.
    broken = compose()
    broken["services"]["mirror"]["volume"] = []
    assert not validator.is_valid(broken)


@pytest.mark.parametrize("kind", ["Gateway", "VirtualService"])
def test_istio_resources_fit_the_published_schema(kind: str) -> None:
    schemas = json.loads((DATA / "schemas/istio-networking-v1.json").read_text())
    # The schema of a custom resource allows unknown keys, which the API server would prune.
    resource = by_name("gateway")[kind, "site"]
    jsonschema.validate(resource, schemas[kind])
    spec = resource["spec"]
    assert set(spec) <= set(schemas[kind]["properties"]["spec"]["properties"])


@pytest.mark.parametrize("kind", ["VirtualService", "Gateway"])
def test_every_published_field_of_istio_is_known(kind: str) -> None:
    schema = json.loads((DATA / "schemas/istio-networking-v1.json").read_text())[kind]
    tree = {
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": full(schema["properties"]["spec"], schema),
    }
    said = problems_of(yaml.safe_dump(tree))
    assert said, "a text stands where a number should"
    assert [problem for problem in said if "unknown key" in problem] == []


@pytest.mark.parametrize("kind", [Kind.EXACT, Kind.PREFIX, Kind.REGEX])
def test_an_entry_that_coverage_suggests_fits_the_published_schema(kind: Kind) -> None:
    schema = json.loads((DATA / "schemas/istio-networking-v1.json").read_text())["VirtualService"]
    http = schema["properties"]["spec"]["properties"]["http"]
    matches = [Conditions(Text(kind, "/a"), Text(Kind.EXACT, "POST"))]
    services = [Destination("a.shop", 80, 0.9, "v1"), Destination("b.shop", 80, 0.1)]
    entry = entry_of(matches, services, Place("r.yaml", 1, "VirtualService", "shop", "web"))
    jsonschema.validate([entry], http)
    assert set(entry) <= set(http["items"]["properties"])
    match = http["items"]["properties"]["match"]["items"]["properties"]
    assert set(entry["match"][0]) <= set(match)


@pytest.mark.parametrize("template", ["/api/*", "/cart", "/watch/{id}"])
def test_virtual_service_of_a_step_fits_the_published_schema(template: str) -> None:
    schema = json.loads((DATA / "schemas/istio-networking-v1.json").read_text())["VirtualService"]
    http = schema["properties"]["spec"]["properties"]["http"]
    step = Step(MovedPath.of(template), Backend("swarm", 80), Backend("app.shop", 80), 5)
    snippet = virtual_service(step, Attachment("shop"))
    tree = yaml.safe_load(snippet.text)
    jsonschema.validate(tree, schema)
    entries = yaml.safe_load(snippet.preparation)["http"]
    jsonschema.validate(entries, http)
    for entry in (*entries, *tree["spec"]["http"]):
        assert set(entry) <= set(http["items"]["properties"])
