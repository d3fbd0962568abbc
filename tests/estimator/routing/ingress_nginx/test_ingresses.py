from estimator.routing.ingress_nginx.ingresses import EXACT, PREFIX
from tests.estimator.routing.ingress_nginx.conftest import ingress, ingresses_of, path


def problems_of(text: str) -> list[str]:
    return [str(problem) for problem in ingresses_of(text)[1].problems]


def test_paths_know_their_place_and_service() -> None:
    (item,), _ = ingresses_of(ingress(path("/a", "one"), path("/b", "two", "Exact")))
    (rule,) = item.rules
    assert [str(each.service.host) for each in rule.paths] == ["one.shop", "two.shop"]
    assert rule.paths[1].place.part == "rules[0].http.paths[1]"


def test_implementation_specific_is_prefix() -> None:
    text = ingress(path("/a", "one", "ImplementationSpecific"), path("/a", "one", "Exact"))
    (item,), _ = ingresses_of(text)
    assert [each.path_type for each in item.rules[0].paths] == [PREFIX, EXACT]


def test_a_named_port_is_not_known() -> None:
    (item,), _ = ingresses_of(ingress(path("/", "one").replace("number: 80", "name: http")))
    assert item.rules[0].paths[0].service.port is None


def test_tls_and_default_backend_are_read() -> None:
    more = "tls: [{hosts: [a.com]}]\n  defaultBackend: {service: {name: d, port: {number: 1}}}"
    (item,), _ = ingresses_of(ingress(path("/", "one"), more=more))
    assert item.has_tls
    assert item.default is not None
    assert item.default.host == "d.shop"


def test_wrong_fields_are_named_with_their_lines() -> None:
    unknown, missing = problems_of(ingress(path("/", "one").replace("pathType: Prefix", "kind: x")))
    assert unknown.startswith("i.yaml:17")
    assert "unknown key" in unknown
    assert "expected pathType and backend" in missing
    (problem,) = problems_of(ingress(path("a", "one")))
    assert "begins with a slash" in problem


def test_a_backend_without_a_service_is_warned_of() -> None:
    text = ingress("{path: /, pathType: Exact, backend: {resource: {kind: Bucket, name: b}}}")
    items, findings = ingresses_of(text)
    assert items[0].rules[0].paths == ()
    assert "ingress-nginx passes it over" in findings.warnings[0]
