"""Each of Envoy's own answers, from a real Envoy, as the comparison reads it.

Each path of the Envoy fails in its own way, and production answers all of them. A real sidecar
compares; a worker is killed and the configuration reloaded meanwhile, and at the end every leg that
ended is compared, uncompared or waiting. What the sidecar's own requests cannot cause is asked
without it: HTTP/1.0, an Envoy whose headers are suppressed, and plaintext into TLS.
"""

import base64
import contextlib
import http.client
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
import trustme
import yaml

from mirror.core.comparison.answer import Answer
from mirror.core.comparison.envoy_reply import ReplyReader
from mirror.core.comparison.verdict import verdict
from mirror.demo.envoy import envoy_command
from mirror.demo.processes import answers, fetch, free_ports
from mirror.demo.sidecar import Sidecar
from mirror.formats.comparison import Comparison, decode
from tests.topology.conftest import Topology, require, running_topology, wait_for
from tests.topology.envoy_parts import API, ROUTER, Object, bootstrap, cluster, http_listener

pytestmark = pytest.mark.topology

FILTERS = f"{API}.extensions.filters.http"
JWKS = '{"keys":[{"kty":"oct","alg":"HS256","k":"c2VjcmV0"}]}'
BIG = "x" * 5000
PROTOBUF = "application/x-protobuf"

HIDES_REASON = "envoy.reloadable_features.hide_transport_failure_reason_in_response_body"
"""Envoy names a failed TLS handshake in its answer up to 1.38.0, and later only without this."""

RESULTS = {
    # path: result, status and detail of the shadow's answer
    "/ok": ("same", 200, ""),
    "/big": ("size", 200, ""),
    "/app/missing": ("app_not_found", 404, ""),
    "/app/broken": ("app_error", 500, ""),
    "/app/elsewhere": ("redirect", 302, ""),
    "/nowhere": ("route_miss", 404, ""),
    "/no-cluster": ("no_upstream", 503, ""),
    "/no-host": ("no_upstream", 503, "no_healthy_upstream"),
    "/refused": ("no_upstream", 503, "connect_failed"),
    "/reset": ("no_upstream", 503, "reset"),
    "/full": ("no_upstream", 503, "overflow"),
    "/tls": ("no_upstream", 503, "connect_failed"),  # see HIDES_REASON
    "/slow": ("upstream_timeout", 504, "timeout"),
    "/rbac": ("denied", 403, "rbac"),
    "/jwt": ("denied", 401, "jwt"),
    "/limited": ("rate_limited", 429, "rate_limited"),
    "/globally-limited": ("rate_limited", 429, "rate_limited"),
    "/fault": ("no_upstream", 503, "fault"),
    "/https": ("redirect", 301, ""),
    "/teapot": ("proxy_status", 418, ""),
}


class App(BaseHTTPRequestHandler):
    """The application of both clusters; `is_new` says which."""

    protocol_version = "HTTP/1.1"
    is_new = False
    ending = Event()

    def do_GET(self) -> None:
        status, body, fields = 200, b"ok", {}
        if self.is_new:
            match self.path:
                case "/slow":
                    self.ending.wait(20)
                case "/reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" * 2)
                    self.close_connection = True
                    self.connection.close()
                    return
                case "/big":
                    body = BIG.encode()
                case "/app/missing" | "/bare/missing":
                    status, body = 404, b"<h1>no such page</h1>"
                case "/app/broken":
                    status, body = 500, b"oops"
                case "/app/elsewhere":
                    status, body, fields = 302, b"", {"Location": "/login?next=secret"}
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **fields}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # Envoy gave up
            self.wfile.write(body)

    def do_POST(self) -> None:
        """Answer for the service of global rate limits: OVER_LIMIT, as protobuf."""
        while size := int(self.rfile.readline(), 16):  # in chunks
            self.rfile.read(size + len("\r\n"))
        self.rfile.readline()
        self.send_response(200)
        self.send_header("Content-Type", PROTOBUF)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"\x08\x02")

    def log_message(self, format: str, *args: Any) -> None:
        pass


class NewApp(App):
    is_new = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # All copies may come at once. What a full queue drops is repeated a second later.
    request_queue_size = 128


