"""Tests estimator.routing.gateway_api.objects."""

import pytest

from estimator.routing.decision import Outcome
from estimator.routing.fields import Findings
from estimator.routing.gateway_api.objects import compile_objects, is_read
from estimator.routing.objects import objects_of
from tests.estimator.routing.gateway_api.conftest import (
    API,
    GATEWAY,
    compiled,
    decide,
    read_one,
    request,
    route,
)

ROUTE = route("rules: [{backendRefs: [{name: a, port: 80}]}]")
OTHER = "rules: [{backendRefs: [{name: a, namespace: other, port: 80}]}]"
GRANT = """
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]
  to: [{group: '', kind: Service, name: a}]
"""


def warnings(text: str) -> list[str]:
    return compiled(text)[1]


def test_a_route_and_its_gateway_make_a_table() -> None:
    decision = decide(GATEWAY + ROUTE, "a.com/x")
    assert decision.outcome is Outcome.FORWARDED
    assert str(decision.rule and decision.rule.place) == (
        "routes.yaml:15: HTTPRoute shop/web, rules[0]"
    )
    assert decision.not_understood == ()
    assert warnings(GATEWAY + ROUTE) == []


def test_a_gateway_without_routes_rejects() -> None:
    decision = decide(GATEWAY, "a.com/x")
    assert (decision.outcome, decision.status) == (Outcome.REJECTED, 404)


def test_a_grant_allows_another_namespace() -> None:
    assert decide(GATEWAY + route(OTHER), "a.com/").not_understood
    assert not decide(GATEWAY + route(OTHER) + GRANT, "a.com/").not_understood
    of_other = GRANT.replace("kind: HTTPRoute", "kind: GRPCRoute")
    assert decide(GATEWAY + route(OTHER) + of_other, "a.com/").not_understood
    of_secret = GRANT.replace("kind: Service", "kind: Secret")
    assert decide(GATEWAY + route(OTHER) + of_secret, "a.com/").not_understood


def test_a_namespace_is_selected_by_its_labels() -> None:
    gateway = GATEWAY.replace("namespace: shop", "namespace: infra").replace(
        "protocol: HTTP}",
        "protocol: HTTP, allowedRoutes: {namespaces: {from: Selector,"
        " selector: {matchLabels: {team: red}}}}}",
    )
    attached = route(
        "parentRefs: [{name: web, namespace: infra}]\nrules: [{backendRefs: [{name: a, port: 80}]}]"
    )
    namespace = (
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: red}}\n"
    )
    assert decide(gateway + attached, "a.com/").not_understood
    assert not decide(gateway + attached + namespace, "a.com/").not_understood
    blue = namespace.replace("red", "blue")
    assert decide(gateway + attached + blue, "a.com/").outcome is Outcome.REJECTED


def test_the_class_of_a_gateway_may_be_istios_by_its_controller() -> None:
    gateway = GATEWAY.replace("gatewayClassName: istio", "gatewayClassName: edge")
    own = f"---\n{API}kind: GatewayClass\nmetadata: {{name: edge}}\nspec: {{controllerName: %s}}\n"
    assert len(warnings(gateway)) == 1
    assert warnings(gateway + own % "istio.io/gateway-controller") == []
    assert len(warnings(gateway + own % "example.com/other")) == 1


def test_a_gateway_that_is_missing_is_assumed_and_doubted() -> None:
    text = route(
        "parentRefs: [{name: edge, namespace: infra}]\n" + OTHER.replace("other", "shop")
    ) + route("parentRefs: [{name: edge, namespace: infra, sectionName: b, port: 8080}]", "b")
    first, second = compiled(text)[0]
    assert (first.gateway, first.namespace, first.port, second.port) == ("edge", "infra", 80, 8080)
    decision = first.decide(request("a.com/"))
    assert decision.outcome is Outcome.FORWARDED
    assert decision.not_understood == (
        "routes.yaml:6: HTTPRoute shop/web, parentRefs[0]: Gateway infra/edge is not among these"
        " files; it is judged as if it admitted every route for HTTP on port 80, 8080",
    )


def test_the_port_of_a_missing_gateway_may_be_given() -> None:
    text = route("parentRefs: [{name: edge}]") + route("parentRefs: [{name: edge, port: 81}]", "b")
    findings = Findings()
    tables = compile_objects(list(objects_of("routes.yaml", text, findings)), findings, 8080)
    assert [table.port for table in tables] == [81, 8080]


