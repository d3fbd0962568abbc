"""Checks `estimate coverage` from files to exit codes, and that what it suggests is true."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from estimator.commands.estimate import main
from mirror.formats.comparison import Example, to_json
from tests.mirror.formats.test_comparison import document as comparison

EXAMPLE = Path(__file__).parents[4] / "docs" / "switching-example"
HOST = ("--authority", "www.shop.example")

HTTP_ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: shop}
spec:
  gatewayClassName: istio
  listeners: [{name: http, port: 80, protocol: HTTP}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{name: web}]
  hostnames: [www.shop.example]
  rules:
    - matches: [{path: {type: PathPrefix, value: /watch}}]
      backendRefs: [{name: watch, port: 80}]
    - matches:
        - path: {type: Exact, value: /}
        - path: {type: PathPrefix, value: /static}
      backendRefs: [{name: site, port: 80}]
    - matches: [{path: {type: PathPrefix, value: /api/v1}, method: GET}]
      backendRefs: [{name: api, port: 80}]
    - matches: [{path: {type: PathPrefix, value: /old}}]
      filters:
        - type: RequestRedirect
          requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /}}
    - matches: [{path: {type: PathPrefix, value: /beta}, headers: [{name: x-beta, value: "1"}]}]
      backendRefs: [{name: watch, port: 80}]
"""
"""The routes of the example as Gateway API has them, with the same mistakes."""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for path in EXAMPLE.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


def run(files: Path, *options: str, log: str = "access.log") -> Result:
    arguments = ["coverage", "--routes", str(files / "routes.yaml")]
    arguments += ["--from-access-log", str(files / log), *options]
    return CliRunner().invoke(main, arguments)


def answer(files: Path, *options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(files, "--format", "json", *HOST, *options).stdout)
    return found


def add(files: Path, groups: list[dict[str, Any]]) -> None:
    """Do what the answer suggests, as somebody with an editor would."""
    documents = list(yaml.safe_load_all((files / "routes.yaml").read_text()))
    for group in groups:
        change = group["add"]
        for document in documents:
            metadata = document["metadata"]
            place = change["object"]
            if (document["kind"], metadata["name"]) == (place["kind"], place["name"]):
                entries = document["spec"].setdefault(change["key"].removeprefix("spec."), [])
                at = len(entries)
                if change["where"].startswith("before "):
                    at = int(change["where"].partition("[")[2].rstrip("]"))
                entries[at:at] = change["items"]
    (files / "routes.yaml").write_text(yaml.safe_dump_all(documents))


def test_what_would_be_lost_is_named_and_the_exit_code_is_5(files: Path) -> None:
    result = run(files, *HOST)
    assert result.exit_code == 5
    assert "10 of 56 requests that production served (17.9%) would be rejected" in result.stdout
    for part in (
        "www.shop.example/api/v1/cart",
        "same path, but it asks for method GET",
        "http[3].match[0]: redirected to http://www.shop.example/ (301)",
        "http[4].match[0] would serve them",
        "http[6].match[0]",
    ):
        assert part in result.stdout, part


def test_doubts_are_on_stderr_where_nobody_sees_them(files: Path) -> None:
    result = run(files, *HOST, "--max-rejected", "0.5")
    assert result.exit_code == 3
    assert result.stderr == (
        "estimate: low confidence: 2 requests (3.6%) depend on what the source does not record;"
        " decided by: --header 'x-beta: VALUE'\n"
    )


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--max-rejected", "20%", "--max-undecided", "5%"), 0),
        (("--max-rejected", "20%", "--header", "X-Beta: 1"), 0),
        (("--max-rejected", "20%", "--header", "X-Beta: 2"), 5),
        (("--max-rejected", "17%", "--header", "X-Beta: 1"), 5),
        (("--max-rejected", "1"), 3),
    ],
)
def test_exit_codes_follow_what_is_allowed(
    files: Path, options: tuple[str, ...], code: int
) -> None:
    assert run(files, *HOST, *options).exit_code == code