@contextmanager
def serving(handler: type[App], port: int) -> Iterator[None]:
    server = Server(("127.0.0.1", port), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        App.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()


def configuration(ports: dict[str, int], certificate: trustme.LeafCert) -> Object:
    def to(path: str, name: str = "app", **more: Any) -> Object:
        match = {"path": path} if not path.endswith("/") else {"prefix": path}
        return {"match": match, "route": {"cluster": name, "timeout": "15s"}, **more}

    bucket = {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"}
    share = {"default_value": {"numerator": 100}}
    limit = {
        "@type": f"{FILTERS}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limited",
        "token_bucket": bucket,
        "filter_enabled": share,
        "filter_enforced": share,
    }
    deny = {"action": "DENY", "policies": {"all": {"permissions": [{"any": True}]}}}
    deny["policies"]["all"]["principals"] = [{"any": True}]  # type: ignore[index]
    rbac = {"@type": f"{FILTERS}.rbac.v3.RBACPerRoute", "rbac": {"rules": deny}}
    fault = {
        "@type": f"{FILTERS}.fault.v3.HTTPFault",
        "abort": {"http_status": 503, "percentage": {"numerator": 100}},
    }
    routes = [
        *map(to, ("/ok", "/big", "/app/", "/reset", "/jwt")),
        *(to(f"/{name}", name) for name in ("no-cluster", "no-host", "refused", "full", "tls")),
        {"match": {"path": "/slow"}, "route": {"cluster": "app", "timeout": "0.1s"}},
        to("/rbac", typed_per_filter_config={"envoy.filters.http.rbac": rbac}),
        to("/limited", typed_per_filter_config={"envoy.filters.http.local_ratelimit": limit}),
        to("/fault", typed_per_filter_config={"envoy.filters.http.fault": fault}),
        to("/globally-limited"),
        {"match": {"path": "/https"}, "redirect": {"https_redirect": True}},
        {"match": {"path": "/teapot"}, "direct_response": {"status": 418}},
    ]
    key = {"actions": [{"generic_key": {"descriptor_value": "all"}}]}
    next(each for each in routes if each["match"].get("path") == "/globally-limited")["route"][
        "rate_limits"
    ] = [key]
    service = {
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": "limits"}},
    }
    global_limit = {
        "@type": f"{FILTERS}.ratelimit.v3.RateLimit",
        "domain": "site",
        "timeout": "10s",
        "rate_limit_service": service,
    }
    # The service speaks gRPC. A listener of the same Envoy makes plain HTTP of it for our app.
    bridge = {
        "@type": f"{FILTERS}.grpc_http1_reverse_bridge.v3.FilterConfig",
        "content_type": PROTOBUF,
        "withhold_grpc_frames": True,
    }
    provider = {"local_jwks": {"inline_string": JWKS}}
    jwt = {
        "@type": f"{FILTERS}.jwt_authn.v3.JwtAuthentication",
        "providers": {"ours": provider},
        "rules": [{"match": {"path": "/jwt"}, "requires": {"provider_name": "ours"}}],
    }
    filters = [
        {"name": "envoy.filters.http.jwt_authn", "typed_config": jwt},
        *(
            {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": f"{FILTERS}.{kind}"}}
            for name, kind in (
                ("rbac", "rbac.v3.RBAC"),
                ("fault", "fault.v3.HTTPFault"),
            )
        ),
        {
            "name": "envoy.filters.http.local_ratelimit",
            "typed_config": {"@type": limit["@type"], "stat_prefix": "none"},
        },
        {"name": "envoy.filters.http.ratelimit", "typed_config": global_limit},
        {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}},
    ]
    bare_router = {"@type": ROUTER, "suppress_envoy_headers": True}
    listeners = [
        http_listener(
            "gateway", ports["envoy"], routes, server_name="istio-envoy", http_filters=filters
        ),
        http_listener(
            "bare",
            ports["bare"],
            [to("/bare/"), to("/ok")],
            server_name="istio-envoy",
            http_filters=[{"name": "envoy.filters.http.router", "typed_config": bare_router}],
        ),
        http_listener("strict", ports["strict"], [to("/ok")]),
        http_listener(
            "limits",
            ports["limits"],
            [to("/")],
            codec_type="HTTP2",
            http_filters=[
                {"name": "envoy.filters.http.grpc_http1_reverse_bridge", "typed_config": bridge},
                {"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}},
            ],
        ),
    ]
    listeners[0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"][
        "validate_clusters"
    ] = False
    chain, key = certificate.cert_chain_pems[0], certificate.private_key_pem
    pem = {
        "certificate_chain": {"inline_bytes": base64.b64encode(chain.bytes()).decode()},
        "private_key": {"inline_bytes": base64.b64encode(key.bytes()).decode()},
    }
    kind = f"{API}.extensions.transport_sockets.tls.v3"
    listeners[2]["filter_chains"][0]["transport_socket"] = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{kind}.DownstreamTlsContext",
            "require_client_certificate": True,
            "common_tls_context": {"tls_certificates": [pem]},
        },
    }
    no_host = cluster("no-host", 1)
    no_host["load_assignment"]["endpoints"] = []
    context = {"@type": f"{kind}.UpstreamTlsContext"}
    socket_of_tls = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    options = f"{API}.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = {"@type": options, "explicit_http_config": {"http2_protocol_options": {}}}
    speaks_http2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2}
    none = {"thresholds": [{"max_requests": 0, "max_pending_requests": 0}]}
    clusters = [
        cluster("app", ports["shadow"]),
        no_host,
        cluster("refused", ports["closed"]),
        cluster("full", ports["shadow"], circuit_breakers=none),
        cluster("limits", ports["limits"], typed_extension_protocol_options=speaks_http2),
        cluster("tls", ports["shadow"], transport_socket=socket_of_tls),
    ]
    layers = [{"name": "admin", "admin_layer": {}}]
    return bootstrap(ports["envoy_admin"], listeners, clusters, layered_runtime={"layers": layers})


