import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from estimator.commands.switching.order import order
from mirror.formats.capture.record import Record, encode, encode_header
from mirror.formats.series_db import SCHEMA

LINE = '10.0.0.1 - - [24/Nov/2025:10:00:{second:02} +0000] "{request} HTTP/1.1" 200 5 "-" "x"\n'
REQUESTS = (*["GET /api/feed"] * 40, *["POST /cart"] * 2, "GET /health")

ROUTES = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web, namespace: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["shop.example"]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: site, namespace: edge}
spec:
  hosts: ["shop.example"]
  gateways: [web]
  http:
    - match: [{uri: {prefix: /api/}}]
      route: [{destination: {host: bff.shop.svc.cluster.local, port: {number: 8080}}}]
    - match: [{uri: {exact: /health}, headers: {x-probe: {exact: "1"}}}]
      route: [{destination: {host: health.shop.svc.cluster.local, port: {number: 80}}}]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that runs the command in a folder with an access log of ten seconds."""
    monkeypatch.chdir(tmp_path)
    lines = (LINE.format(second=n, request=request) for n in range(10) for request in REQUESTS)
    Path("access.log").write_text("".join(lines))
    Path("mirror.yaml").write_text('routes: ["/api/*", "/cart", "/health"]\n')

    def invoke(*arguments: str, source: str = "access.log") -> Result:
        options = ["--from-access-log", source, "--routes", "mirror.yaml"]
        return CliRunner().invoke(order, [*options, *arguments], catch_exceptions=False)

    return invoke


def test_text_answers_first_and_says_what_it_lacks(run) -> None:
    result = run()
    assert result.exit_code == 3
    lines = result.stdout.splitlines()
    assert lines[0] == "Low confidence"
    assert lines[3].strip().startswith("3 paths: 0 can switch now, 2 should be mirrored first, 1")
    assert [line.split(",")[0] for line in result.stderr.splitlines()] == [
        "estimate: low confidence: only 10s were observed",
        "estimate: low confidence: no routes of the new cluster were read",
    ]
    table = lines[lines.index("The order, least risk first") : -1]
    assert len(table) > 10 and max(map(len, table)) <= 120


def test_json_has_the_steps(run) -> None:
    options = [
        "--format",
        "json",
        "--front",
        "nginx",
        "--routing",
        "http-route",
        "--steps",
        "50,100",
    ]
    result = run(*options, "--app", "web.shop:8080", "--namespace", "shop", "--host", "a.example")
    document = json.loads(result.stdout)
    assert [path["template"] for path in document["paths"]] == ["/health", "/api/*", "/cart"]
    front, routing = document["paths"][0]["moves"]
    assert [step["percent"] for step in front["steps"]] == [50, 100]
    assert "server 127.0.0.1:30081 weight=50;" in front["steps"][0]["text"]
    text = routing["steps"][0]["text"]
    assert "name: web\n" in text and "a.example" in text and "namespace: shop" in text


def test_files_are_written(run) -> None:
    run("--markdown", "move.md", "--snippets", "steps")
    assert Path("move.md").read_text().startswith("# Which paths move first\n")
    assert len([*Path("steps/phase-1-to-2").glob("*/005-rollback.conf")]) == 3
    assert Path("steps/phase-2-to-3/preparation.yaml").exists()


def test_a_capture_knows_sessions(run) -> None:
    cookie = (("Cookie", "JSESSIONID=redacted-0"),)
    records = [Record(1.0, "GET", "h", "/health", cookie)] * 3
    Path("c.capture").write_bytes(encode_header() + b"".join(map(encode, records)))
    document = json.loads(run("--from-capture", "c.capture", "--format", "json").stdout)
    (health,) = (path for path in document["paths"] if path["template"] == "/health")
    assert health["group"] == "needs work"
    assert health["state"]["session_cookies"] == ["JSESSIONID"]
    # Nothing of the log counts beside a capture.
    assert [path["seen"] for path in document["paths"] if path != health] == [None, None]


def test_new_routes_are_judged_with_what_is_assumed(run) -> None:
    Path("routes.yaml").write_text(ROUTES)
    options = ["--new-routes", "routes.yaml", "--authority", "shop.example", "--format", "json"]
    result = run(*options, "--routing", "http-route")
    document = json.loads(result.stdout)
    (doubt,) = document["confidence"]["reasons"]
    assert doubt.startswith("only 10s were observed")
    paths = {path["template"]: path for path in document["paths"]}
    assert paths["/cart"]["seen"]["why"] == "POST /cart: no rule for shop.example takes it"
    assert paths["/cart"]["seen"]["lost"] == 20
    assert paths["/health"]["seen"]["undecided"] == 10
    text = paths["/api/*"]["moves"][1]["steps"][0]["text"]
    assert "- name: bff\n          namespace: shop\n          port: 8080" in text
    assert "- name: web\n      namespace: edge" in text
    known = run(*options, "--header", "x-probe: 1")
    (health,) = (
        path for path in json.loads(known.stdout)["paths"] if path["template"] == "/health"
    )
    assert health["seen"]["undecided"] == 0


def test_an_order_without_a_doubt_ends_with_0(run) -> None:
    Path("routes.yaml").write_text(ROUTES)
    hours = range(1_780_000_000 // 3_600 * 3_600, 1_780_000_000 + 8 * 86_400, 3_600)
    rows = "".join(f"{hour},/api/_,2\n{hour},/health,200\n" for hour in hours)
    Path("series.csv").write_text(f"second,route,rps\n{rows}")
    record = Record(1.0, "GET", "shop.example", "/api/x")
    Path("c.capture").write_bytes(encode_header() + encode(record))
    options = ["--from-series", "series.csv", "--routes", "mirror.yaml", "--format", "json"]
    requests = ["--from-capture", "c.capture", "--new-routes", "routes.yaml"]
    result = CliRunner().invoke(order, [*options, *requests], catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")
    assert [path["group"] for path in json.loads(result.stdout)["paths"]] == [
        *("switch now", "mirror first"),
    ]


def test_what_was_left_out_is_said(run) -> None:
    with Path("access.log").open("a") as log:
        log.write("no request\n")
    Path("routes.yaml").write_text(ROUTES.replace("shop.example", "*.example"))
    result = run("--new-routes", "routes.yaml", "--format", "json")
    notes = json.loads(result.stdout)["notes"]
    assert any(note.startswith("left out of access log access.log: 1 lines") for note in notes)


def test_a_service_that_no_http_route_can_name(run) -> None:
    Path("routes.yaml").write_text(ROUTES.replace("bff.shop.svc.cluster.local", "www.shop.example"))
    options = ["--new-routes", "routes.yaml", "--authority", "shop.example"]
    result = run(*options, "--routing", "http-route")
    assert result.exit_code == 2
    assert "service of /api/* in the new routes: expected a Service such as" in result.stderr


def test_routes_of_another_gateway_are_refused(run) -> None:
    Path("routes.yaml").write_text(ROUTES)
    result = run("--new-routes", "routes.yaml", "--gateway", "edge/other")
    assert result.exit_code == 2
    assert "edge/other" in result.stderr


def test_standard_input_is_read_once(run) -> None:
    log = Path("access.log").read_text()
    options = ["--from-access-log", "-", "--routes", "mirror.yaml"]
    result = CliRunner().invoke(order, options, input=log, catch_exceptions=False)
    assert result.exit_code == 3
    assert "no source of requests was read" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", "5,x"], "--steps: expected rising whole percentages"),
        (["--gateway", "a/b"], "--gateway: applies only to --new-routes"),
        (["--port", "80"], "--port: applies only to --new-routes"),
        (["--routing", "http-route", "--app", "10.0.0.1:80"], "--app, --app-on-swarm: expected a"),
        (["--from-capture", "gone"], "gone: no such file"),
        (["--header", "x", "--new-routes", "."], "--header: expected 'NAME: VALUE'"),
        (["--markdown", "gone/m.md"], "--markdown: no such directory: gone"),
        (["--snippets", "mirror.yaml"], "--snippets: expected a directory, got the file"),
        (["--snippets", "."], "--snippets: . is not empty; the steps get a folder of their own"),
        (["--new-routes", "mirror.yaml"], "mirror.yaml"),
    ],
)
def test_bad_input_is_named(run, options: list[str], words: str) -> None:
    result = run(*options)
    assert result.exit_code == 2
    assert words in result.stderr


def test_templates_are_needed(run) -> None:
    result = CliRunner().invoke(order, ["--from-access-log", "access.log"])
    assert (result.exit_code, "--routes mirror.yaml" in result.stderr) == (2, True)


def test_one_source_of_requests_is_enough(run) -> None:
    result = run("--from-capture", "a", "--from-uris", "b")
    assert "Give one of --from-capture and --from-uris." in result.stderr


def test_errors_of_copies_come_from_a_series_db(run) -> None:
    legs = "(1, 'shadow.requests', '/cart', '5xx', 9), (1, 'shadow.requests', '/cart', '2xx', 91)"
    with closing(sqlite3.connect("series.db")) as database:
        database.executescript(
            f"{SCHEMA} INSERT INTO seconds VALUES (1);"
            f"INSERT INTO counts VALUES (1, 'requests', '/cart', 'safe', 100), {legs};"
        )
    options = ["--from-series", "series.db", "--route", "/cart", "--format", "json"]
    result = CliRunner().invoke(order, options)
    (cart,) = json.loads(result.stdout)["paths"]
    assert cart["group"] == "needs work"
    assert (
        "errors for 9% of its copies (5xx 9, of 100), and production for an unknown"
        in (cart["reasons"][0])
    )
