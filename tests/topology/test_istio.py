"""Runs what istiod makes of deploy/istio on a real Envoy, with marked and unmarked requests.

The files are read as they are; the Envoy configuration around them is written from istiod's
sources: pilot/pkg/networking/core/accesslog.go (the filter of a Telemetry), tracing.go (its tags)
and route/route.go (the rules). The filter istio.stats exists in istio-proxy only. It evaluates the
values of tags with Envoy's library for expressions, so the formatter %CEL% evaluates them here.
"""

import http.client
import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import BinaryIO

import pytest
import yaml

from mirror.core import acceptance, request_head
from mirror.demo.envoy import envoy_command
from mirror.demo.processes import answers, fetch, free_ports
from mirror.formats.capture.record import REPLAY_MARK
from tests.routing_referee.istiod import route_match
from tests.topology.conftest import require, running_topology, wait_for
from tests.topology.envoy_parts import (
    API,
    Object,
    bootstrap,
    cluster,
    http_listener,
    network_listener,
)

pytestmark = pytest.mark.topology

ISTIO = Path(__file__).parents[2] / "deploy/istio"
TRAP = "request.headers['x-mirror-leg'] != 'shadow'"
MARK = "X-Mirror-Leg"
MARKS = ("shadow", "replay", "probe", "canary", "forged-by-a-client")
SAMPLED = {"X-B3-TraceId": "a" * 32, "X-B3-SpanId": "b" * 16, "X-B3-Sampled": "1"}
KINDS: dict[str, dict[str, str]] = {
    "production": {},
    "sampled": SAMPLED,
    "empty": {MARK: ""},
    **{mark: {MARK: mark} for mark in MARKS},
    "sampled-shadow": {MARK: "shadow"} | SAMPLED,
}
"""The fields of each request, by the last segment of its path."""
OF_COPIES = {kind for kind, fields in KINDS.items() if MARK in fields}
OF_PRODUCTION = {*KINDS, "malformed"} - OF_COPIES


def documents(name: str) -> list[Object]:
    return list(yaml.safe_load_all((ISTIO / name).read_text()))


def telemetry(name: str = "telemetry.yaml") -> Object:
    (resource,) = documents(name)
    spec: Object = resource["spec"]
    return spec


def file_log(path: Path, log_format: Object, expression: str | None = None) -> Object:
    """Return an access log as istiod writes it, with the filter of a Telemetry if there is one."""
    log: Object = {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": f"{API}.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": log_format,
        },
    }
    if expression is not None:
        config = {
            "@type": f"{API}.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": expression,
        }
        name = "envoy.access_loggers.extension_filters.cel"
        log["filter"] = {"extension_filter": {"name": name, "typed_config": config}}
    return log


def text(line: str) -> Object:
    return {"text_format_source": {"inline_string": f"{line}\n"}}


def tag_value() -> str:
    """Return the expression of the tag mirror_leg, which both variants and metrics share."""
    (value,) = {
        override["tagOverrides"]["mirror_leg"]["value"]
        for name in ("telemetry.yaml", "telemetry-tagged.yaml")
        for override in telemetry(name)["metrics"][0]["overrides"]
    }
    return str(value)


def access_logs(directory: Path) -> list[Object]:
    (without_copies,) = (each["filter"]["expression"] for each in telemetry()["accessLogging"])
    (provider,) = documents("mesh-config.yaml")[0]["meshConfig"]["extensionProviders"]
    assert telemetry("telemetry-tagged.yaml")["accessLogging"] == [
        {"providers": [{"name": provider["name"]}]}
    ]
    labels = provider["envoyFileAccessLog"]["logFormat"]["labels"]
    (patch,) = documents("access-log-copies.yaml")[0]["spec"]["configPatches"]
    (copies,) = patch["patch"]["value"]["typed_config"]["access_log"]
    assert copies["typed_config"]["path"] == provider["envoyFileAccessLog"]["path"] == "/dev/stdout"
    copies["typed_config"]["path"] = str(directory / "copies.log")
    formatter = {
        "name": "envoy.formatter.cel",
        "typed_config": {"@type": f"{API}.extensions.formatter.cel.v3.Cel"},
    }
    path = text("%REQ(:PATH)%")
    return [
        file_log(directory / "production.log", path, without_copies),
        file_log(directory / "trap.log", path, TRAP),
        file_log(directory / "tagged.log", {"json_format": labels}),
        file_log(
            directory / "tag.log", text(f"%CEL({tag_value()})%") | {"formatters": [formatter]}
        ),
        copies,
    ]


