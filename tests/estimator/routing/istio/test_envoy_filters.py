import pytest

from estimator.routing.istio.envoy_filters import patches
from tests.estimator.routing.istio.conftest import objects


def said(patch: str) -> list[str]:
    items, _ = objects(
        "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter,"
        f" metadata: {{name: f, namespace: edge}}, spec: {{configPatches: [{patch}]}}}}"
    )
    return list(patches(items))


@pytest.mark.parametrize(
    "patch",
    [
        "{applyTo: HTTP_FILTER, patch: {operation: INSERT_FIRST, value: {}}}",
        "{applyTo: VIRTUAL_HOST, patch: {operation: MERGE, value: {rate_limits: [{a: b}]}}}",
        "{applyTo: HTTP_ROUTE, patch: {operation: MERGE, value: {route: {timeout: 1s}}}}",
        "text",
    ],
)
def test_patch_that_leaves_routes_alone_is_no_doubt(patch: str) -> None:
    assert said(patch) == []


@pytest.mark.parametrize(
    ("patch", "kind"),
    [
        ("{applyTo: VIRTUAL_HOST, patch: {operation: REMOVE}}", "VIRTUAL_HOST"),
        (
            "{applyTo: HTTP_ROUTE, patch: {operation: MERGE, value: {route: {cluster: c}}}}",
            "HTTP_ROUTE",
        ),
        (
            "{applyTo: ROUTE_CONFIGURATION, patch: {operation: MERGE, value:"
            " {virtual_hosts: [{domains: [a]}]}}}",
            "ROUTE_CONFIGURATION",
        ),
    ],
)
def test_patch_that_may_change_routes_is_named(patch: str, kind: str) -> None:
    assert said(patch) == [f"r.yaml:1: EnvoyFilter edge/f: configPatches[0] patches {kind}"]


def test_filter_without_patches_is_read() -> None:
    items, _ = objects(
        "{apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter,"
        " metadata: {name: f}, spec: []}"
    )
    assert list(patches(items)) == []
