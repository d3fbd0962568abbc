"""Tests estimator.routing.gateway_api.objects."""

from estimator.routing.decision import Outcome
from estimator.routing.gateway_api.objects import compile_objects
from tests.estimator.routing.gateway_api.conftest import (
    GATEWAY,
    compiled,
    decide,
    objects,
    problems_of,
    request,
    route,
)

ROUTE = route("rules: [{backendRefs: [{name: a, port: 80}]}]")
OTHER = "rules: [{backendRefs: [{name: a, namespace: other, port: 80}]}]"
GRANT = """
---
kind: ReferenceGrant
metadata: {name: grant, namespace: other}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}]
  to: [{group: '', kind: Service, name: a}]
"""


def test_a_route_and_its_gateway_make_a_table() -> None:
    decision = decide(GATEWAY + ROUTE, "a.com/x")
    assert decision.outcome is Outcome.FORWARDED
    assert str(decision.rule and decision.rule.place) == (
        "routes.yaml:15: HTTPRoute shop/web, rules[0]"
    )
    assert decision.not_understood == ()
    assert compiled(GATEWAY + ROUTE).warnings == ()


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
    namespace = "---\nkind: Namespace\nmetadata: {name: shop, labels: {team: red}}\n"
    assert decide(gateway + attached, "a.com/").not_understood
    assert not decide(gateway + attached + namespace, "a.com/").not_understood
    blue = namespace.replace("red", "blue")
    assert decide(gateway + attached + blue, "a.com/").outcome is Outcome.REJECTED


def test_the_class_of_a_gateway_may_be_istios_by_its_controller() -> None:
    gateway = GATEWAY.replace("gatewayClassName: istio", "gatewayClassName: edge")
    own = "---\nkind: GatewayClass\nmetadata: {name: edge}\nspec: {controllerName: %s}\n"
    assert len(compiled(gateway).warnings) == 1
    assert compiled(gateway + own % "istio.io/gateway-controller").warnings == ()
    assert len(compiled(gateway + own % "example.com/other").warnings) == 1


def test_a_gateway_that_is_missing_is_assumed_and_doubted() -> None:
    text = route(
        "parentRefs: [{name: edge, namespace: infra}]\n" + OTHER.replace("other", "shop")
    ) + route("parentRefs: [{name: edge, namespace: infra, sectionName: b, port: 8080}]", "b")
    first, second = compiled(text).tables
    assert (first.gateway, first.namespace, first.port, second.port) == ("edge", "infra", 80, 8080)
    decision = first.decide(request("a.com/"))
    assert decision.outcome is Outcome.FORWARDED
    assert decision.not_understood == (
        "routes.yaml:6: HTTPRoute shop/web, parentRefs[0]: Gateway infra/edge is not among these"
        " files; it is judged as if it admitted every route for HTTP on port 80, 8080",
    )


def test_what_is_not_judged_is_named() -> None:
    grpc = "---\nkind: GRPCRoute\nmetadata: {name: rpc, namespace: shop}\n"
    (warning,) = compiled(GATEWAY + ROUTE + grpc).warnings
    assert warning.startswith("routes.yaml:17: GRPCRoute shop/rpc: is not judged")


def test_warnings_of_all_objects_are_collected() -> None:
    odd = GATEWAY.replace("istio", "nginx") + route("parentRefs: [{name: web, port: 81}]")
    assert [warning.split(": ")[1].split(",")[0] for warning in compiled(odd).warnings] == [
        "Gateway shop/web",
        "HTTPRoute shop/web",
        "HTTPRoute shop/web",
    ]


def test_problems_of_all_objects_are_reported_at_once() -> None:
    some = objects(
        GATEWAY.replace("port: 80", "port: 0")
        + route("rules: [{matches: [{path: {value: a}}]}]")
        + GRANT.replace("namespace: shop}", "}")
    )
    compile_objects(some)
    assert [problem.split(": ")[1] for problem in problems_of(*some)] == [
        "spec.from[0].namespace",
        "spec.rules[0].matches[0].path.value",
        "spec.listeners[0].port",
    ]