@pytest.mark.parametrize("kind", ["VirtualService", "HTTPRoute"])
def test_what_is_suggested_routes_everything(files: Path, kind: str) -> None:
    if kind == "HTTPRoute":
        (files / "routes.yaml").write_text(HTTP_ROUTE)
    lost = answer(files, "--header", "x-beta: 1")["lost"]
    assert [group["path"] for group in lost] == [
        "/api/v2/items/{number}",
        "/api/v1/cart",
        "/old/press/{number}",
        "/Watch/{number}",
    ]
    assert {group["add"]["object"]["kind"] for group in lost} == {kind}
    add(files, lost)
    result = run(files, *HOST, "--header", "x-beta: 1")
    assert result.exit_code == 0, result.stdout
    assert result.stdout.startswith("All 56 requests that production served would be routed\n")


def test_the_page_has_everything(files: Path) -> None:
    page = files / "coverage.html"
    assert run(files, *HOST, "--html", str(page)).exit_code == 5
    text = page.read_text()
    assert "more with --full" not in text and "/Watch/" in text
    assert "more with --full" in run(files, *HOST).stdout
    assert "more with --full" not in run(files, *HOST, "--full").stdout


def test_without_a_host_everything_depends_on_it(files: Path) -> None:
    result = run(files, "--max-rejected", "0.5")
    assert result.exit_code == 3
    assert "46 requests (82.1%) depend on what the source does not record" in result.stderr
    assert "decided by: --authority HOST and --header 'x-beta: VALUE'\n" in result.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--max-rejected", "2"), "--max-rejected: expected a ratio from 0 to 1"),
        (("--max-undecided", "x"), "--max-undecided: expected a ratio from 0 to 1"),
        (("--header", "x-beta"), "--header: expected 'NAME: VALUE' such as 'x-user: 7'"),
        (("--html", "nowhere/x.html"), "--html: no such directory: nowhere"),
    ],
)
def test_bad_options_are_named(files: Path, options: tuple[str, ...], problem: str) -> None:
    result = run(files, *options)
    assert result.exit_code == 2
    assert problem in result.stderr


def test_a_gateway_that_does_not_exist_is_named(files: Path) -> None:
    result = run(files, *HOST, "--gateway", "other")
    assert result.exit_code == 2 and "other" in result.stderr


def test_a_log_without_requests_is_refused(files: Path) -> None:
    (files / "empty.log").write_text("")
    assert run(files, *HOST, log="empty.log").exit_code == 4


def test_the_mesh_may_normalise_paths(files: Path) -> None:
    (files / "slashes.log").write_text(
        '192.0.2.1 - - [02/Mar/2026:20:00:00 +0000] "GET //watch/1 HTTP/1.1" 200 1 "-" "-"\n'
    )
    result = run(files, *HOST, log="slashes.log")
    assert result.exit_code == 5 and "--normalize MERGE_SLASHES" in result.stdout
    mode = ("--normalize", "MERGE_SLASHES")
    assert run(files, *HOST, *mode, log="slashes.log").exit_code == 0


INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: shop}
spec:
  ingressClassName: nginx
  rules:
    - host: www.shop.example
      http:
        paths:
          - path: /api/
            pathType: Prefix
            backend: {service: {name: api, port: {number: 80}}}
          - path: /watch/
            pathType: Prefix
            backend: {service: {name: watch, port: {number: 80}}}
          - path: /static/
            pathType: Prefix
            backend: {service: {name: cdn, port: {number: 80}}}
          - path: /
            pathType: Prefix
            backend: {service: {name: site, port: {number: 80}}}
