from pathlib import Path

import pytest
import yaml
from cloudcoil.models.istio.networking.v1 import VirtualService

from estimator.migration.snippets.path import MovedPath
from estimator.migration.snippets.step import Attachment, Backend, Step
from estimator.migration.snippets.virtual_service import virtual_service
from estimator.routing.files import read_routes
from estimator.routing.request import Request

OLD, NEW = Backend("swarm.example", 8080), Backend("app.shop.svc.cluster.local", 80)
SHOP = Attachment("shop")


@pytest.mark.parametrize(
    ("template", "condition"),
    [
        ("/api/*", {"prefix": "/api/"}),
        ("/cart", {"exact": "/cart"}),
        ("/watch/{id}", {"regex": "/watch/[^/]+"}),
        ("/on", {"exact": "/on"}),
        ("/it's:$1,", {"exact": "/it's:$1,"}),
    ],
)
def test_entry_leads_to_the_weights(template: str, condition: dict[str, str]) -> None:
    path = MovedPath.of(template)
    snippet = virtual_service(Step(path, OLD, NEW, 25, 5), SHOP)
    (entry,) = yaml.safe_load(snippet.preparation)["http"]
    assert entry == {
        "match": [{"uri": condition}],
        "delegate": {"name": path.name, "namespace": "shop"},
    }
    weights = []
    for text in (snippet.text, snippet.rollback):
        tree = yaml.safe_load(text)
        VirtualService.model_validate(tree)
        assert (tree["metadata"]["name"], tree["metadata"]["namespace"]) == (path.name, "shop")
        (route,) = tree["spec"]["http"]
        weights.append(
            {each["destination"]["host"]: each["weight"] for each in route["route"]},
        )
    assert weights == [{OLD.host: 75, NEW.host: 25}, {OLD.host: 95, NEW.host: 5}]


def test_first_line_says_what_the_step_does() -> None:
    text = virtual_service(Step(MovedPath.of("/api/*"), OLD, NEW, 1), SHOP).text
    assert text.splitlines()[0] == (
        "# 1% of /api/* to app.shop.svc.cluster.local:80, the rest to swarm.example:8080."
    )


def test_our_reader_of_routes_finds_the_shares(tmp_path: Path) -> None:
    snippet = virtual_service(Step(MovedPath.of("/watch/{id}"), OLD, NEW, 25, 5), SHOP)
    servers = [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]
    gateway = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": servers},
    }
    site = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "site", "namespace": "shop"},
        "spec": {"hosts": ["*"], "gateways": ["web"], **yaml.safe_load(snippet.preparation)},
    }
    file = tmp_path / "routes.yaml"
    file.write_text("---\n".join((yaml.safe_dump(gateway), yaml.safe_dump(site), snippet.text)))
    (table,) = read_routes([file]).tables
    decision = table.decide(Request("shop.example", "GET", "/watch/1"))
    assert {each.host: each.share for each in decision.destinations} == {
        "swarm.example": 0.75,
        "app.shop": 0.25,
    }
