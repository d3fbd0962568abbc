"""Tests estimator.routing.gateway_api.hostnames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.routing.gateway_api.hostnames import intersection, is_isolated
from estimator.routing.istio.names import is_subset

LABELS = st.sampled_from(["a", "b", "shop"])
HOSTS = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
HOSTNAMES = st.one_of(HOSTS, HOSTS.map(lambda host: f"*.{host}"), st.just("*"))


@given(HOSTNAMES, HOSTNAMES, HOSTS)
def test_intersection_stands_for_the_hosts_of_both(one: str, other: str, host: str) -> None:
    both = intersection(one, other)
    assert both == intersection(other, one)
    is_in_both = is_subset(host, one) and is_subset(host, other)
    assert is_in_both is (both is not None and is_subset(host, both))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("*.example.com", "a.b.example.com", "a.b.example.com"),
        ("*.example.com", "*.b.example.com", "*.b.example.com"),
        ("*.example.com", "example.com", None),
        ("*", "*", "*"),
        ("a.com", "b.com", None),
    ],
)
def test_the_narrower_hostname_is_the_intersection(
    one: str, other: str, expected: str | None
) -> None:
    assert intersection(one, other) == intersection(other, one) == expected


@pytest.mark.parametrize(
    ("route_host", "listener", "other", "expected"),
    [
        # The narrower listener owns what the route names.
        ("a.example.com", "*", "*.example.com", True),
        ("a.example.com", "*.example.com", "a.example.com", True),
        # The wide listener keeps what the narrower one does not cover.
        ("a.example.org", "*", "*.example.com", False),
        ("*.example.com", "*.example.com", "a.example.com", False),
        # A wider listener owns nothing of a narrower one's.
        ("a.example.com", "*.example.com", "*", False),
        # The rule does not look at listeners with an exact hostname.
        ("a.example.com", "a.example.com", "*.example.com", False),
    ],
)
def test_a_narrower_listener_owns_its_hosts(
    route_host: str, listener: str, other: str, expected: bool
) -> None:
    assert is_isolated(route_host, listener, [other]) is expected
