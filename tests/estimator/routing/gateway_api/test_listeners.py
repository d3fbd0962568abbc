"""Tests estimator.routing.gateway_api.listeners."""

import pytest

from estimator.routing.gateway_api.listeners import Gateway, read_gateway
from estimator.routing.gateway_api.namespaces import From, Namespaces, Operator, Requirement
from tests.estimator.routing.gateway_api.conftest import API, problems_of, read_one, warnings_of


def text(listeners: str, spec: str = "gatewayClassName: istio") -> str:
    return (
        f"{API}kind: Gateway\nmetadata: {{name: web, namespace: shop}}\n"
        f"spec:\n  {spec}\n  listeners: [{listeners}]\n"
    )


def read(listeners: str) -> Gateway:
    one = read_one(text(listeners))
    gateway = read_gateway(one, ["istio"])
    assert not problems_of(one)
    return gateway


def warnings(listeners: str, spec: str = "gatewayClassName: istio") -> list[str]:
    one = read_one(text(listeners, spec))
    read_gateway(one, ["istio"])
    return warnings_of(one)


HTTP = "{name: http, port: 80, protocol: HTTP}"
TLS = "tls: {certificateRefs: [{name: a}]}"


def test_listeners_are_read_in_order_of_their_names() -> None:
    gateway = read(
        f"{{name: z, port: 443, protocol: HTTPS, hostname: '*.a.com', {TLS}}}, {HTTP},"
        " {name: raw, port: 1, protocol: TCP}"
    )
    assert gateway.key == ("shop", "web")
    assert [
        (one.name, one.port, one.hostname, one.is_tls, one.carries_http)
        for one in gateway.listeners
    ] == [
        ("http", 80, "*", False, True),
        ("raw", 1, "*", False, False),
        ("z", 443, "*.a.com", True, True),
    ]
    assert str(gateway.listeners[0].place) == "routes.yaml:6: Gateway shop/web, listeners[1]"


def allowed(routes: str) -> str:
    return f"{{name: http, port: 80, protocol: HTTP, allowedRoutes: {{{routes}}}}}"


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ("", Namespaces(From.SAME)),
        ("namespaces: {}", Namespaces(From.SAME)),
        ("namespaces: {from: All}", Namespaces(From.ALL)),
        (
            "namespaces: {from: Selector, selector: {matchLabels: {a: b}, matchExpressions:"
            " [{key: c, operator: NotIn, values: [d, e]}, {key: f, operator: Exists}]}}",
            Namespaces(
                From.SELECTOR,
                (
                    Requirement("a", Operator.IN, ("b",)),
                    Requirement("c", Operator.NOT_IN, ("d", "e")),
                    Requirement("f", Operator.EXISTS),
                ),
            ),
        ),
    ],
)
def test_allowed_namespaces(routes: str, expected: Namespaces) -> None:
    (listener,) = read(allowed(routes)).listeners
    assert listener.namespaces == expected


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("[]", True),
        ("[{kind: HTTPRoute}]", True),
        ("[{kind: GRPCRoute}, {kind: HTTPRoute, group: gateway.networking.k8s.io}]", True),
        ("[{kind: GRPCRoute}]", False),
        ("[{kind: HTTPRoute, group: a.com}]", False),
    ],
)
def test_allowed_kinds(kinds: str, expected: bool) -> None:
    (listener,) = read(allowed(f"kinds: {kinds}")).listeners
    assert listener.admits_http_routes is expected


@pytest.mark.parametrize(
    ("listeners", "spec", "expected"),
    [
        (HTTP, "gatewayClassName: nginx", "nginx is not a class of Istio"),
        (
            HTTP,
            "gatewayClassName: istio\n  allowedListeners: {}",
            "allowedListeners: is not judged",
        ),
        ("{name: a, port: 80, protocol: http}", "gatewayClassName: istio", "Istio knows HTTP"),
        ("{name: a, port: 443, protocol: HTTPS}", "gatewayClassName: istio", "has no tls"),
        (
            f"{HTTP}, {{name: b, port: 80, protocol: HTTPS, {TLS}}}",
            "gatewayClassName: istio",
            "listeners[1].port: has listeners of another protocol, too",
        ),
    ],
)
def test_what_is_odd_is_said(listeners: str, spec: str, expected: str) -> None:
    (warning,) = warnings(listeners, spec)
    assert expected in warning


def test_protocols_with_tls_share_a_port() -> None:
    https = f"{{name: a, port: 443, protocol: HTTPS, {TLS}}}"
    assert warnings(f"{https}, {{name: b, port: 443, protocol: TLS}}") == []


@pytest.mark.parametrize(
    ("listeners", "expected"),
    [
        ("", "listeners: expected at least one listener"),
        ("{port: 80, protocol: HTTP}", "listeners[0].name: missing"),
        ("{name: a, protocol: HTTP}", "listeners[0].port: missing"),
        ("{name: a, port: 80}", "listeners[0].protocol: missing"),
        ("{name: a, port: 0, protocol: HTTP}", "listeners[0].port: expected a whole number from 1"),
        (f"{HTTP}, {{name: http, port: 81, protocol: HTTP}}", "listeners[1].name: expected each"),
        (f"{HTTP}, {{name: b, port: 80, protocol: HTTP}}", "listeners[1]: expected another port"),
        ("{name: a, port: 80, protocol: HTTP, hosts: []}", "listeners[0].hosts: unknown key"),
        (f"{{name: a, port: 80, protocol: HTTP, {TLS}}}", "listeners[0].tls: expected none"),
        (
            "{name: a, port: 443, protocol: HTTPS, tls: {mode: Passthrough}}",
            "listeners[0].tls.mode: expected one of Terminate",
        ),
        (allowed("namespaces: {from: None}"), "namespaces.from: expected one of Same, All"),
        (
            allowed("namespaces: {from: Selector, selector: {matchExpressions: [{key: a}]}}"),
            "matchExpressions[0].operator: missing",
        ),
    ],
)
def test_gateways_that_the_schema_refuses(listeners: str, expected: str) -> None:
    one = read_one(text(listeners))
    read_gateway(one, ["istio"])
    (problem,) = problems_of(one)
    assert expected in problem
