"""Which requests get a shadow: by method, by upgrade, by an exact ratio."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.request_head import RequestHead
from mirror.core.selection import METHOD, RATIO, UPGRADE, Selector

SAFE = ("GET", "HEAD", "OPTIONS")


def head_of(method: bytes, upgrade: bytes = b"") -> RequestHead:
    head = RequestHead(method, 1, keep_alive=True)
    head.upgrade = upgrade
    return head


GET = head_of(b"GET")


def chosen(selector: Selector, requests: int) -> list[int]:
    """How many legs each of so many GETs gets."""
    answers = [selector.choose(GET) for _ in range(requests)]
    return [0 if answer == RATIO else int(answer) for answer in answers]


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_listed_methods_are_mirrored(method: bytes) -> None:
    assert Selector(SAFE, 1.0).choose(head_of(method)) == 1


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"PURGE"])
def test_other_methods_are_not(method: bytes) -> None:
    assert Selector(SAFE, 1.0).choose(head_of(method)) == METHOD


def test_upgrades_are_never_mirrored() -> None:
    assert Selector(SAFE, 1.0).choose(head_of(b"GET", upgrade=b"websocket")) == UPGRADE


def test_what_is_left_out_takes_no_part_in_the_ratio() -> None:
    selector = Selector(SAFE, 0.5)
    answers = [selector.choose(head_of(method)) for method in (b"GET", b"POST", b"PUT", b"GET")]
    assert answers == [RATIO, METHOD, METHOD, 1]


def test_ratio_spreads_legs_evenly() -> None:
    assert chosen(Selector(SAFE, 0.4), 10) == [0, 0, 1, 0, 1, 0, 0, 1, 0, 1]


def test_ratio_above_one_amplifies() -> None:
    assert chosen(Selector(SAFE, 2.5), 4) == [2, 3, 2, 3]


def test_ratio_of_nothing_copies_nothing() -> None:
    assert not any(chosen(Selector(SAFE, 0.0), 100))


@given(st.integers(0, 10_000_000), st.integers(1, 2_000))
def test_legs_are_within_one_of_the_ratio(millionths: int, requests: int) -> None:
    legs = 0
    for number, more in enumerate(chosen(Selector(SAFE, millionths / 1_000_000), requests), 1):
        legs += more
        assert abs(legs - number * millionths / 1_000_000) < 1


def test_same_ratio_gives_same_legs() -> None:
    assert chosen(Selector(SAFE, 0.37), 500) == chosen(Selector(SAFE, 0.37), 500)
