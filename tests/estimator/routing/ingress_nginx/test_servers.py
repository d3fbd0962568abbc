from tests.estimator.routing.ingress_nginx.conftest import decide, ingress, path, routes_of, taker


def test_the_oldest_ingress_keeps_a_path() -> None:
    young = ingress(path("/", "young"), name="a", created="2026-02-01T00:00:00Z")
    old = ingress(path("/", "old"), name="b", created="2026-01-01T00:00:00Z")
    routes = routes_of(young, old)
    assert taker(routes, "a.com/") == "old /"
    assert decide(routes, "a.com/").not_understood == ()


def test_an_unknown_age_is_a_doubt() -> None:
    routes = routes_of(ingress(path("/", "one"), name="a"), ingress(path("/", "two"), name="b"))
    assert taker(routes, "a.com/") == "two /"
    (doubt,) = decide(routes, "a.com/").not_understood
    assert "has the path / of Ingress shop/b, too" in doubt


def test_aliases_are_names_of_the_server() -> None:
    routes = routes_of(ingress(path("/", "one"), asked={"server-alias": "b.com, C.com"}))
    assert taker(routes, "c.com/") == "one /"


def test_an_alias_that_is_a_pattern_is_warned_of() -> None:
    (warning,) = routes_of(ingress(path("/", "one"), asked={"server-alias": "*.b.com"})).warnings
    assert "the server-alias *.b.com is a pattern, which is not judged" in warning


def test_a_host_of_its_own_is_no_alias() -> None:
    routes = routes_of(
        ingress(path("/", "one"), asked={"server-alias": "b.com"}),
        ingress(path("/", "two"), name="b", host="b.com"),
    )
    assert taker(routes, "b.com/") == "two /"


def test_the_default_backend_of_an_ingress_serves_the_rest_of_its_hosts() -> None:
    more = "defaultBackend: {service: {name: rest, port: {number: 80}}}"
    routes = routes_of(ingress(path("/a", "one"), more=more))
    assert taker(routes, "a.com/b") == "rest /b"


def test_an_ingress_without_rules_serves_all_other_hosts() -> None:
    catch_all = """
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: all, namespace: shop}
spec: {defaultBackend: {service: {name: all, port: {number: 80}}}}
"""
    routes = routes_of(ingress(path("/a", "one")), catch_all)
    assert taker(routes, "b.com/x") == "all /x"
    assert taker(routes, "a.com/x") == "404"


def test_a_canary_is_not_judged() -> None:
    canary = ingress(path("/", "new"), name="c", asked={"canary": "true", "canary-weight": "10"})
    routes = routes_of(ingress(path("/", "one"), path("/b", "two")), canary)
    assert taker(routes, "a.com/x") == "one /x"
    assert "annotation canary" in decide(routes, "a.com/x").not_understood[0]
    assert decide(routes, "a.com/b").not_understood == ()


def test_a_server_snippet_is_named_for_each_request_of_the_host() -> None:
    routes = routes_of(ingress(path("/", "one"), asked={"server-snippet": "return 418;"}))
    assert "server-snippet" in decide(routes, "a.com/x").not_understood[0]


def test_the_redirect_to_www_is_not_judged() -> None:
    routes = routes_of(ingress(path("/", "one"), asked={"from-to-www-redirect": "true"}))
    assert "from-to-www-redirect is not judged" in decide(routes, "www.a.com/").why
    assert taker(routes, "a.com/") == "one /"