@contextmanager
def scene() -> Iterator[tuple[Topology, Sidecar]]:
    App.ending.clear()
    with running_topology() as topology:
        ports = topology.ports
        ports.update(zip(("bare", "strict", "limits", "closed"), free_ports(4), strict=True))
        path = topology.directory / "envoy.yaml"
        certificate = trustme.CA().issue_cert("gateway.example")
        path.write_text(yaml.safe_dump(configuration(ports, certificate)))
        with serving(App, ports["primary"]), serving(NewApp, ports["shadow"]):
            child = topology.processes.start("envoy", envoy_command(require("envoy"), path))
            child.wait_until(lambda: answers(ports["envoy_admin"], "/ready", status=200))
            sidecar = topology.start_sidecar("inline", workers=2, routes=["/app/*", "/{page}"])
            yield topology, sidecar
            topology.processes.stop()


def ask(topology: Topology, paths: list[str]) -> None:
    """Send requests through the sidecar on one connection; production answers all of them."""
    with closing(http.client.HTTPConnection("127.0.0.1")) as client:
        client.sock = socket.socket(socket.AF_UNIX)
        client.sock.connect(str(topology.socket_path))
        client.sock.settimeout(20)
        for path in paths:
            fields = {"X-Mirror-Request-Id": f"id-of{path[:9]}", "X-Mirror-Mode": "inline"}
            client.request("GET", path, headers=fields)
            response = client.getresponse()
            assert (response.status, response.read()) == (200, b"ok"), path


