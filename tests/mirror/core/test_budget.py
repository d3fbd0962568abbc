"""Checks that the budget's ceilings hold, and that reserved bytes are released."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from mirror.core.budget import PIECE_BYTES, ByteBudget, ceiling_bytes


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
    assert ceiling_bytes(64 << 20, 512, 1536, is_tls=False) == (128 << 20) + (8 << 20) + 1536 * 1024
    plain, tls = (ceiling_bytes(0, 10, 0, is_tls) for is_tls in (False, True))
    assert plain < tls


def test_piece_costs_at_least_its_object_and_its_place() -> None:
    assert sys.getsizeof(b"x") - 1 + 8 <= PIECE_BYTES
