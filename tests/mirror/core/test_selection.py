"""Checks which requests get a shadow leg: by method, by upgrade, and by an exact ratio."""

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


def keyed(field: bytes) -> RequestHead:
    """Return the head of a GET with one additional field."""
    head = head_of(b"GET")
    head.start = b"GET / HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n"
    return head


def user(number: int) -> RequestHead:
    return keyed(b"X-User: %d" % number)


def selected(ratio: float, users: int = 2000) -> set[int]:
    selector = Selector(SAFE, ratio, "header:X-User")
    return {number for number in range(users) if selector.choose(user(number)) != RATIO}


GET = head_of(b"GET")


def chosen(selector: Selector, requests: int) -> list[int]:
    """Return the number of legs of each of this many GETs."""
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


# --- a ratio that changes ---


@given(st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(0, 50)), max_size=10))
def test_changed_ratio_stays_exact(runs: list[tuple[int, int]]) -> None:
    selector = Selector(SAFE, 0.5)
    legs, meant = 0, 0
    for millionths, requests in runs:
        selector.set_ratio(millionths / 1_000_000)
        legs += sum(chosen(selector, requests))
        meant += millionths * requests
        assert meant - 1_000_000 < legs * 1_000_000 <= meant


def test_ratio_in_force_can_be_read() -> None:
    selector = Selector(SAFE, 0.5)
    selector.set_ratio(0.125)
    assert selector.ratio == 0.125


# --- sticky ---


@pytest.mark.parametrize(
    ("sticky", "field"),
    [
        ("header:X-User", b"x-user: 7"),
        ("cookie:uid", b"Cookie: uid=7"),
        ("cookie:uid", b"cookie: muid=1; a=b;uid=7; c"),
    ],
)
def test_same_key_is_chosen_always_or_never(sticky: str, field: bytes) -> None:
    selector = Selector(SAFE, 0.5, sticky)
    answers = {selector.choose(keyed(field)) for _ in range(20)}
    other = Selector(SAFE, 0.5, "header:X-User")
    assert answers == {other.choose(user(7))}, "also at another worker"


def test_sticky_keys_fill_the_ratio() -> None:
    # 2000 draws at 0.3: six standard deviations are 123.
    assert abs(len(selected(0.3)) - 600) < 123


def test_keys_that_look_alike_spread_evenly() -> None:
    selector = Selector(SAFE, 0.1, "header:X-User")
    for prefix in (b"", b"session-", b"0000000000000000"):
        heads = [keyed(b"X-User: %b%d" % (prefix, number)) for number in range(2000)]
        legs = sum(selector.choose(head) != RATIO for head in heads)
        assert abs(legs - 200) < 81  # six standard deviations


def test_higher_ratio_only_adds_keys() -> None:
    steps = [selected(ratio) for ratio in (0.0, 0.01, 0.1, 0.5, 0.99, 1.0)]
    assert all(fewer <= more for fewer, more in zip(steps, steps[1:], strict=False))
    assert (len(steps[0]), len(steps[-1])) == (0, 2000)


def test_sticky_above_one_adds_whole_copies() -> None:
    selector = Selector(SAFE, 2.5, "header:X-User")
    legs = [selector.choose(user(number)) for number in range(2000)]
    assert set(legs) == {2, 3}
    again = selected(0.5)
    assert {number for number in range(2000) if legs[number] == 3} == again


@pytest.mark.parametrize("head", [GET, keyed(b"X-User: "), keyed(b"Y-User: 7")])
def test_request_without_a_key_goes_by_the_accumulator(head: RequestHead) -> None:
    selector = Selector(SAFE, 0.5, "header:X-User")
    assert [selector.choose(head) for _ in range(4)] == [RATIO, 1, RATIO, 1]


@pytest.mark.parametrize("cookies", [b"", b"uid", b"muid=7", b"a=b; uid2=7"])
def test_cookie_of_another_name_is_no_key(cookies: bytes) -> None:
    selector = Selector(SAFE, 0.5, "cookie:uid")
    head = keyed(b"Cookie: " + cookies)
    assert [selector.choose(head) for _ in range(4)] == [RATIO, 1, RATIO, 1]


def test_sticky_leaves_other_reasons_alone() -> None:
    selector = Selector(SAFE, 1.0, "header:X-User")
    assert selector.choose(head_of(b"POST")) == METHOD
    assert selector.choose(head_of(b"GET", upgrade=b"websocket")) == UPGRADE


@pytest.mark.parametrize(
    ("number", "ratio", "answer"),
    [
        # The keys of the first and the last millionth, found by trial.
        (3_352_670, 0.0, RATIO),
        (3_352_670, 0.000_001, 1),
        (594_528, 0.999_999, RATIO),
        (594_528, 1.0, 1),
        (594_528, 1.999_999, 1),
        (594_528, 2.0, 2),
    ],
)
def test_sticky_ratio_has_no_gap_at_its_ends(number: int, ratio: float, answer: int | str) -> None:
    assert Selector(SAFE, ratio, "header:X-User").choose(user(number)) == answer
