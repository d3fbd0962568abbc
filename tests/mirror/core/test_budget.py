"""Checks that the budget's ceilings hold, and that reserved bytes are released."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from mirror.core.budget import (
    FIELD_BYTES,
    PIECE_BYTES,
    ByteBudget,
    ceiling_bytes,
    head_bytes,
    heads_ceiling_bytes,
)


def test_budget_admits_up_to_its_ceiling() -> None:
    budget = ByteBudget(10)
    assert budget.admit(6)
    assert budget.admit(4)
    assert budget.held_bytes == 10
    assert not budget.admit(1)


def test_refused_bytes_are_not_held() -> None:
    budget = ByteBudget(10)
    assert not budget.admit(11)
    assert budget.held_bytes == 0


def test_released_bytes_may_be_held_again() -> None:
    budget = ByteBudget(10)
    budget.admit(10)
    budget.release(10)
    assert budget.admit(10)


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans())))
def test_budget_never_holds_more_than_its_ceiling(steps: list[tuple[int, bool]]) -> None:
    budget = ByteBudget(100)
    held: list[int] = []
    for size, is_release in steps:
        if is_release and held:
            budget.release(held.pop())
        elif budget.admit(size):
            held.append(size)
        assert budget.held_bytes == sum(held) <= 100


def test_ceiling_counts_requests_connections_and_legs() -> None:
    expected = (128 << 20) + (8 << 20) + 512 * 1000 + 1536 * 1024
    assert ceiling_bytes(64 << 20, 512, 1536, is_tls=False, head_bytes=1000) == expected
    plain, tls = (ceiling_bytes(0, 10, 0, is_tls, 0) for is_tls in (False, True))
    assert plain < tls


def test_a_head_counts_its_bytes_twice_and_each_field() -> None:
    assert head_bytes(40960, 200) == 2 * 40960 + 200 * FIELD_BYTES
    assert heads_ceiling_bytes(20_000, head_bytes(40960, 200)) < 2.4e9


def test_field_costs_at_most_what_is_charged() -> None:
    """The worst: a name and a value whose objects are rounded up, and their places in the list."""
    two_objects = 2 * (sys.getsizeof(b"") + 15)
    two_places = 2 * 8 * 9 / 8  # a list grows by an eighth more than it needs
    assert two_objects + two_places <= FIELD_BYTES


def test_piece_costs_at_least_its_object_and_its_place() -> None:
    assert sys.getsizeof(b"x") - 1 + 8 <= PIECE_BYTES