def test_gateways_of_one_envoy_are_named() -> None:
    address = "addresses: [{type: Hostname, value: %s}]\n  listeners:"
    own = GATEWAY.replace("listeners:", address % "ingress")
    other = GATEWAY.replace("listeners:", address % "ingress.shop.svc.cluster.local")
    assert warnings(own + "---" + other.replace("name: web", "name: b")) == [
        "routes.yaml:11: Gateway shop/b: has the address ingress.shop.svc.cluster.local of Gateway"
        " shop/web, so one Envoy serves both; they are judged apart"
    ]
    apart = other.replace("name: web", "name: b").replace("Hostname", "IPAddress")
    assert warnings(own + "---" + apart) == []


def test_what_is_not_judged_is_named() -> None:
    grpc = f"---\n{API}kind: GRPCRoute\nmetadata: {{name: rpc, namespace: shop}}\n"
    (warning,) = warnings(GATEWAY + ROUTE + grpc)
    assert warning.startswith("routes.yaml:17: GRPCRoute shop/rpc: is not judged")


def test_warnings_of_all_objects_are_collected() -> None:
    odd = GATEWAY.replace("istio", "nginx") + route("parentRefs: [{name: web, port: 81}]")
    assert [warning.split(": ")[1].split(",")[0] for warning in warnings(odd)] == [
        "Gateway shop/web",
        "HTTPRoute shop/web",
        "HTTPRoute shop/web",
    ]


def problems(text: str) -> list[str]:
    findings = Findings()
    compile_objects(list(objects_of("routes.yaml", text, findings)), findings)
    return [str(problem) for problem in findings.problems]


def test_problems_of_all_objects_are_reported_at_once() -> None:
    found = problems(
        GATEWAY.replace("port: 80", "port: 0")
        + route("rules: [{matches: [{path: {value: a}}]}]")
        + GRANT.replace("namespace: shop}", "}")
    )
    assert [problem.split(": ")[1] for problem in found] == [
        "ReferenceGrant other/grant, from[0].namespace",
        "HTTPRoute shop/web, rules[0].matches[0].path.value",
        "Gateway shop/web, listeners[0].port",
    ]


def test_the_rules_of_all_hostnames_are_bounded() -> None:
    gateway = GATEWAY.replace(
        "{name: http, port: 80, protocol: HTTP}",
        "\n  - ".join(f"{{name: l{port}, port: {port}, protocol: HTTP}}" for port in range(1, 65)),
    )
    hostnames = ", ".join(f"h{number}.com" for number in range(16))
    spec = f"hostnames: [{hostnames}]\nrules: [{{matches: [{', '.join(['{}'] * 62)}]}}]"
    several = [route(spec, f"r{number}") for number in range(8)]
    (problem,) = problems(gateway + "".join(several))
    assert problem == (
        "routes.yaml: makes 507,904 rules with its hostnames and listeners; the limit is 500,000"
    )


def test_an_object_stands_once() -> None:
    assert problems(GATEWAY + "---" + GATEWAY) == [
        "routes.yaml:10: Gateway shop/web: expected once, first given in routes.yaml:2"
    ]


@pytest.mark.parametrize(("version", "count"), [("v1", 0), ("v1beta1", 0), ("v1alpha2", 1)])
def test_versions(version: str, count: int) -> None:
    assert len(problems(GATEWAY.replace("k8s.io/v1", f"k8s.io/{version}"))) == count


@pytest.mark.parametrize(
    ("kind", "version", "expected"),
    [
        ("HTTPRoute", "gateway.networking.k8s.io/v1", True),
        ("GRPCRoute", "gateway.networking.k8s.io/v1", True),
        ("XListenerSet", "gateway.networking.x-k8s.io/v1alpha1", True),
        ("Namespace", "v1", True),
        ("TCPRoute", "gateway.networking.k8s.io/v1alpha2", False),
        ("Gateway", "networking.istio.io/v1", False),
        ("Service", "v1", False),
    ],
)
def test_only_some_kinds_are_read(kind: str, version: str, expected: bool) -> None:
    assert (
        is_read(read_one(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n"))
        is expected
    )


def test_istios_own_gateway_is_another_kind() -> None:
    own = GATEWAY.replace("gateway.networking.k8s.io", "networking.istio.io")
    assert compiled(own)[0] == ()
