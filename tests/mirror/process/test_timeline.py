"""Checks that no step of the wall clock makes two counted seconds one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.ledger import Settled
from mirror.process import timeline
from mirror.process.timeline import BACKWARD, FORWARD, Step, Timeline

BOOT_S = 5000.0
START_S = 1_700_000_000.25
START = int(START_S)


class Clocks:
    """Both clocks of a machine; the wall clock can be set."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.set_by_s = 0.0
        self.reading_takes_s = 0.0

    def monotonic(self) -> float:
        return BOOT_S + self.passed_s

    def wall(self) -> float:
        self.passed_s += self.reading_takes_s
        return START_S + self.passed_s + self.set_by_s


class Watched:
    """A timeline that labels each second as soon as the second is over."""

    def __init__(self) -> None:
        self.clocks = Clocks()
        self.timeline = Timeline(self.clocks.monotonic, self.clocks.wall)
        self.labelled: list[tuple[int, bool]] = []
        self._next = START

    def run(self, seconds: int) -> list[tuple[int, bool]]:
        """Let seconds pass, and return the Unix second of each and whether it is repeated."""
        before = len(self.labelled)
        for _ in range(4 * seconds):
            self.timeline.watch()
            self.clocks.passed_s += 0.25
            while self._next < int(self.timeline.now_s):
                self.labelled.append(self.label(self._next))
                self._next += 1
        return self.labelled[before:]

    def label(self, second: int, is_late: bool = False) -> tuple[int, bool]:
        found = self.timeline.label(Settled(second, {}, {}, {}, is_late, is_complete=True))
        return found.second, found.is_repeated

    def step(self, by_s: float) -> None:
        self.clocks.set_by_s += by_s

    def counted(self) -> list[int]:
        return [second for second, is_repeated in self.labelled if not is_repeated]


def test_without_a_step_a_second_is_its_own() -> None:
    watched = Watched()
    assert watched.run(3) == [(START, False), (START + 1, False), (START + 2, False)]
    assert watched.timeline.status() == {"steps": {FORWARD: 0, BACKWARD: 0}, "last": None}


@pytest.mark.parametrize("by_s", [3, 20, 120])
def test_a_step_back_repeats_its_seconds(by_s: int) -> None:
    watched = Watched()
    watched.run(200)
    watched.step(-by_s)
    after = watched.run(by_s + 5)
    # The open second keeps its label; the next one is `by_s` earlier than it would have been.
    assert after[0] == (START + 200, False)
    assert after[1 : by_s + 1] == [(START + 201 - by_s + n, True) for n in range(by_s)]
    assert after[by_s + 1] == (START + 201, False)
    assert watched.timeline.steps == {FORWARD: 0, BACKWARD: 1}
    assert watched.timeline.repeated_seconds == by_s


@pytest.mark.parametrize("by_s", [300, 3600, 86400])
def test_a_step_forward_leaves_seconds_out_and_back_again_repeats_none(by_s: int) -> None:
    watched = Watched()
    watched.run(10)
    watched.step(by_s)
    assert watched.run(3)[1:] == [(START + by_s + 11, False), (START + by_s + 12, False)]
    watched.step(-by_s)
    after = watched.run(4)
    assert after[0] == (START + by_s + 13, False)
    assert after[1:] == [(START + 14 + n, False) for n in range(3)]
    assert watched.timeline.steps == {FORWARD: 1, BACKWARD: 1}
    assert watched.timeline.repeated_seconds == 0


def test_the_time_ahead_is_repeated_when_it_comes() -> None:
    watched = Watched()
    watched.run(10)
    watched.step(300)
    watched.run(3)
    watched.step(-300)
    watched.run(320)
    repeated = [second for second, is_repeated in watched.labelled if is_repeated]
    assert repeated == [START + 300 + n for n in (11, 12, 13)]


