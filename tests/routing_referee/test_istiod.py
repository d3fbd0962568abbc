"""Tests the translation that the referee judges by."""

import pytest

from tests.routing_referee.istiod import intersection, quoted, translate_virtual_services
from tests.routing_referee.istiod_http_routes import translate_http_routes
from tests.routing_referee.rule_sets import Object


def istio(kind: str, name: str, spec: Object) -> Object:
    return {"kind": kind, "metadata": {"name": name, "namespace": "edge"}, "spec": spec}


def gateway(*hosts: str) -> Object:
    port = {"number": 80, "name": "http", "protocol": "HTTP"}
    return istio("Gateway", "gw", {"servers": [{"port": port, "hosts": list(hosts)}]})


def service(name: str, hosts: list[str], *rules: Object) -> Object:
    return istio("VirtualService", name, {"hosts": hosts, "gateways": ["gw"], "http": list(rules)})


def to(name: str, **rule: object) -> Object:
    return {"route": [{"destination": {"host": name}}], **rule}


@pytest.mark.parametrize(
    ("hosts", "others", "shared"),
    [
        (["a.com", "b.com"], ["*.com"], ["a.com", "b.com"]),
        (["*"], ["*.a.com", "b.com"], ["*.a.com", "b.com"]),
        (["*.a.com"], ["a.com"], []),
        (["*.com"], ["*.a.com", "*.com"], ["*.a.com", "*.com"]),
    ],
)
def test_hosts_that_both_cover(hosts: list[str], others: list[str], shared: list[str]) -> None:
    assert intersection(hosts, others) == shared


def test_rules_behind_a_catch_all_are_left_out() -> None:
    rules = [to("a", match=[{"uri": {"prefix": "/a"}}]), to("b"), to("c", match=[{"port": 80}])]
    (host,) = translate_virtual_services(
        [gateway("*"), service("vs", ["*"], *rules)], 80
    ).virtual_hosts()
    matches = [route["match"] for route in host["routes"]]
    assert [match["prefix"] for match in matches] == ["/a", "/"]


def test_a_namespace_restricts_the_hosts_of_a_server() -> None:
    documents = [gateway("shop/*", "./a.com"), service("vs", ["*.com", "a.com"], to("a"))]
    (host,) = translate_virtual_services(documents, 80).virtual_hosts()
    assert host["domains"] == ["a.com"]


def test_two_services_of_one_host_have_no_order() -> None:
    documents = [gateway("*"), service("one", ["a.com"], to("a"))]
    assert not translate_virtual_services(documents, 80).is_order_undefined
    documents.append(service("two", ["b.com", "a.com"], to("b")))
    assert translate_virtual_services(documents, 80).is_order_undefined


def test_a_delegate_with_a_conflicting_path_is_left_out() -> None:
    root = {"match": [{"uri": {"prefix": "/a"}}], "delegate": {"name": "leaf"}}
    leaf = istio(
        "VirtualService",
        "leaf",
        {"http": [to(path, match=[{"uri": {"prefix": path}}]) for path in ("/a/b", "/c")]},
    )
    documents = [gateway("*"), service("vs", ["*"], root), leaf]
    (host,) = translate_virtual_services(documents, 80).virtual_hosts()
    assert [route["match"]["prefix"] for route in host["routes"]] == ["/a/b"]


def test_rules_of_http_routes_are_sorted() -> None:
    paths = [("RegularExpression", "/long-pattern.*"), ("PathPrefix", "/a"), ("Exact", "/")]
    matches = [{"path": {"type": kind, "value": value}} for kind, value in paths]
    backend = {"name": "web", "port": 80}
    spec = {
        "parentRefs": [{"name": "gw"}],
        "rules": [{"matches": matches, "backendRefs": [backend]}],
    }
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    documents = [
        istio("Gateway", "gw", {"listeners": [listener]}),
        istio("HTTPRoute", "route", spec),
    ]
    (host,) = translate_http_routes(documents, 80).virtual_hosts()
    matches = [route["match"] for route in host["routes"]]
    assert [next(iter(match)) for match in matches] == [
        "path",
        "path_separated_prefix",
        "safe_regex",
    ]


def test_quoted_text_has_no_special_characters() -> None:
    assert quoted("/a.b-c~") == r"/a\.b-c~"
