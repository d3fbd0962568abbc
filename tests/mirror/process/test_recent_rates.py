"""Checks the rates that are kept: late counts, incomplete seconds and the two means."""

import pytest

from mirror.core.ledger import Settled
from mirror.core.wrong_mode import WRONG_MODE
from mirror.process.recent_rates import KEPT_S, MINUTE_S, RecentRates


def second(at: int, rps: int, is_late: bool = False, is_complete: bool = True) -> Settled:
    """A settled second with requests on two routes and half as many shadow legs."""
    by_route = {"/a": rps - rps // 3, "other": rps // 3} if rps else {}
    return Settled(at, {}, by_route, {"/a": rps // 2} if rps else {}, is_late, is_complete)


def test_the_last_minute_is_shown_oldest_first() -> None:
    rates = RecentRates()
    assert rates.last_minute() == {"rps": [], "shadow_rps": [], "wrong_mode": 0}
    rates.add(second(1, 10))
    rates.add(second(2, 4, is_complete=False))
    assert rates.last_minute() == {"rps": [10, None], "shadow_rps": [5, None], "wrong_mode": 0}
    for at in range(3, 100):
        rates.add(second(at, at))
    assert rates.last_minute()["rps"] == list(range(40, 100))
    assert rates.newest.second == 99 and rates.seen(2) == 98 + 99


def test_late_counts_reach_their_own_second() -> None:
    rates = RecentRates()
    rates.add(second(0, 100, is_late=True))  # it was over before the first second began
    for at in range(KEPT_S + 10):
        rates.add(second(at, 1))
    newest = KEPT_S + 9
    rates.add(second(newest, 3, is_late=True))
    rates.add(second(newest - 1, 5, is_late=True, is_complete=False))
    rates.add(second(newest - 2, 0, is_late=True, is_complete=False))  # its sums are forgotten
    rates.add(second(3, 100, is_late=True))  # no longer kept
    assert rates.last_minute()["rps"][-4:] == [1, 1, None, 3]
    assert rates.seen(KEPT_S) == KEPT_S - 2 + 3 + 5


def test_late_counts_reach_their_second_after_a_step_of_the_clock() -> None:
    rates = RecentRates()
    for at in (100, 101, 3700, 3701, 50, 51):
        rates.add(second(at, 1))
    for at in (101, 3701, 51, 3702):
        rates.add(second(at, 5, is_late=True))
    assert rates.last_minute()["rps"] == [1, 5, 1, 5, 1, 5]


def test_requests_for_the_other_mode_count_for_a_minute() -> None:
    rates = RecentRates()
    wrong = {(WRONG_MODE, "other", ""): 2}
    rates.add(Settled(1, wrong, {}, {}, is_late=False, is_complete=True))
    rates.add(Settled(1, wrong, {"a": 3}, {}, is_late=True, is_complete=True))
    rates.add(Settled(1, wrong, {}, {}, is_late=True, is_complete=True))  # its sums are forgotten
    assert rates.last_minute() == {"rps": [3], "shadow_rps": [0], "wrong_mode": 6}
    for at in range(2, 2 + MINUTE_S):
        rates.add(second(at, 1))
    assert rates.last_minute()["wrong_mode"] == 0


def test_a_change_of_the_mode_begins_that_count_anew() -> None:
    rates = RecentRates()
    for at in (1, 2):
        rates.add(Settled(at, {(WRONG_MODE, "other", ""): 2}, {}, {}, False, True))
    rates.mode_changed(2)
    rates.add(Settled(2, {(WRONG_MODE, "other", ""): 2}, {}, {}, True, True))
    assert rates.last_minute()["wrong_mode"] == 0
    rates.add(Settled(3, {(WRONG_MODE, "other", ""): 5}, {}, {}, False, True))
    assert rates.last_minute()["wrong_mode"] == 5


def test_the_means_need_eleven_minutes_of_observed_seconds() -> None:
    rates = RecentRates()
    for at in range(KEPT_S - 1):
        rates.add(second(at, 12, is_complete=at % 2 == 0))
    assert rates.means() is None
    rates.add(second(KEPT_S - 1, 12 + MINUTE_S // 2))
    last, before = rates.means() or (0, 0)
    assert before == 12
    # The minute has 30 complete seconds with 12 and the last one.
    assert last == pytest.approx((30 * 12 + 42) / 31)
    for at in range(KEPT_S, KEPT_S + MINUTE_S):
        rates.add(second(at, 12, is_complete=False))
    assert rates.means() is None