def test_two_steps_back_repeat_a_second_twice() -> None:
    watched = Watched()
    watched.run(30)
    for _ in range(2):
        watched.step(-3)
        watched.run(2)
    watched.run(10)
    assert [second for second, is_repeated in watched.labelled if is_repeated] == [
        *(START + 31 - 3, START + 29, START + 30 - 3, START + 28, START + 29, START + 30)
    ]
    assert len(watched.counted()) == len(set(watched.counted()))


def test_what_comes_late_has_the_label_of_its_second() -> None:
    watched = Watched()
    watched.run(10)
    watched.step(-20)
    watched.run(2)
    assert watched.label(START + 5, is_late=True) == (START + 5, False)
    assert watched.label(START + 11, is_late=True) == (START + 11 - 20, False)
    watched.step(15)
    watched.run(10)
    assert watched.label(START + 13, is_late=True) == (START + 8, True)
    assert watched.timeline.repeated_seconds == len(watched.labelled) - len(watched.counted())


def test_the_unix_second_of_each_side_of_a_step() -> None:
    watched = Watched()
    watched.run(10)
    watched.step(-20)
    watched.run(2)
    assert [watched.timeline.unix_second(START + second) for second in (5, 10, 11)] == [
        START + 5,
        START + 10,
        START + 11 - 20,
    ]


@pytest.mark.parametrize("by_s", [0.55, -0.55])
def test_half_a_second_is_no_step(by_s: float) -> None:
    watched = Watched()
    watched.step(by_s)
    watched.run(3)
    assert watched.timeline.steps == {FORWARD: 0, BACKWARD: 0}


@pytest.mark.parametrize("by_s", [0.7, 20.5, -20.5, 3.49])
def test_the_rest_of_a_step_is_no_step(by_s: float) -> None:
    watched = Watched()
    watched.step(by_s)
    watched.run(30)
    assert sum(watched.timeline.steps.values()) == 1


def test_a_step_says_when_and_how_far() -> None:
    watched = Watched()
    watched.run(10)
    watched.step(-20)
    assert watched.timeline.watch() == Step(START - 10, -20.0)
    assert watched.timeline.watch() is None
    last = watched.timeline.status()["last"]
    assert last == {"at": START - 10, "by_s": -20.0}


def test_two_steps_in_a_second_count_as_two_and_move_once() -> None:
    watched = Watched()
    watched.run(1)
    watched.step(300)
    watched.timeline.watch()
    watched.step(-280)
    watched.timeline.watch()
    assert watched.run(3)[1:] == [(START + 22, False), (START + 23, False)]
    assert watched.timeline.steps == {FORWARD: 1, BACKWARD: 1}


def test_a_process_stopped_between_two_readings_sees_no_step() -> None:
    watched = Watched()
    watched.clocks.reading_takes_s = 5.0
    assert watched.timeline.watch() is None
    watched.clocks.reading_takes_s = 0.0
    assert watched.timeline.watch() is None


def test_memory_is_bounded() -> None:
    watched = Watched()
    for number in range(300):
        watched.step((-1) ** number * (100_000 + 300 * number))
        watched.run(2)
    assert len(watched.timeline._segments) <= timeline._MOST_SEGMENTS
    assert max(len(s.taken) for s in watched.timeline._segments) <= timeline._MOST_SPANS
    assert len(watched.counted()) == len(set(watched.counted()))
    # A second whose segment is forgotten is labelled as the oldest that is known.
    assert watched.label(START)[0] != START


@given(st.lists(st.tuples(st.floats(-50, 50), st.integers(0, 15)), max_size=20))
def test_no_second_is_counted_twice(steps: list[tuple[float, int]]) -> None:
    watched = Watched()
    for by_s, seconds in steps:
        watched.step(by_s)
        watched.run(seconds)
    assert len(watched.counted()) == len(set(watched.counted()))
    # Only what was there before is marked.
    unix = [second for second, _ in watched.labelled]
    assert len(unix) - len(set(unix)) == len(watched.labelled) - len(watched.counted())
