"""Walks from real traffic to routes that would serve it, through nginx's log and the capture."""

import http.client
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from estimator.commands.estimate import main
from tests.topology.conftest import Topology, wait_for

pytestmark = pytest.mark.topology

SENT = [
    *[("GET", f"/watch/{number}?t=1") for number in range(5)],
    *[("GET", "/static/app.js"), ("GET", "/api/feed")],
    *[("POST", "/api/comments")] * 2,
    ("GET", "/nothing"),
]


def destination(name: str) -> list[dict[str, Any]]:
    return [{"destination": {"host": f"{name}.shop.svc.cluster.local", "port": {"number": 80}}}]


def objects() -> list[dict[str, Any]]:
    """Return routes of the demo's site, in which the comments are missing."""
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["a.example"]}
    reading = {"uri": {"prefix": "/api/"}, "method": {"exact": "GET"}}
    http_routes = [
        {
            "match": [{"uri": {"prefix": "/watch/"}}, {"uri": {"prefix": "/static/"}}],
            "route": destination("site"),
        },
        {"match": [reading], "route": destination("api")},
    ]
    api, metadata = "networking.istio.io/v1", {"name": "web", "namespace": "shop"}
    return [
        {
            "apiVersion": api,
            "kind": "Gateway",
            "metadata": metadata,
            "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
        },
        {
            "apiVersion": api,
            "kind": "VirtualService",
            "metadata": metadata,
            "spec": {"hosts": ["a.example"], "gateways": ["web"], "http": http_routes},
        },
    ]


def coverage(routes: Path, *source: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code, and what would be lost."""
    arguments = ["coverage", "--routes", str(routes), *source, "--format", "json"]
    done = CliRunner().invoke(main, arguments)
    return done.exit_code, json.loads(done.stdout)["lost"]


def test_a_route_that_is_missing_is_named_and_what_is_suggested_mends_it(
    topology: Topology, tmp_path: Path
) -> None:
    topology.start_primary()
    sidecar = topology.start_sidecar("inline", capture={"path": str(tmp_path / "capture")})
    nginx = topology.start_nginx("inline")
    for method, target in SENT:
        connection = http.client.HTTPConnection("127.0.0.1", nginx.port, timeout=10)
        connection.request(method, target, headers={"Host": "a.example"})
        connection.getresponse().read()
        connection.close()
    assert wait_for(lambda: len(nginx.logged()) == len(SENT))
    assert sidecar.child.stop() == 0
    routes = tmp_path / "routes.yaml"
    trees = objects()
    routes.write_text(yaml.safe_dump_all(trees))
    log = ("--from-access-log", str(nginx.access_log))

    code, (lost,) = coverage(routes, *log)
    assert (code, lost["path"], lost["requests"], lost["statuses"]) == (
        5,
        "/api/comments",
        2,
        {"200": 2},
    )
    assert lost["nearest"]["reason"] == "same path, but it asks for method GET"

    trees[1]["spec"]["http"] += lost["add"]["items"]
    routes.write_text(yaml.safe_dump_all(trees))
    assert coverage(routes, *log) == (0, [])

    # A capture has no statuses, so what production answered with 404 counts, too.
    code, lost_of_capture = coverage(routes, "--from-capture", str(tmp_path / "capture"))
    assert (code, [group["path"] for group in lost_of_capture]) == (5, ["/nothing"])
