"""Which requests get a shadow: by method, by upgrade, by an exact ratio."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.http1 import HeadFields, RequestHead, read_request_head
from mirror.core.selection import METHOD, UPGRADE, Selector

SAFE = ("GET", "HEAD", "OPTIONS")


def head_of(method: bytes, upgrades: bool = False) -> RequestHead:
    fields = HeadFields()
    fields.add(b"Host", b"a")
    return read_request_head(method, b"/", "1.1", True, upgrades, fields)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_listed_methods_are_mirrored(method: bytes) -> None:
    assert Selector(SAFE, 1.0).refusal(head_of(method)) is None


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PURGE"])
def test_other_methods_are_not(method: bytes) -> None:
    assert Selector(SAFE, 1.0).refusal(head_of(method)) == METHOD


def test_upgrades_are_never_mirrored() -> None:
    assert Selector(SAFE, 1.0).refusal(head_of(b"GET", upgrades=True)) == UPGRADE


def test_ratio_spreads_copies_evenly() -> None:
    selector = Selector(SAFE, 0.4)
    assert [selector.copies() for _ in range(10)] == [0, 0, 1, 0, 1, 0, 0, 1, 0, 1]


def test_ratio_above_one_amplifies() -> None:
    selector = Selector(SAFE, 2.5)
    assert [selector.copies() for _ in range(4)] == [2, 3, 2, 3]


def test_ratio_of_nothing_copies_nothing() -> None:
    assert not any(Selector(SAFE, 0.0).copies() for _ in range(0, 100))


@given(st.integers(0, 10_000_000), st.integers(1, 2_000))
def test_copies_are_within_one_of_the_ratio(millionths: int, requests: int) -> None:
    selector = Selector(SAFE, millionths / 1_000_000)
    copies = 0
    for number in range(1, requests + 1):
        copies += selector.copies()
        assert abs(copies - number * millionths / 1_000_000) < 1


def test_same_ratio_gives_same_copies() -> None:
    first, second = Selector(SAFE, 0.37), Selector(SAFE, 0.37)
    assert [first.copies() for _ in range(500)] == [second.copies() for _ in range(500)]
