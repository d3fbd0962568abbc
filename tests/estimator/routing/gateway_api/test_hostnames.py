"""Tests estimator.routing.gateway_api.hostnames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.routing.gateway_api.hostnames import covers, intersection, is_isolated

LABELS = st.sampled_from(["a", "b", "shop"])
HOSTS = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
HOSTNAMES = st.one_of(HOSTS, HOSTS.map(lambda host: f"*.{host}"), st.just("*"))


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a.example.com", "a.example.com", True),
        ("a.example.com", "b.example.com", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "*.a.example.com", True),
        ("*.a.example.com", "*.example.com", False),
        ("*", "*.example.com", True),
        ("*.example.com", "*", False),
        ("a.example.com", "*.example.com", False),
    ],
)
def test_a_wildcard_covers_what_ends_like_it(wide: str, narrow: str, expected: bool) -> None:
    assert covers(wide, narrow) is expected


@given(HOSTNAMES, HOSTNAMES, HOSTS)
def test_intersection_stands_for_the_hosts_of_both(one: str, other: str, host: str) -> None:
    both = intersection(one, other)
    assert both == intersection(other, one)
    is_in_both = covers(one, host) and covers(other, host)
    assert is_in_both is (both is not None and covers(both, host))


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
