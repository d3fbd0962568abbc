"""Checks when the breaker opens, how it probes and when it closes, over made-up histories."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.breaker import (
    CLOSED,
    FIRST_WAIT_S,
    HALF_OPEN,
    LONGEST_WAIT_S,
    OPEN,
    PROBES,
    Breaker,
)


def breaker_of(failures: int = 3, ratio: float = 0.5, random: float = 1.0) -> Breaker:
    """Return a breaker with a window of 10 s and a minimum of 20 legs for the failure ratio."""
    return Breaker(failures, ratio, 10.0, 20, lambda: random)


def fail(breaker: Breaker, number: int = 1, now: float = 0.0) -> None:
    for _ in range(number):
        breaker.failed(breaker.generation, "reset", now)


def answer(breaker: Breaker, number: int = 1) -> None:
    for _ in range(number):
        breaker.answered(breaker.generation)


def probe(breaker: Breaker, now: float) -> None:
    """Answer all probes of a half-open breaker."""
    assert breaker.most(now) == PROBES
    breaker.started(PROBES)
    answer(breaker, PROBES)


def test_healthy_shadow_is_never_limited() -> None:
    breaker = breaker_of()
    for now in range(100):
        assert breaker.most(now) > 1_000_000
        breaker.started(50)
        answer(breaker, 50)
        breaker.tick(now)
    assert (breaker.state, breaker.generation) == (CLOSED, 0)


def test_failures_in_a_row_open_it() -> None:
    breaker = breaker_of(failures=3)
    fail(breaker, 2)
    answer(breaker)
    fail(breaker, 2)
    assert breaker.state == CLOSED
    fail(breaker)
    assert breaker.state == OPEN
    assert breaker.cause == "3 legs in a row failed, the last as reset"
    assert breaker.most(0.0) == 0


def test_share_of_failures_opens_it() -> None:
    breaker = breaker_of(failures=1000, ratio=0.5)
    answer(breaker, 10)
    fail(breaker, 9)
    assert breaker.state == CLOSED, "too few to judge"
    fail(breaker)
    assert breaker.state == OPEN
    assert breaker.cause == "10 of the last 20 legs failed, the last as reset"


def test_share_is_that_of_the_window() -> None:
    breaker = breaker_of(failures=1000, ratio=0.5)
    fail(breaker, 15)
    for tenth in range(12):
        breaker.tick(tenth * 1.0)
    answer(breaker, 15)
    fail(breaker, 5)
    assert breaker.state == CLOSED, "the first 15 are forgotten"
    fail(breaker, 10)
    assert breaker.state == OPEN


def test_window_remembers_ten_tenths() -> None:
    breaker = breaker_of(failures=1000, ratio=0.5)
    breaker.tick(0.0)
    fail(breaker, 19)
    for tenth in range(1, 10):
        breaker.tick(tenth * 1.0)
    fail(breaker)
    assert breaker.state == OPEN


def test_probes_are_bounded() -> None:
    breaker = breaker_of(failures=1)
    fail(breaker)
    assert breaker.most(FIRST_WAIT_S * 0.99) == 0
    assert breaker.state == OPEN
    assert breaker.most(FIRST_WAIT_S) == PROBES
    assert breaker.state == HALF_OPEN
    breaker.started(2)
    assert breaker.most(FIRST_WAIT_S) == PROBES - 2
    answer(breaker)
    assert breaker.most(FIRST_WAIT_S) == PROBES - 1


def test_answered_probes_close_it() -> None:
    breaker = breaker_of(failures=1)
    fail(breaker)
    probe(breaker, 1.0)
    assert breaker.state == CLOSED
    assert breaker.most(1.0) > 1_000_000


def test_one_failed_probe_opens_it_again() -> None:
    breaker = breaker_of(failures=100)
    fail(breaker, 100)
    breaker.most(1.0)
    breaker.started(PROBES)
    answer(breaker, PROBES - 1)
    fail(breaker, now=1.0)
    assert breaker.state == OPEN
    assert breaker.cause == "a probe ended as reset"


def test_aborted_probe_says_nothing() -> None:
    breaker = breaker_of(failures=1)
    breaker.aborted(breaker.generation)
    fail(breaker)
    breaker.most(1.0)
    breaker.started(PROBES)
    assert breaker.most(1.0) == 0
    breaker.aborted(breaker.generation)
    assert breaker.most(1.0) == 1
    assert breaker.state == HALF_OPEN


def test_stragglers_decide_nothing() -> None:
    breaker = breaker_of(failures=3)
    early = breaker.generation
    fail(breaker, 3)
    for _ in range(500):
        breaker.failed(early, "timeout", 0.0)
    assert breaker.most(FIRST_WAIT_S) == PROBES, "the wait did not grow"
    breaker.started(PROBES)
    for _ in range(PROBES):
        breaker.answered(early)
        breaker.failed(early, "timeout", 1.0)
        breaker.aborted(early)
    assert (breaker.state, breaker.most(1.0)) == (HALF_OPEN, 0)


def test_waits_double_up_to_a_limit() -> None:
    breaker = breaker_of(failures=1)
    now, waits = 0.0, []
    for _ in range(8):
        fail(breaker, now=now)
        wait = 0.0
        while not breaker.most(now + wait):
            wait += 0.01
        waits.append(wait)
        now += wait
        breaker.started(1)
    doubled = [min(FIRST_WAIT_S * 2**n, LONGEST_WAIT_S) for n in range(8)]
    assert waits == pytest.approx(doubled, abs=0.02)


def test_relapse_waits_longer_and_a_calm_one_does_not() -> None:
    breaker = breaker_of(failures=1)
    fail(breaker, now=0.0)
    probe(breaker, 1.0)
    breaker.tick(1.1)
    fail(breaker, now=2.0)
    assert breaker.most(2.0 + FIRST_WAIT_S) == 0
    probe(breaker, 2.0 + 2 * FIRST_WAIT_S)
    breaker.tick(3.0)
    fail(breaker, now=13.0)
    assert breaker.most(13.0 + FIRST_WAIT_S) == PROBES


def test_closing_forgets_the_failures_before() -> None:
    breaker = breaker_of(failures=30, ratio=0.5)
    fail(breaker, 20)
    assert breaker.state == OPEN
    probe(breaker, 1.0)
    breaker.tick(1.1)
    fail(breaker, 19, now=2.0)
    assert breaker.state == CLOSED


@given(st.floats(0, 1))
def test_wait_is_drawn_from_the_upper_half(random: float) -> None:
    breaker = breaker_of(failures=1, random=random)
    fail(breaker)
    assert breaker.most(FIRST_WAIT_S * 0.499) == 0
    assert breaker.most(FIRST_WAIT_S) == PROBES


def test_same_source_gives_the_same_waits() -> None:
    def history(seed: int) -> list[float]:
        breaker = Breaker(1, 0.5, 10.0, 20, Random(seed).random)
        waits = []
        for _ in range(5):
            fail(breaker, now=0.0)
            waits.append(breaker._retry_at)
            breaker.most(breaker._retry_at)
            breaker.started(1)
        return waits

    assert history(1) == history(1) != history(2)


def test_each_change_is_told_once() -> None:
    breaker = breaker_of(failures=1)
    changes: list[int] = []
    breaker.changed = lambda: changes.append(breaker.state)
    fail(breaker)
    probe(breaker, 1.0)
    assert changes == [OPEN, HALF_OPEN, CLOSED]


@given(st.lists(st.sampled_from(["send", "answer", "fail", "abort", "tick", "late"])))
def test_probes_never_exceed_their_bound(steps: list[str]) -> None:
    breaker = breaker_of(failures=2)
    now = 0.0
    under_way: list[int] = []
    for step in steps:
        now += 0.15
        if step == "send":
            most = min(breaker.most(now), 5)
            breaker.started(most)
            under_way += [breaker.generation] * most
        elif step == "tick":
            breaker.tick(now)
        elif under_way:
            leg = under_way.pop(0 if step == "late" else -1)
            if step == "answer":
                breaker.answered(leg)
            elif step == "abort":
                breaker.aborted(leg)
            else:
                breaker.failed(leg, "reset", now)
        if breaker.state == HALF_OPEN:
            probes = under_way.count(breaker.generation)
            assert breaker._under_way == probes <= PROBES
