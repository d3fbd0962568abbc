import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.migration.switch_plan.warm_up import lag_alone_s, warm_up
from estimator.model.policy import Policy

POLICY = Policy(pod_start_s=60, scrape_interval_s=15)


def test_worked_warm_up_of_the_docstring() -> None:
    before = warm_up(50, 25, 1000, POLICY)
    assert before.ratio == pytest.approx(1 / 3)
    assert (before.pin_s, before.mirror_s, before.total_s) == (75, 300, 375)
    assert before.copies == 0.25 * 1000 * 300


def test_worked_lag_of_the_docstring() -> None:
    assert lag_alone_s(2, 14, POLICY) == 120
    assert lag_alone_s(2, 6, POLICY) == 90
    # From 4 on, doubling is as much as four more, and then more.
    assert lag_alone_s(40, 80, POLICY) == 90


def test_replicas_that_are_there_take_no_time() -> None:
    assert lag_alone_s(5, 5, POLICY) == lag_alone_s(5, 2, POLICY) == 0


@given(st.integers(0, 99), st.integers(1, 100))
def test_copies_fill_the_share_of_the_step(before: int, more: int) -> None:
    percent = min(100, before + more)
    ratio = warm_up(percent, before, 1000, POLICY).ratio
    assert before / 100 + (1 - before / 100) * ratio == pytest.approx(percent / 100)
    assert 0 < ratio <= 1
    of_all = warm_up(percent, before, 1000, POLICY, sees_all=True).ratio
    assert before / 100 + of_all == pytest.approx(percent / 100)


def test_last_step_needs_a_copy_of_everything_that_is_left() -> None:
    assert warm_up(100, 50, 1000, POLICY).ratio == 1


def test_slow_scrapes_lengthen_the_mirror() -> None:
    assert warm_up(1, 0, 1000, Policy(scrape_interval_s=600)).mirror_s == 615


@pytest.mark.parametrize(("rps", "is_judgeable"), [(333, False), (334, True)])
def test_p99_needs_a_thousand_copies(rps: float, is_judgeable: bool) -> None:
    assert warm_up(1, 0, rps, POLICY).is_judgeable is is_judgeable
