from pathlib import Path

import pytest
import yaml

from estimator.migration.snippets.http_route import http_route
from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Attachment, Backend, Step
from estimator.routing.files import read_routes
from estimator.routing.request import Request

OLD, NEW = Backend("swarm", 8080), Backend("app.blue.svc.cluster.local", 80)
SAME = Backend("app", 80)
SHOP = Attachment("shop", "web", "ingress", ("shop.example",))


@pytest.mark.parametrize(
    ("template", "match"),
    [
        ("/api/*", {"type": "PathPrefix", "value": "/api/"}),
        ("/cart", {"type": "Exact", "value": "/cart"}),
        ("/watch/{id}", {"type": "RegularExpression", "value": "/watch/[^/]+"}),
    ],
)
def test_route_of_one_path(template: str, match: dict[str, str]) -> None:
    path = MovedPath.of(template)
    snippet = http_route(Step(path, OLD, NEW, 25, 5), SHOP)
    tree = yaml.safe_load(snippet.text)
    assert tree["metadata"] == {"name": path.name, "namespace": "shop"}
    assert tree["spec"] == {
        "parentRefs": [{"name": "web", "namespace": "ingress"}],
        "hostnames": ["shop.example"],
        "rules": [
            {
                "matches": [{"path": match}],
                "backendRefs": [
                    {"name": "swarm", "port": 8080, "weight": 75},
                    {"name": "app", "namespace": "blue", "port": 80, "weight": 25},
                ],
            }
        ],
    }
    (rule,) = yaml.safe_load(snippet.rollback)["spec"]["rules"]
    assert [each["weight"] for each in rule["backendRefs"]] == [95, 5]


def test_head_says_what_else_has_to_be_true() -> None:
    def head(template: str, new: Backend = SAME) -> str:
        text = http_route(Step(MovedPath.of(template), OLD, new, 5), SHOP).text
        return " ".join(line[2:] for line in text.splitlines() if line.startswith("#"))

    assert "the older one wins" in head("/cart")
    assert "/api moves with /api/" in head("/api/*")
    assert "slash at the end" not in head("/*")
    assert "after every prefix" in head("/watch/{id}")
    assert "ReferenceGrant in blue has to allow HTTPRoutes of shop" in head("/cart", NEW)
    assert "ReferenceGrant" not in head("/cart")


@pytest.mark.parametrize("host", ["10.0.0.1", "[::1]", "shop.example.com", "1app"])
def test_backend_has_to_be_a_service(host: str) -> None:
    with pytest.raises(ValueError, match="expected a Service"):
        http_route(Step(MovedPath.of("/cart"), OLD, Backend(host, 80), 5), SHOP)


def test_hosts_may_be_those_of_the_gateway() -> None:
    tree = yaml.safe_load(http_route(Step(MovedPath.of("/"), OLD, NEW, 5), Attachment()).text)
    assert "hostnames" not in tree["spec"]


def test_our_reader_of_routes_finds_the_shares(tmp_path: Path) -> None:
    listeners = [
        {
            "name": "http",
            "port": 80,
            "protocol": "HTTP",
            "allowedRoutes": {"namespaces": {"from": "All"}},
        }
    ]
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web", "namespace": "ingress"},
        "spec": {"gatewayClassName": "istio", "listeners": listeners},
    }
    grant = {
        "apiVersion": "gateway.networking.k8s.io/v1beta1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "shop", "namespace": "blue"},
        "spec": {
            "from": [
                {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "shop"}
            ],
            "to": [{"group": "", "kind": "Service"}],
        },
    }
    text = http_route(Step(MovedPath.of("/api/*"), OLD, NEW, 25, 5), SHOP).text
    file = tmp_path / "routes.yaml"
    file.write_text("---\n".join((yaml.safe_dump(gateway), yaml.safe_dump(grant), text)))
    (table,) = read_routes([file]).tables
    decision = table.decide(Request("shop.example", "GET", "/api/x"))
    assert {(each.host, each.port): each.share for each in decision.destinations} == {
        ("swarm.shop", 8080): 0.75,
        ("app.blue", 80): 0.25,
    }
