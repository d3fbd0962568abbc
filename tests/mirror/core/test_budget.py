"""Ceilings and back-off: what is held is given back, what fails is tried again later."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.budget import ByteBudget, Reachability


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


def test_new_shadow_is_tried_at_once() -> None:
    reachability = Reachability()
    assert reachability.is_up
    assert reachability.admits(0.0)


def test_failure_sheds_until_its_wait_is_over() -> None:
    reachability = Reachability()
    reachability.failed(10.0)
    assert not reachability.is_up
    assert not reachability.admits(10.05)
    assert reachability.admits(10.1)


def test_side_by_side_failures_count_once() -> None:
    reachability = Reachability()
    for _ in range(64):
        reachability.failed(10.0)
    assert reachability.admits(10.1)


def test_waits_double_up_to_a_limit() -> None:
    reachability = Reachability()
    now = 0.0
    waits = []
    for _ in range(8):
        reachability.failed(now)
        before = now
        while not reachability.admits(now):
            now += 0.01
        waits.append(now - before)
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0], abs=0.02)


def test_success_forgets_every_failure() -> None:
    reachability = Reachability()
    for now in (0.0, 1.0, 2.0):
        reachability.failed(now)
    reachability.connected()
    assert reachability.is_up
    assert reachability.admits(2.0)
    reachability.failed(2.0)
    assert not reachability.is_up
    assert reachability.admits(2.1)
