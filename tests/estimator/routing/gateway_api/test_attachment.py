"""Tests estimator.routing.gateway_api.attachment."""

import pytest

from estimator.routing.gateway_api.attachment import Attachments, attach
from estimator.routing.gateway_api.listeners import read_gateway
from estimator.routing.gateway_api.namespaces import Labels
from estimator.routing.gateway_api.routes import read_route
from tests.estimator.routing.gateway_api.conftest import API, problems_of, read_one, route

HTTP = "{name: http, port: 80, protocol: HTTP}"
WIDE = "{name: wide, port: 80, protocol: HTTP}"
NARROW = "{name: narrow, port: 80, protocol: HTTP, hostname: '*.a.com'}"


def attached(
    listeners: str, spec: str, namespace: str = "shop", labels: dict[str, Labels] | None = None
) -> Attachments:
    gateway_fields = read_one(
        f"{API}kind: Gateway\nmetadata: {{name: web, namespace: {namespace}}}\n"
        f"spec: {{gatewayClassName: istio, listeners: [{listeners}]}}\n"
    )
    gateway = read_gateway(gateway_fields, ["istio"])
    route_fields = read_one(route(spec))
    found = read_route(route_fields, [])
    assert not problems_of(gateway_fields) + problems_of(route_fields)
    return attach([found], {gateway.key: gateway}, labels or {})


def names(attachments: Attachments) -> dict[str, tuple[str, ...]]:
    return {one.listener.name: one.hostnames for one in attachments.admitted}


def test_a_route_attaches_to_every_listener_that_fits() -> None:
    found = attached(f"{WIDE}, {NARROW}, {{name: b, port: 81, protocol: HTTP}}", "hostnames: []")
    assert names(found) == {"wide": ("*",), "narrow": ("*",), "b": ("*",)}
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ("sectionName: wide", ["wide"]),
        ("port: 81", ["other"]),
        ("sectionName: wide, port: 80", ["wide"]),
    ],
)
def test_a_parent_names_listeners(parent: str, expected: list[str]) -> None:
    found = attached(
        f"{WIDE}, {{name: other, port: 81, protocol: HTTP}}",
        f"parentRefs: [{{name: web, {parent}}}]",
    )
    assert list(names(found)) == expected


def test_two_parents_may_name_listeners_of_one_gateway() -> None:
    found = attached(
        f"{WIDE}, {NARROW}",
        "parentRefs: [{name: web, sectionName: wide}, {name: web, namespace: shop,"
        " sectionName: narrow}]",
    )
    assert list(names(found)) == ["wide", "narrow"]


def test_hostnames_that_do_not_overlap_are_left_out() -> None:
    found = attached(NARROW, "hostnames: [x.a.com, b.com, x.a.com]")
    assert names(found) == {"narrow": ("x.a.com",)}


def test_a_narrower_listener_keeps_its_hosts() -> None:
    found = attached(f"{WIDE}, {NARROW}", "hostnames: [x.a.com, b.com]")
    assert names(found) == {"wide": ("b.com",), "narrow": ("x.a.com",)}


def test_listeners_of_another_port_or_protocol_own_nothing_here() -> None:
    secure = "{name: s, port: 81, protocol: HTTP, hostname: '*.a.com'}"
    found = attached(f"{WIDE}, {secure}", "hostnames: [x.a.com]")
    assert names(found) == {"wide": ("x.a.com",), "s": ("x.a.com",)}


@pytest.mark.parametrize(
    ("listeners", "spec", "reason"),
    [
        (HTTP, "parentRefs: [{name: web, port: 81}]", "none has the name and the port"),
        (HTTP, "parentRefs: [{name: web, sectionName: x}]", "none has the name and the port"),
        (NARROW, "hostnames: [b.com]", "listener narrow serves *.a.com, and no hostname"),
        ("{name: raw, port: 1, protocol: TCP}", "hostnames: []", "raw has the protocol TCP"),
        (
            "{name: g, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}",
            "hostnames: []",
            "listener g does not allow routes of kind HTTPRoute",
        ),
        (
            f"{WIDE}, {NARROW}",
            "hostnames: [x.a.com]\nparentRefs: [{name: web, sectionName: wide}]",
            "listener wide leaves x.a.com to a listener with a narrower hostname",
        ),
    ],
)
def test_a_route_without_a_listener_is_named_with_the_reason(
    listeners: str, spec: str, reason: str
) -> None:
    found = attached(listeners, spec)
    assert found.admitted == ()
    refusal, rejected = found.warnings
    assert refusal.startswith("routes.yaml:") and "HTTPRoute shop/web, parentRefs[0]: no" in refusal
    assert reason in refusal
    assert rejected == (
        "routes.yaml:2: HTTPRoute shop/web: is attached to no listener; its requests are rejected"
    )


def test_a_foreign_namespace_is_refused_by_default() -> None:
    found = attached(HTTP, "parentRefs: [{name: web, namespace: infra}]", namespace="infra")
    assert "listener http does not allow routes of namespace shop" in found.warnings[0]


SELECTS = (
    "{name: http, port: 80, protocol: HTTP, allowedRoutes:"
    " {namespaces: {from: Selector, selector: {matchLabels: {team: red}}}}}"
)


def test_labels_that_are_not_known_are_doubted() -> None:
    spec = "parentRefs: [{name: web, namespace: infra}]"
    (one,) = attached(SELECTS, spec, "infra").admitted
    assert one.doubt.startswith(
        "routes.yaml:4: Gateway infra/web, listeners[0]: selects namespaces"
    )
    (one,) = attached(SELECTS, spec, "infra", {"shop": {"team": "red"}}).admitted
    assert one.doubt == ""
    assert not attached(SELECTS, spec, "infra", {"shop": {"team": "blue"}}).admitted


@pytest.mark.parametrize(
    ("parent", "expected"),
    [
        ("{name: a, kind: Service, group: ''}", "Service shop/a is a parent within the mesh"),
        (
            "{name: a, kind: ServiceEntry, group: networking.istio.io}",
            "ServiceEntry shop/a is a parent within the mesh",
        ),
        ("{name: a, kind: ListenerSet}", "a parent of kind ListenerSet is not judged"),
        ("{name: other}", "Gateway shop/other is not among these files"),
    ],
)
def test_parents_that_are_no_gateway_here(parent: str, expected: str) -> None:
    found = attached(HTTP, f"parentRefs: [{parent}]")
    assert found.admitted == ()
    assert expected in found.warnings[0]


def test_a_second_parent_may_attach_the_route() -> None:
    found = attached(HTTP, "parentRefs: [{name: other}, {name: web}]")
    assert len(found.admitted) == len(found.warnings) == 1


def test_a_route_without_parents_is_rejected() -> None:
    found = attached(HTTP, "parentRefs: []")
    assert len(found.warnings) == 1 and "is attached to no listener" in found.warnings[0]