def routes() -> list[Object]:
    """Return the routes of the VirtualService, with the patch of tracing-copies.yaml."""
    service, rule = documents("virtual-service.yaml")
    assert {each["name"] for each in rule["spec"]["subsets"]} == {"copies", "production"}
    (patch,) = documents("tracing-copies.yaml")[0]["spec"]["configPatches"]
    named = patch["match"]["routeConfiguration"]["vhost"]["route"]["name"]
    found = []
    for entry in service["spec"]["http"]:
        for match in entry["match"]:
            fields = entry.get("headers", {}).get("response", {}).get("set", {})
            route = {
                "match": route_match(match, False),
                "route": {"cluster": entry["route"][0]["destination"]["subset"]},
                "response_headers_to_add": [
                    {"header": {"key": key, "value": value}} for key, value in fields.items()
                ],
            }
            if entry.get("name") == named:
                route |= patch["patch"]["value"]
            found.append(route)
    return found


def tracing(cluster: str) -> Object:
    (section,) = telemetry()["tracing"]
    assert telemetry("telemetry-tagged.yaml")["tracing"] == [section]
    tags = [
        {
            "tag": name,
            "request_header": {
                "name": tag["header"]["name"],
                "default_value": tag["header"]["defaultValue"],
            },
        }
        for name, tag in section["customTags"].items()
    ]
    config = {
        "@type": f"{API}.config.trace.v3.ZipkinConfig",
        "collector_cluster": cluster,
        "collector_endpoint": "/api/v2/spans",
        "collector_endpoint_version": "HTTP_JSON",
        "shared_span_context": False,
    }
    return {
        "provider": {"name": "envoy.tracers.zipkin", "typed_config": config},
        "random_sampling": {"value": 100},
        "custom_tags": tags,
    }


def configuration(directory: Path, ports: Mapping[str, int], collector: int) -> Object:
    """Return the gateway, the app with its sidecar behind it, and a gateway of TCP."""
    (without_copies,) = (each["filter"]["expression"] for each in telemetry()["accessLogging"])
    app = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200},
        "response_headers_to_add": [
            {"header": {"key": "x-seen", "value": "%REQ(X-MIRROR-LEG)%"}, "keep_empty_value": True}
        ],
    }
    sidecar_log = file_log(directory / "sidecar.log", text("%REQ(:PATH)%"), without_copies)
    tcp = {
        "@type": f"{API}.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp",
        "cluster": "production",
        "access_log": [file_log(directory / "tcp.log", text("tcp"), without_copies)],
    }
    listeners = [
        http_listener(
            "gateway",
            ports["gateway"],
            routes(),
            access_log=access_logs(directory),
            tracing=tracing("collector"),
        ),
        http_listener("app", ports["app"], [app], access_log=[sidecar_log]),
        network_listener("tcp", ports["tcp"], "tcp_proxy", tcp),
    ]
    clusters = [cluster(name, ports["app"]) for name in ("copies", "production")]
    return bootstrap(
        ports["admin"],
        listeners,
        [*clusters, cluster("collector", collector)],
        node={"id": "gateway", "cluster": "istio-ingressgateway"},
        # Each span is sent as soon as it ends.
        layered_runtime={
            "layers": [
                {"name": "test", "static_layer": {"tracing.zipkin.min_flush_spans": 1}},
            ]
        },
    )


def _chunked_body(stream: BinaryIO) -> bytes:
    body = b""
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body


class Server(HTTPServer):
    # All spans may come at once. What a full queue drops is repeated a second later.
    request_queue_size = 128


class Collector:
    """A server in the place of Zipkin that keeps the tag of each span by its path."""

    def __init__(self) -> None:
        tags = self.tags = list[tuple[str, str]]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                for span in json.loads(_chunked_body(self.rfile)):
                    path = span["tags"]["http.url"].rpartition("example.com")[2]
                    tags.append((path, span["tags"]["mirror.leg"]))
                self.send_response(202)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@dataclass
class Gateway:
    """An Envoy with the objects of deploy/istio, and the answers to one request of each kind."""

    directory: Path
    collector: Collector
    answers: dict[str, http.client.HTTPMessage]
    requests_by_cluster: dict[str, int]

    def log(self, name: str) -> list[str]:
        """Return the complete lines of a log; Envoy writes in blocks."""
        complete, _, _ = (self.directory / f"{name}.log").read_text().rpartition("\n")
        return complete.splitlines()


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    binary = require("envoy")
    with running_topology() as topology, closing(Collector()) as collector:
        names = ("gateway", "app", "tcp", "admin")
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        path = topology.directory / "envoy.json"
        path.write_text(json.dumps(configuration(topology.directory, ports, collector.port)))
        command = [*envoy_command(binary, path), "--file-flush-interval-msec", "10"]
        child = topology.processes.start("envoy", command)
        child.wait_until(lambda: answers(ports["admin"], "/ready", status=200))
        fields = ask_everything(ports)
        counters = {name: requests_of(ports["admin"], name) for name in ("copies", "production")}
        yield Gateway(topology.directory, collector, fields, counters)


