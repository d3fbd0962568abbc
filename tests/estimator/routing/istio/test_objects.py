import pytest

from estimator.routing.istio.objects import compile_objects, is_read
from tests.estimator.routing.istio.conftest import (
    GATEWAY,
    decide,
    objects,
    problems_of,
    service,
    taker,
    to,
    warnings_of,
)

WEB = service(f"[{{{to('web')}}}]")


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha3"])
def test_all_versions_are_read(version: str) -> None:
    text = (GATEWAY + WEB).replace("istio.io/v1", f"istio.io/{version}")
    assert taker(decide(text, "a.com/x")) == "web.shop"


def test_unknown_version_is_a_problem() -> None:
    (said,) = problems_of(GATEWAY + WEB.replace("istio.io/v1", "istio.io/v2"))
    assert said.endswith(
        "expected apiVersion networking.istio.io/v1, networking.istio.io/v1beta1,"
        " networking.istio.io/v1alpha3, got networking.istio.io/v2"
    )


def test_object_that_is_given_twice_is_a_problem() -> None:
    (said,) = problems_of(GATEWAY + WEB + WEB)
    assert said.endswith("VirtualService shop/web: expected once, first given in r.yaml:11")


def test_gateway_that_is_missing_is_assumed_and_said() -> None:
    decision = decide(WEB, "a.com/x")
    assert taker(decision) == "web.shop"
    (doubt,) = decision.not_understood
    assert doubt == (
        "r.yaml:3: VirtualService shop/web: Gateway edge/gw is not among these files;"
        " it is judged as if it admitted every host for HTTP on port 80"
    )
    items, _ = objects(WEB)
    (table,) = compile_objects(items, 8443)
    assert table.port == 8443


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (GATEWAY + service("[]", more=""), "names no gateway, so it counts for sidecars only"),
        (
            GATEWAY.replace('"*"', "b.com") + WEB,
            "no server for HTTP of edge/gw admits its host a.com",
        ),
        (
            GATEWAY + WEB.replace("http:", "exportTo: ['.']\n  http:"),
            "is not exported to edge, where Gateway edge/gw is",
        ),
        (
            GATEWAY + service(f"[{{match: [{{sourceLabels: {{app: web}}}}], {to('a')}}}]"),
            "http[0].match[0]: asks where a request comes from; it counts only where the gateway's"
            " own selector and namespace fit",
        ),
        (
            GATEWAY + WEB + WEB.replace("name: web", "name: api"),
            "shares the host a.com with VirtualService shop/api; which of them comes first is"
            " undefined, because it depends on their creation",
        ),
    ],
)
def test_warnings(text: str, warning: str) -> None:
    (said,) = warnings_of(text)
    assert said.startswith("r.yaml:")
    assert said.endswith(warning)


def test_what_routes_elsewhere_is_not_read() -> None:
    items, _ = objects(GATEWAY + "---\n{apiVersion: v1, kind: Service, metadata: {name: s}}")
    assert [is_read(item) for item in items] == [True, False]