def raw(port: int, path: str, version: str = "1.1") -> bytes:
    """Return the answer to one request; empty if the other side closes without one."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as connection:
        connection.sendall(f"GET {path} HTTP/{version}\r\nHost: h\r\n\r\n".encode())
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
                head, end, body = received.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head)
                if end and length and len(body) >= int(length[1]):
                    break
        return received


def read(reader: ReplyReader, data: bytes) -> Answer:
    status = int(data[9:12])
    body_bytes = len(data.partition(b"\r\n\r\n")[2])
    return reader.answer(f"{status // 100}xx", status, 1000, body_bytes, data)


def document_of(sidecar: Sidecar) -> Comparison:
    page = fetch(sidecar.admin_port, "/comparison")
    assert page is not None
    return decode(page.body)


def results_of(sidecar: Sidecar) -> dict[str, int]:
    results: dict[str, int] = {}
    for route in document_of(sidecar).routes:
        for result, number in route.results.items():
            results[result] = results.get(result, 0) + number
    return results


def settle(sidecar: Sidecar, pairs: int) -> dict[str, Any]:
    """Wait until so many legs were compared or not, and return the part of /status."""

    def is_settled() -> bool:
        part = sidecar.status()["comparison"]
        assert part["balanced"], part
        is_counted = part["compared"] + sum(part["uncompared"].values()) == pairs
        return bool(is_counted and not part["waiting"])

    assert wait_for(is_settled), sidecar.status()["comparison"]
    part: dict[str, Any] = sidecar.status()["comparison"]
    return part


def test_every_answer_of_envoy_is_read_right() -> None:
    with scene() as (topology, sidecar):
        # The rate limit passes one request; a success shows that answers name their origin.
        ask(topology, ["/ok", "/limited"])
        settle(sidecar, 2)
        ask(topology, list(RESULTS))
        settle(sidecar, 2 + len(RESULTS))
        check_examples(document_of(sidecar))
        check_kills_and_reloads(topology, sidecar)
        check_without_the_sidecar(topology.ports)


def check_examples(document: Comparison) -> None:
    assert document.mode == "inline" and document.log is None and document.shows_origin is True
    found = {each.path: (each.result, each.shadow_status) for each in document.examples}
    expected = {
        path: (result, status)
        for path, (result, status, _) in RESULTS.items()
        if result not in ("same", "size")
    }
    assert found == expected
    by_path = {each.path: each for each in document.examples}
    assert by_path["/app/elsewhere"].location == "/login"
    assert by_path["/https"].location.startswith("https://127.0.0.1")
    assert by_path["/nowhere"].request_id == "id-of/nowhere"
    routes = {each.route: each for each in document.routes}
    assert routes["/app/_"].results == {"app_not_found": 1, "app_error": 1, "redirect": 1}
    assert routes["/app/_"].classes == {"2xx>4xx": 1, "2xx>5xx": 1, "2xx>3xx": 1}


def check_kills_and_reloads(topology: Topology, sidecar: Sidecar) -> None:
    before = sum(results_of(sidecar).values())
    os.kill(sidecar.status()["workers"][0]["pid"], signal.SIGKILL)
    assert wait_for(lambda: sidecar.status()["worker_restarts"] == 1)
    ask(topology, ["/ok"] * 5)
    part = settle(sidecar, before + 5)
    assert part["results"]["same"] == 8
    sidecar.child.send_signal(signal.SIGHUP)
    assert wait_for(lambda: sidecar.status()["reload"]["reloaded"] == 1, timeout_s=20)
    ask(topology, ["/ok"] * 5)
    part = settle(sidecar, before + 10)
    assert part["results"]["same"] == 13
    assert part["new_errors"] == before - 4, "all but four"


def check_without_the_sidecar(ports: dict[str, int]) -> None:
    production = Answer(200, "2xx", 1000, 2)
    reader = ReplyReader()
    assert not read(reader, raw(ports["envoy"], "/ok")).is_from_proxy
    for path, (result, status, detail) in RESULTS.items():
        if result != "size":
            answer = read(reader, raw(ports["envoy"], path))
            assert (answer.status, answer.detail) == (status, detail), path
            assert verdict(production, answer) == result, path
    low_version = read(reader, raw(ports["envoy"], "/ok", "1.0"))
    assert verdict(production, low_version) == "http_version"
    modify = f"/runtime_modify?{HIDES_REASON}=false"
    with closing(http.client.HTTPConnection("127.0.0.1", ports["envoy_admin"])) as admin:
        admin.request("POST", modify)
        assert admin.getresponse().status == 200
    assert wait_for(lambda: read(reader, raw(ports["envoy"], "/tls")).detail == "tls")
    assert verdict(production, read(reader, raw(ports["envoy"], "/tls"))) == "mtls"
    # Where the headers are suppressed, a body tells an application's 404 from a missing route.
    bare = ReplyReader()
    for _ in range(2):
        for path, result in (("/bare/missing", "app_not_found"), ("/nowhere", "route_miss")):
            assert verdict(production, read(bare, raw(ports["bare"], path))) == result
        read(bare, raw(ports["bare"], "/ok"))
        assert bare.shows_origin is False
    # Plaintext into TLS is closed without a byte, as by any server that fails.
    assert raw(ports["strict"], "/ok") == b""
