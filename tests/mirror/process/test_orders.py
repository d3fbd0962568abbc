"""Checks orders: which are in force, which are sent, and which survive a reload."""

import math
import time

import pytest

from mirror.core import ledger
from mirror.core.ledger import Settled
from mirror.core.ramp import MIN_ATTEMPTS, SETTLE_S
from mirror.process.control import Capture, Command, SetRatio
from mirror.process.orders import Orders
from tests.fakes import make_config

RAMP = {"from_ratio": 0.5, "to_ratio": 1, "duration": 10, "steps": 1, "hold": 60}


def orders_of(**sections: object) -> tuple[Orders, list[Command]]:
    sent: list[Command] = []
    return Orders(make_config(**sections), sent.append), sent


def second_of(outcome: str) -> Settled:
    counts = {(ledger.SHADOW_REQUESTS, "/", outcome): MIN_ATTEMPTS}
    return Settled(1, counts, {}, {}, is_late=False, is_complete=True)


def test_worker_that_starts_is_told_the_ratio_first() -> None:
    orders, sent = orders_of(shadow_ratio=0.25)
    assert orders.in_force() == [SetRatio(0.25)]
    orders.switch_capture(5.0)
    assert not orders.set_ratio(0.75)
    assert orders.in_force() == [SetRatio(0.75), Capture(5.0)]
    assert sent == [Capture(5.0), SetRatio(0.75)]


def test_ramp_sets_the_ratio_until_it_is_set() -> None:
    orders, sent = orders_of(shadow_ramp=RAMP)
    assert orders.ratio == 0.5
    assert orders.follow_ramp([second_of("2xx")], 0.0) is None
    assert orders.follow_ramp([second_of("2xx")], 10.0) == ("ratio climbs to 1", False)
    assert sent == [SetRatio(1.0)]
    change = orders.follow_ramp([second_of("5xx")], 10.0 + SETTLE_S)
    assert change is not None and change[1]
    assert orders.in_force() == [SetRatio(0.5)] == sent[1:]
    assert orders.ramp_status() is not None
    assert orders.set_ratio(0.1)
    assert (orders.ratio, orders.ramp_status()) == (0.1, None)
    assert orders.follow_ramp([second_of("5xx")], 99.0) is None


def test_fallbacks_are_counted_on_over_a_reload() -> None:
    orders, _ = orders_of(shadow_ramp=RAMP)
    orders.follow_ramp([second_of("5xx")], 0.0)
    assert orders.fallbacks()["errors"] == 1
    orders.set_ratio(1.0)
    after, _ = orders_of(shadow_ramp=RAMP)
    after.continue_from(orders, time.monotonic())
    after.follow_ramp([second_of("timeout")], 0.0)
    assert after.fallbacks() == {"errors": 1, "timeouts": 1, "latency": 0}


@pytest.mark.parametrize("enabled", [True, False])
def test_capture_records_as_configured_until_it_is_switched(enabled: bool) -> None:
    assert orders_of()[0].capture_status() is None
    orders, _ = orders_of(capture={"path": "/c", "enabled": enabled})
    assert orders.capture_status() == {"path": "/c", "recording": enabled, "until": None}
    until_s = time.time() + 60
    orders.switch_capture(until_s)
    assert orders.capture_status() == {"path": "/c", "recording": True, "until": until_s}
    orders.switch_capture(0.0)
    assert orders.capture_status() == {"path": "/c", "recording": False, "until": None}


@pytest.mark.parametrize("is_during", [True, False], ids=["during", "before"])
def test_what_is_ordered_during_a_reload_survives_it(is_during: bool) -> None:
    before, _ = orders_of(capture={"path": "/c", "enabled": True})
    began_s = 0.0 if is_during else math.inf
    before.set_ratio(0.0)
    before.switch_capture(0.0)
    for _ in range(2):  # a second reload may have been asked for before the order, too
        after, sent = orders_of(shadow_ramp=RAMP, capture={"path": "/c", "enabled": True})
        after.continue_from(before, began_s)
        assert after.in_force() == ([SetRatio(0.0), Capture(0.0)] if is_during else [SetRatio(0.5)])
        assert (after.ramp_status() is None) == is_during
        assert sent == [], "the workers are told with their first commands"
        before = after
