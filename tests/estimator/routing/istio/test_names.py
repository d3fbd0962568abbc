import pytest

from estimator.routing.istio.names import (
    for_namespace,
    full_host,
    gateway_key,
    intersection,
    is_cut_short,
    is_exported,
    is_hostname,
    is_subset,
    server_hosts,
    service,
)


@pytest.mark.parametrize(
    ("narrow", "wide", "is_within"),
    [
        ("a.com", "a.com", True),
        ("a.com", "b.com", False),
        ("a.com", "*", True),
        ("a.com", "*.com", True),
        ("*.a.com", "*.com", True),
        ("*.com", "*.a.com", False),
        ("*.com", "a.com", False),
        ("a.com", "*.a.com", False),
    ],
)
def test_subset(narrow: str, wide: str, is_within: bool) -> None:
    assert is_subset(narrow, wide) is is_within


def test_intersection_keeps_the_narrower_form_of_each() -> None:
    assert intersection(["*.com", "b.net"], ["a.com", "*.net", "c.org"]) == ("a.com", "b.net")
    assert intersection(["a.com"], ["b.com"]) == ()


def test_hosts_of_a_server_belong_to_namespaces() -> None:
    hosts = server_hosts(["a.com", "./b.com", "*/c.com", "shop/d.com"], "edge")
    assert hosts == ("a.com", "edge/b.com", "c.com", "shop/d.com")
    assert list(for_namespace(hosts, "shop")) == ["a.com", "c.com", "d.com"]
    assert server_hosts(["a.com", "*/*"], "edge") == ("*",)


@pytest.mark.parametrize(
    ("host", "is_cut"),
    [
        ("web.shop", True),
        ("web.shop.svc", True),
        ("web.shop.svc.cluster.local", False),
        ("web", False),
        ("a.com", False),
    ],
)
def test_names_of_services_that_are_cut_short(host: str, is_cut: bool) -> None:
    assert is_cut_short(host, {"shop"}) is is_cut


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("*", True),
        ("*.a.com", True),
        ("*-x.a.com", True),
        ("a", True),
        ("a_b.com", True),
        ("10.0.0.1", True),
        ("::1", True),
        ("a.com:80", False),
        ("a.*", False),
        ("http://a.com", False),
        ("", False),
    ],
)
def test_hostnames(host: str, is_one: bool) -> None:
    assert is_hostname(host) is is_one


def test_short_names_are_services_of_the_namespace() -> None:
    assert full_host("web", "shop") == "web.shop.svc.cluster.local"
    assert [full_host(host, "shop") for host in ("*", "a.com", "::1")] == ["*", "a.com", "::1"]
    assert service("web", "shop") == service("web.shop.svc.cluster.local", "x") == "web.shop"
    assert service("a.com", "shop") == "a.com"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("gw", ("shop", "gw")),
        ("edge/gw", ("edge", "gw")),
        ("./gw", ("shop", "gw")),
        ("gw.edge.svc.cluster.local", ("edge", "gw")),
        ("gw.edge", ("edge", "gw")),
    ],
)
def test_names_of_gateways(name: str, key: tuple[str, str]) -> None:
    assert gateway_key(name, "shop") == key


@pytest.mark.parametrize(
    ("export_to", "is_visible"),
    [([], True), (["*"], True), (["."], False), (["edge"], True), (["x", "."], False)],
)
def test_exports(export_to: list[str], is_visible: bool) -> None:
    assert is_exported(export_to, "shop", "edge") is is_visible
    assert is_exported(["."], "shop", "shop")