"""


def test_another_service_than_that_of_the_ingresses_is_elsewhere(files: Path) -> None:
    (files / "ingress.yaml").write_text(INGRESS)
    options = ("--ingress", str(files / "ingress.yaml"))
    lost = answer(files, *options)["lost"]
    (static,) = [group for group in lost if group["path"] == "/static/app.css"]
    assert (static["verdict"], static["requests"]) == ("elsewhere", 6)
    assert static["before"]["services"] == ["cdn.shop"]
    add(files, lost)
    result = run(files, *HOST, *options, "--header", "x-beta: 0")
    assert result.exit_code == 0, result.stdout
    routes = (files / "routes.yaml").read_text()
    assert "cdn.shop.svc.cluster.local" in routes


def test_why_the_new_routes_differ_is_said(files: Path) -> None:
    lost = answer(files, "--ingress", str(files / "ingress.yaml"))["lost"]
    (group,) = (group for group in lost if group["path"] == "/Watch/{number}")
    assert group["before"]["services"] == ["watch.shop"]
    assert group["difference"].startswith("use-regex of Ingress shop/web makes every path")


def test_problems_of_both_kinds_of_routes_are_listed_at_once(files: Path) -> None:
    (files / "routes.yaml").write_text("kind: VirtualService\n")
    (files / "ingress.yaml").write_text(INGRESS.replace("pathType", "type"))
    result = run(files, "--ingress", str(files / "ingress.yaml"))
    assert result.exit_code == 2
    assert "routes.yaml:1" in result.stderr and "ingress.yaml:11" in result.stderr


def test_ingresses_that_name_no_service_are_a_doubt(files: Path) -> None:
    text = INGRESS.replace("www.shop.example", "other.example")
    (files / "ingress.yaml").write_text(text)
    result = run(files, *HOST, "--ingress", str(files / "ingress.yaml"), "--max-rejected", "0.5")
    assert result.exit_code == 3
    assert "the Ingresses name no certain service for 43 requests" in result.stderr


def test_nothing_foreign_is_obeyed(files: Path) -> None:
    hostile = "a\x1b]0;x\x07[red][/x]\u202e<script>\x9b2J"
    entry = {"time": "1767225600", "method": "GET", "status": "200", "uri": f"/{hostile}/b"}
    entry["host"] = f"www.{hostile}"
    named = {**entry, "host": "www.shop.example"}
    lines = [entry, named, {**entry, "uri": "/watch/1"}]
    (files / "hostile.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    text = (files / "routes.yaml").read_text()
    prefix = json.dumps(f"/{hostile}/c")
    (files / "routes.yaml").write_text(text.replace("prefix: /campaign/2019/", f"prefix: {prefix}"))
    page = files / "page.html"
    outputs = []
    for options in (("--full",), ("--format", "json"), ("--html", str(page))):
        result = run(files, *options, log="hostile.log")
        assert result.exit_code == 5, result.output
        outputs.append(result.stdout + result.stderr)
    for output in (*outputs, page.read_text()):
        assert "[red][/x]" in output
        assert all(line.isprintable() for line in output.split("\n")), ascii(output)
    assert "<script>\\x9b" not in page.read_text()
    json.loads(outputs[1])


def test_the_help_has_headings_and_examples() -> None:
    text = CliRunner().invoke(main, ["coverage", "--help"]).output
    for part in (
        "The new routes:",
        "The routes of today:",
        "What is allowed:",
        "--from-capture",
        "Exit codes:",
    ):
        assert part in text


def test_the_live_envoy_is_asked_too(files: Path) -> None:
    miss = Example(
        *("x", "route_miss", "GET", "www.shop.example", "/watch/112", [], 200, 404, "", 9),
        *(1, 2, ""),
    )
    compared = msgspec.structs.replace(comparison(), examples=[miss])
    path = files / "comparison.json"
    path.write_bytes(to_json(compared))
    options = ("--compared", str(path), "--max-rejected", "1", "--max-undecided", "1")
    with_it, without = answer(files, *options), answer(files, *options[2:])
    known = without["confidence"]["reasons"]
    added = [doubt for doubt in with_it["confidence"]["reasons"] if doubt not in known]
    assert (
        len(added) == 1 and "has no route for GET www.shop.example/watch/112 (9 times" in added[0]
    )
    assert any("0 are judged here as the live Envoy routed" in note for note in with_it["notes"])
    assert run(files, *HOST, *options).exit_code == 3
