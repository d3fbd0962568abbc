"""Tests estimator.routing.gateway_api.backends."""

import pytest

from estimator.routing.gateway_api.backends import Backend, Grant, destinations, read_backends
from estimator.routing.rules import Destination
from tests.estimator.routing.gateway_api.conftest import part, problems_of


def read(refs: str, *grants: Grant) -> list[Backend]:
    rule = part(f"backendRefs: {refs}\n")
    backends = read_backends(rule, "shop", grants)
    assert not problems_of(rule)
    return backends


def test_shares_follow_the_weights() -> None:
    shares, doubts = destinations(
        read(
            "[{name: a, port: 80, weight: 3}, {name: b, port: 81}, {name: c, port: 82, weight: 0}]"
        )
    )
    assert shares == (Destination("a.shop", 80, 0.75), Destination("b.shop", 81, 0.25))
    assert doubts == ()


@pytest.mark.parametrize(
    "refs", ["[]", "[{name: a, port: 80, weight: 0}]", "[{name: a, kind: Bucket, group: b.com}]"]
)
def test_without_a_valid_backend_nothing_gets_the_requests(refs: str) -> None:
    assert destinations(read(refs)) == ((), ())


def test_the_share_of_an_unknown_kind_is_doubted() -> None:
    shares, (doubt,) = destinations(
        read("[{name: a, port: 80}, {name: b, kind: Bucket, group: b.com, weight: 3}]")
    )
    assert [share.share for share in shares] == [0.25, 0.75]
    assert doubt == (
        "routes.yaml:5: HTTPRoute default/web, backendRefs[1]: b.com/Bucket is no kind that Istio"
        " routes to; its share of 0.75 is answered with 500"
    )


def test_another_namespace_needs_a_grant() -> None:
    refs = "[{name: a, namespace: other, port: 80}]"
    shares, (doubt,) = destinations(read(refs))
    assert shares == (Destination("a.other", 80, 1.0),)
    assert "no ReferenceGrant among these files allows HTTPRoutes of shop to use it" in doubt
    assert destinations(read(refs, Grant("shop", "other", None)))[1] == ()
    assert destinations(read(refs, Grant("shop", "other", "a")))[1] == ()
    for grant in (
        Grant("shop", "other", "b"),
        Grant("shop", "third", None),
        Grant("x", "other", "a"),
    ):
        assert destinations(read(refs, grant))[1]


def test_kinds_that_istio_routes_to() -> None:
    backends = read(
        "[{name: a, kind: ServiceImport, group: multicluster.x-k8s.io, port: 80},"
        " {name: a.example.com, kind: Hostname, group: networking.istio.io, port: 443},"
        " {name: pool, kind: InferencePool, group: inference.networking.k8s.io}]"
    )
    assert [backend.host for backend in backends] == ["a.shop", "a.example.com", "pool.shop"]
    assert all(backend.is_valid for backend in backends)
    assert [bool(backend.doubt) for backend in backends] == [False, False, True]


@pytest.mark.parametrize(
    ("ref", "expected"),
    [
        ("{name: a}", "backendRefs[0].port: missing; expected a whole number from 1 to 65535"),
        ("{port: 80}", "backendRefs[0].name: missing"),
        ("{name: a, port: 80, weight: -1}", "weight: expected a whole number from 0 to 1000000"),
        ("{name: a, port: 80, weight: 1000001}", "weight: expected a whole number from 0 to"),
        ("{name: a.shop.svc, port: 80}", "name: expected the name of a Service"),
        ("{name: a, port: http}", "port: expected a whole number"),
        ("{name: a, port: 80, subset: v1}", "subset: unknown key"),
        (
            "{name: a.b, kind: Hostname, group: networking.istio.io, port: 80, namespace: x}",
            "namespace: expected no namespace with the kind Hostname",
        ),
    ],
)
def test_references_that_the_schema_or_istio_refuses(ref: str, expected: str) -> None:
    rule = part(f"backendRefs: [{ref}]\n")
    read_backends(rule, "shop", [])
    (problem,) = problems_of(rule)
    assert expected in problem