def requests_of(admin_port: int, cluster_name: str) -> int:
    name = f"cluster.{cluster_name}.upstream_rq_total"
    answer = fetch(admin_port, f"/stats?format=json&filter=^{name}$")
    assert answer is not None
    (stat,) = json.loads(answer.body)["stats"]
    return int(stat["value"])


def ask_everything(ports: Mapping[str, int]) -> dict[str, http.client.HTTPMessage]:
    """Send one request of each kind; return the fields of each answer by its path."""
    fields = {}
    with closing(http.client.HTTPConnection("127.0.0.1", ports["gateway"], timeout=10)) as client:
        for kind, headers in KINDS.items():
            client.request("GET", f"/watch/{kind}", headers={"Host": "www.example.com", **headers})
            answer = client.getresponse()
            answer.read()
            assert answer.status == 200, kind
            fields[kind] = answer.headers
    # A request without a Host, which Envoy answers by itself, and a connection without a request.
    for port, request in (
        (ports["gateway"], b"GET /malformed HTTP/1.1\r\n\r\n"),
        (ports["tcp"], b"GET /tcp HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(request)
            while connection.recv(4096):
                pass
    return fields


def paths(lines: list[str]) -> set[str]:
    return {line.rpartition("/")[2] for line in lines}


def test_marks_are_those_that_the_program_sends() -> None:
    probe = acceptance.probe_request("h", keep_alive=True)
    for head in (request_head.SHADOW_MARK, REPLAY_MARK, probe):
        (value,) = re.findall(rb"X-Mirror-Leg: (\w+)\r\n", head)
        assert f"'{value.decode()}'" in tag_value()


def test_access_log_has_production_only(gateway: Gateway) -> None:
    """Checks the log of the gateway and that of the sidecar of the app behind it.

    A request that Envoy could not read, and a connection without a request, are in the log as well.
    """
    assert wait_for(lambda: paths(gateway.log("production")) == OF_PRODUCTION)
    behind = {*OF_PRODUCTION - {"malformed"}, "tcp"}
    assert wait_for(lambda: paths(gateway.log("sidecar")) == behind)
    assert wait_for(lambda: gateway.log("tcp") == ["tcp"])


def test_a_comparison_without_a_test_for_the_name_loses_production(gateway: Gateway) -> None:
    # The comment in telemetry.yaml warns of it.
    assert wait_for(lambda: paths(gateway.log("trap")) == {*MARKS, "empty"} - {"shadow"})


def test_tagged_log_has_every_request_and_its_mark(gateway: Gateway) -> None:
    def legs() -> dict[str, str | None]:
        lines = map(json.loads, gateway.log("tagged"))
        return {line["path"].rpartition("/")[2]: line["mirror_leg"] for line in lines}

    expected: dict[str, str | None] = dict.fromkeys(OF_PRODUCTION)
    expected |= {mark: mark[:16] for mark in MARKS} | {"empty": "", "sampled-shadow": "shadow"}
    assert wait_for(lambda: legs() == expected)


def test_second_log_has_the_copies_only(gateway: Gateway) -> None:
    def logged() -> set[str]:
        return paths([json.loads(line)["path"] for line in gateway.log("copies")])

    assert wait_for(lambda: logged() == OF_COPIES)


def test_tag_of_metrics_has_few_values(gateway: Gateway) -> None:
    expected = Counter(production=3, shadow=2, replay=1, probe=1, canary=1, other=2)
    assert wait_for(lambda: Counter(gateway.log("tag")) == expected)


def test_copies_go_to_their_own_pods_and_keep_their_mark(gateway: Gateway) -> None:
    assert gateway.requests_by_cluster == {"copies": len(OF_COPIES), "production": 3}
    assert set(gateway.answers) == set(KINDS)
    for kind, fields in gateway.answers.items():
        assert (fields["x-mirror-rule"] == "copies") is (kind in OF_COPIES)
        assert fields["x-seen"] == KINDS[kind].get(MARK, "")


def test_spans_are_tagged_and_copies_start_no_trace(gateway: Gateway) -> None:
    # What a tracer in front has sampled is followed, for a copy as well.
    expected = {
        ("/watch/production", "production"),
        ("/watch/sampled", "production"),
        ("/watch/sampled-shadow", "shadow"),
    }
    assert wait_for(lambda: set(gateway.collector.tags) == expected), gateway.collector.tags
