"""Checks ramps with a shadow that the test makes healthy or sick, second by second."""

import pytest

from mirror.core import ledger
from mirror.core.budget import BODY_TOO_LARGE, BREAKER_OPEN, WAITING_FULL
from mirror.core.latency import bucket_of
from mirror.core.ramp import (
    MIN_ATTEMPTS,
    SETTLE_S,
    WINDOW_S,
    Health,
    Ramp,
    ShadowLimits,
    health_of,
)

LIMITS = ShadowLimits(error_ratio=0.01, timeout_ratio=0.02, p99_s=0.5)
HOLD_S = 60.0
STEP_S = 20.0


def healthy(attempts: int = 1000, latency_s: float = 0.01) -> Health:
    return Health(attempts, 0, 0, {bucket_of(round(latency_s * 1e6)): attempts})


class Climb:
    """A ramp from 0.1 to 1.1 in ten steps of 20 s, with its messages."""

    def __init__(self) -> None:
        self.ramp = Ramp((0.1, 1.1), 10 * STEP_S, 10, LIMITS, HOLD_S)
        self.now_s = 1000.0
        self.said: list[str] = []

    def pass_s(self, seconds: float, health: Health | None = None) -> float:
        for _ in range(round(seconds)):
            message = self.ramp.tick(self.now_s, health or healthy())
            if message:
                self.said.append(message)
            self.now_s += 1
        return round(self.ramp.ratio, 6)


def test_it_climbs_in_equal_steps_and_stays_at_the_top() -> None:
    climb = Climb()
    seen = [climb.pass_s(STEP_S) for _ in range(12)]
    assert seen == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.1]
    assert climb.ramp.is_at_top
    assert len(climb.said) == 10
    assert climb.said[0] == "ratio climbs to 0.2"


@pytest.mark.parametrize(
    ("health", "reason", "words"),
    [
        (Health(1000, errors=11), "errors", "errors: 1.1% of 1000 legs, limit 1.0%"),
        (Health(1000, timeouts=21), "timeouts", "timeouts: 2.1% of 1000 legs, limit 2.0%"),
        (healthy(latency_s=0.51), "latency", "latency: p99 0.512 s, limit 0.5 s"),
    ],
)
def test_it_falls_to_half_of_its_steps_and_says_why(
    health: Health, reason: str, words: str
) -> None:
    climb = Climb()
    climb.pass_s(6 * STEP_S + 1)
    assert climb.pass_s(SETTLE_S, health) == 0.4
    assert climb.said[-1] == f"ratio falls from 0.7 to 0.4 ({words}), for 60 s"
    assert climb.ramp.is_holding
    assert climb.ramp.last_fall == words
    assert {key: number for key, number in climb.ramp.fallbacks.items() if number} == {reason: 1}


def test_what_is_at_its_limit_does_not_fall() -> None:
    climb = Climb()
    climb.pass_s(STEP_S * 3, Health(1000, errors=10, timeouts=20))
    assert climb.ramp.ratio == pytest.approx(0.3)


def test_it_holds_and_climbs_again() -> None:
    climb = Climb()
    climb.pass_s(4 * STEP_S + 1)
    climb.pass_s(SETTLE_S + 1, Health(1000, errors=500))
    assert climb.ramp.ratio == pytest.approx(0.3)
    assert climb.pass_s(HOLD_S - 5) == 0.3
    assert climb.ramp.is_holding
    assert climb.pass_s(10) == 0.4
    assert not climb.ramp.is_holding


def test_what_ends_just_after_a_fall_is_of_the_ratio_before() -> None:
    climb = Climb()
    climb.pass_s(8 * STEP_S + SETTLE_S + 2)
    climb.pass_s(1, Health(100_000, errors=100_000))
    assert climb.ramp.ratio == pytest.approx(0.5)
    climb.pass_s(SETTLE_S - 1, Health(1000, errors=1000))
    assert climb.pass_s(WINDOW_S) == 0.5


def test_a_shadow_that_stays_sick_is_left_with_the_least() -> None:
    climb = Climb()
    climb.pass_s(7 * STEP_S)
    assert climb.pass_s(300, Health(1000, errors=1000)) == 0.1
    falls = len(climb.said)
    assert climb.pass_s(1000, Health(1000, errors=1000)) == 0.1
    assert len(climb.said) == falls, "nothing more to say"
    assert climb.pass_s(WINDOW_S + 1) == 0.2


def test_it_watches_at_the_top_too() -> None:
    climb = Climb()
    climb.pass_s(15 * STEP_S)
    assert climb.pass_s(SETTLE_S, Health(1000, timeouts=1000)) == 0.6


def test_few_requests_decide_nothing() -> None:
    climb = Climb()
    assert climb.pass_s(MIN_ATTEMPTS - 1, Health(1, errors=1)) == 0.1
    assert climb.said == []
    climb.pass_s(1, Health(1, errors=1))
    assert climb.said == ["ratio stays at 0.1 (errors: 100.0% of 100 legs, limit 1.0%), for 60 s"]
    climb = Climb()
    climb.pass_s(3 * STEP_S + 1)
    assert climb.pass_s(200, Health()) == 0.4


@pytest.mark.parametrize(("errors", "ratio"), [(0, 0.5), (1, 0.2)])
def test_a_slow_step_is_judged_when_it_has_enough(errors: int, ratio: float) -> None:
    climb = Climb()
    climb.pass_s(3 * STEP_S + 1)
    attempts = MIN_ATTEMPTS // 50
    assert climb.pass_s(SETTLE_S + 48, Health(attempts, errors)) == 0.4
    assert climb.pass_s(3, Health(attempts, errors)) == ratio


def test_it_settles_below_what_the_shadow_bears() -> None:
    """Uses a shadow that fails above a ratio of 0.75."""
    climb = Climb()
    seen = []
    for _ in range(3000):
        errors = 500 if climb.ramp.ratio > 0.75 else 0
        climb.pass_s(1, Health(1000, errors=errors))
        seen.append(climb.ramp.ratio)
    late = seen[1000:]
    assert sum(ratio <= 0.75 for ratio in late) > 0.9 * len(late)
    assert max(late) == pytest.approx(0.8)
    assert min(late) >= 0.35


def test_health_is_read_from_the_ledger() -> None:
    counts = {
        (ledger.REQUESTS, "/a", "safe"): 99,
        (ledger.SHADOW_REQUESTS, "/a", "2xx"): 10,
        (ledger.SHADOW_REQUESTS, "/b", "4xx"): 5,
        (ledger.SHADOW_REQUESTS, "/a", "5xx"): 3,
        (ledger.SHADOW_REQUESTS, "/a", ledger.RESET): 2,
        (ledger.SHADOW_REQUESTS, "/a", ledger.TIMEOUT): 4,
        (ledger.SHADOW_REQUESTS, "/a", ledger.ABORTED): 7,
        (ledger.SHED, "/a", BREAKER_OPEN): 1,
        (ledger.SHED, "/a", WAITING_FULL): 1,
        (ledger.SHED, "/a", BODY_TOO_LARGE): 50,
    }
    latencies = {
        (ledger.SHADOW_LATENCY, "/a"): {5: 1},
        (ledger.SHADOW_LATENCY, "/b"): {5: 1, 6: 1},
        (ledger.PRIMARY_LATENCY, "/a"): {9: 1},
    }
    assert health_of(counts, latencies) == Health(26, 7, 4, {5: 2, 6: 1})
