import pytest

from estimator.routing.decision import Outcome
from tests.estimator.routing.istio.conftest import (
    decide,
    problems_of,
    service,
    tables_of,
    taker,
    to,
    warnings_of,
)

WEB = service(f"[{{{to('web')}}}]")


def gateway(*servers: str, name: str = "gw") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: {name}, namespace: edge}}
spec:
  selector: {{istio: ingressgateway}}
  servers: [{", ".join(servers)}]
"""


def server(port: int, protocol: str, hosts: str = '["*"]', more: str = "") -> str:
    number = f"{{number: {port}, protocol: {protocol}, name: p{port}}}"
    return f"{{port: {number}, hosts: {hosts}{more}}}"


@pytest.mark.parametrize(
    ("protocol", "more", "scheme"),
    [
        ("HTTP", "", "http"),
        ("http2", "", "http"),
        ("GRPC", "", "http"),
        ("GRPC-Web", "", "http"),
        ("HTTPS", ", tls: {mode: SIMPLE, credentialName: c}", "https"),
        ("HTTPS", ", tls: {mode: PASSTHROUGH}", None),
        ("TLS", ", tls: {mode: SIMPLE, credentialName: c}", None),
        ("TCP", "", None),
    ],
)
def test_servers_that_carry_http(protocol: str, more: str, scheme: str | None) -> None:
    tables = tables_of(gateway(server(80, protocol, more=more)) + WEB)
    assert [table.scheme for table in tables] == ([] if scheme is None else [scheme])


@pytest.mark.parametrize(
    ("hosts", "is_admitted"),
    [
        ("[a.com]", True),
        ("['*.com']", True),
        ("['*']", True),
        ("[shop/a.com]", True),
        ("[other/a.com]", False),
        ("[./a.com]", False),
        ("['*/a.com']", True),
        ("['*/*']", True),
        ("[b.com]", False),
    ],
)
def test_hosts_of_servers(hosts: str, is_admitted: bool) -> None:
    decision = decide(gateway(server(80, "HTTP", hosts)) + WEB, "a.com/x")
    assert decision.outcome is (Outcome.FORWARDED if is_admitted else Outcome.REJECTED)


def test_https_redirect_answers_every_request_with_301() -> None:
    text = gateway(server(80, "HTTP", more=", tls: {httpsRedirect: true}")) + WEB
    for url in ("a.com/x?y", "other.com/x?y"):
        decision = decide(text, url)
        assert (decision.outcome, decision.status) == (Outcome.REDIRECTED, 301)
        assert decision.location == f"https://{url}"


def test_name_with_a_namespace_redirects_only_what_routes_name() -> None:
    text = gateway(server(80, "HTTP", "[shop/*]", ", tls: {httpsRedirect: true}")) + WEB
    assert decide(text, "a.com/x").outcome is Outcome.REDIRECTED
    assert decide(text, "b.com/x").outcome is Outcome.REJECTED


TLS = ", tls: {mode: SIMPLE, credentialName: c}"


def test_sni_chooses_the_server_for_https() -> None:
    text = (
        gateway(server(443, "HTTPS", "['*.com']", TLS), server(443, "HTTPS", "[b.com]", TLS))
        + service(f"[{{{to('wide')}}}]", "wide", host="*.com")
        + service(f"[{{{to('own')}}}]", "own", host="c.com")
    )
    assert taker(decide(text, "a.com/x")) == "wide.shop"
    # Both servers admit the routes of the wide one for b.com.
    assert taker(decide(text, "b.com/x")) == "wide.shop"
    assert taker(decide(text, "c.com/x")) == "own.shop"
    narrow = text.replace("hosts: [b.com]", "hosts: [other/b.com]")
    assert decide(narrow, "b.com/x").outcome is Outcome.REJECTED


def test_server_that_the_sni_chooses_uses_its_own_wider_host() -> None:
    text = gateway(
        server(443, "HTTPS", "['*', other/*.b.com]", TLS), server(443, "HTTPS", "['*.com']", TLS)
    ) + service(f"[{{match: [{{gateways: [edge/gw]}}], {to('web')}}}]", host="*.com")
    assert taker(decide(text, "a.b.com/x")) == "web.shop"


def test_server_for_https_with_a_host_of_another_is_left_out() -> None:
    text = gateway(
        server(443, "HTTPS", "[a.com]", TLS), server(443, "HTTPS", "[a.com, b.com]", TLS)
    )
    (said,) = warnings_of(text)
    assert said.endswith(
        "servers[1]: another server of this port has the host a.com; the server is left out"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{hosts: [a]}", "servers[0]: port: missing"),
        ("{port: {number: 80, protocol: HTTP}}", "servers[0]: hosts: missing"),
        ("{port: {number: 80}, hosts: [a]}", "servers[0].port: protocol: missing"),
        (server(0, "HTTP"), "port.number: expected a whole number from 1 to 65535, got 0"),
        (server(80, "SPDY"), "port.protocol: expected one of HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS"),
        (server(443, "HTTPS"), "tls: missing; expected it for the protocol HTTPS"),
        (server(80, "HTTP", "[]"), "hosts: expected at least one host"),
        (server(80, "HTTP", "[a/]"), "expected host or namespace/host, got 'a/'"),
        (server(80, "HTTP", "['a.com:80']"), "without a port, got 'a.com:80'"),
        (server(80, "HTTP", "[a/b/c]"), "expected a hostname, perhaps with a leading *"),
        (server(80, "HTTP", more=", tls: {mode: X}"), "tls.mode: expected one of PASSTHROUGH"),
        (server(80, "HTTP", more=", tlss: {}"), "tlss: unknown key; expected one of port, bind"),
        (
            server(443, "HTTPS", more=", tls: {mode: SIMPLE, httpsRedirect: true}"),
            "httpsRedirect: expected it for HTTP only, got the protocol HTTPS",
        ),
    ],
)
def test_problems(text: str, problem: str) -> None:
    assert any(problem in said for said in problems_of(gateway(text)))


def test_gateway_without_servers_is_a_problem() -> None:
    text = gateway().replace("servers: []", "selector2: {}")
    said = problems_of(text)
    assert any("servers: missing" in problem for problem in said)
