from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.routing.files import Routes, read_routes
from estimator.routing.paths import Normalization
from estimator.routing.request import Request

ISTIO = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: edge}
spec:
  servers:
  - {port: {number: 80, protocol: HTTP, name: a}, hosts: ["*"]}
  - {port: {number: 8080, protocol: HTTP, name: b}, hosts: ["*"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [a.com]
  gateways: [edge/gw]
  http: [{route: [{destination: {host: web}}]}]
---
{apiVersion: v1, kind: Service, metadata: {name: web}}
"""
GATEWAY_API = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: other, namespace: edge}
spec:
  gatewayClassName: istio
  listeners: [{name: http, port: 80, protocol: HTTP}]
"""


def read(folder: Path, text: str, gateway: str | None = None, port: int | None = None) -> Routes:
    (folder / "r.yaml").write_text(text)
    return read_routes([folder], gateway, port)


def problems(folder: Path, text: str, gateway: str | None = None, port: int | None = None) -> str:
    with pytest.raises(InputError) as error:
        read(folder, text, gateway, port)
    return str(error.value).replace(f"{folder}", "DIR")


def test_both_kinds_of_objects_are_read(tmp_path: Path) -> None:
    routes = read(tmp_path, f"{ISTIO}---\n{GATEWAY_API}")
    assert [(table.gateway, table.port) for table in routes.tables] == [
        ("gw", 80),
        ("gw", 8080),
        ("other", 80),
    ]
    assert routes.left_out == {"Service (v1)": 1}


@pytest.mark.parametrize("name", ["gw", "edge/gw"])
def test_gateway_and_port_are_chosen(tmp_path: Path, name: str) -> None:
    (table,) = read(tmp_path, f"{ISTIO}---\n{GATEWAY_API}", name, 8080).tables
    assert (table.gateway, table.port) == ("gw", 8080)


def test_gateway_that_does_not_exist_is_named_with_those_that_do(tmp_path: Path) -> None:
    assert problems(tmp_path, ISTIO, "no", 81) == (
        "DIR: expected one of edge/gw port 80, edge/gw port 8080, got gateway no and port 81"
    )


def test_files_without_routes_are_a_problem(tmp_path: Path) -> None:
    text = "{apiVersion: v1, kind: Service, metadata: {name: web}}"
    assert problems(tmp_path, text) == (
        "DIR: expected a Gateway with a port for HTTP, or a VirtualService or HTTPRoute of one,"
        " got 1 Service (v1)"
    )


def test_routes_for_sidecars_only_are_named_where_nothing_else_is(tmp_path: Path) -> None:
    text = ISTIO.split("---")[1].replace("  gateways: [edge/gw]\n", "")
    said = problems(tmp_path, text)
    assert "got DIR/r.yaml:2: VirtualService shop/web: names no gateway" in said
    many = "---".join(text.replace("name: web,", f"name: web{n},") for n in range(7))
    assert problems(tmp_path, many).endswith("; 2 more")


def test_object_that_routes_needs_a_name(tmp_path: Path) -> None:
    said = problems(tmp_path, ISTIO.replace("{name: web, namespace: shop}", "{namespace: shop}"))
    assert said == "DIR/r.yaml:9: VirtualService shop/: expected metadata with name"


def test_problems_of_all_files_are_listed_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("{{ template }}")
    text = (
        ISTIO.replace("hosts: [a.com]", "hostz: [a.com]")
        + "---\n"
        + ("{apiVersion: networking.k8s.io/v1, kind: VirtualService, metadata: {name: x}}")
    )
    assert problems(tmp_path, text).splitlines() == [
        "DIR/a.yaml:1: is a template that is not rendered; expected the output of `helm template`",
        "DIR/r.yaml:19: VirtualService default/x: expected an apiVersion of networking.istio.io,"
        " got networking.k8s.io/v1",
        "DIR/r.yaml:13: VirtualService shop/web, hostz: unknown key; expected one of hosts,"
        " gateways, http, tls, tcp, exportTo",
        "DIR/r.yaml:14: VirtualService shop/web, gateways: expected no gateways at a delegate,"
        " which has no hosts",
    ]


def test_paths_are_normalised_as_the_mesh_is_configured(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(ISTIO)
    table = read_routes([tmp_path], None, 80, Normalization.MERGE_SLASHES).tables[0]
    assert table.decide(Request("a.com", "GET", "/a//b")).target == "/a/b"


def test_patch_of_routes_is_a_doubt_about_every_table(tmp_path: Path) -> None:
    patch = """---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: f, namespace: edge}
spec: {configPatches: [{applyTo: HTTP_ROUTE, patch: {operation: REMOVE}}]}
"""
    routes = read(tmp_path, f"{ISTIO}{patch}---\n{GATEWAY_API}")
    (doubt,) = {doubt for table in routes.tables for doubt in table.not_understood}
    assert doubt.endswith("r.yaml:19: EnvoyFilter edge/f: configPatches[0] patches HTTP_ROUTE")
    assert "EnvoyFilter (networking.istio.io/v1alpha3)" in routes.left_out
