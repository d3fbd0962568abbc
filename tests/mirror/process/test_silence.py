"""Checks when silence is said: once for each period, and that it has ended."""

import pytest

from mirror.process.recent_rates import RecentRates
from mirror.process.silence import Silence
from tests.mirror.process.test_recent_rates import second

NOON = 1_700_000_000  # 2023-11-14 22:13:20 UTC


class Listening:
    """A sidecar whose seconds are played one after the other."""

    def __init__(self) -> None:
        self._rates = RecentRates()
        self.asked = 0
        self.silence = Silence(self._rates, self._causes)
        self._now = NOON

    def _causes(self) -> str:
        self.asked += 1
        return f"causes {self.asked}"

    def play(self, seconds: int, rps: int, is_ready: bool = True) -> list[tuple[int, str, bool]]:
        """Return what was said, each with the number of the second in which it was."""
        said = []
        for number in range(1, seconds + 1):
            self._rates.add(second(self._now, rps))
            self._now += 1
            if (change := self.silence.judge(is_ready)) is not None:
                said.append((number, *change))
        return said


def test_a_minute_without_a_request_is_said_once() -> None:
    sidecar = Listening()
    text = "no request since 2023-11-14 22:13:20 UTC: causes 1"
    assert sidecar.play(59, 0) == []
    assert sidecar.silence.text is None
    assert sidecar.play(300, 0) == [(1, text, True)]
    assert sidecar.silence.text == text and sidecar.asked == 1


def test_requests_after_silence_are_said_once() -> None:
    sidecar = Listening()
    sidecar.play(90, 0)
    assert sidecar.play(50, 5) == [(1, "requests arrive again, after 1m30s without", False)]
    assert sidecar.silence.text is None
    # The next period is another one.
    ((number, text, is_warning),) = sidecar.play(100, 0)
    assert number == 60 and is_warning and text.endswith("22:15:40 UTC: causes 2")


def test_one_request_a_minute_is_no_silence() -> None:
    sidecar = Listening()
    assert [said for _ in range(20) for said in (*sidecar.play(59, 0), *sidecar.play(1, 1))] == []


def test_what_is_not_ready_is_not_silent() -> None:
    sidecar = Listening()
    assert sidecar.play(200, 0, is_ready=False) == []
    assert [number for number, _, _ in sidecar.play(61, 0)] == [60]
    assert sidecar.play(1, 0, is_ready=False) == []
    assert sidecar.silence.text is None
    assert sidecar.play(59, 0) == []


def test_a_fall_below_a_tenth_is_said_once_and_so_is_its_end() -> None:
    sidecar = Listening()
    assert sidecar.play(660, 100) == []
    # After 55 seconds the minute has 5 seconds with 100 and 55 with 1.
    ((number, text, is_warning),) = sidecar.play(100, 1)
    assert number == 55 and is_warning
    assert text == ("9.2 rps in the last minute, 100.0 in the ten minutes before: causes 1")
    assert sidecar.silence.text == text
    ((number, text, is_warning),) = sidecar.play(60, 100)
    assert not is_warning and text.startswith("no longer far fewer requests: ")
    assert sidecar.silence.text is None


def test_a_fall_that_lasts_is_the_new_normal() -> None:
    sidecar = Listening()
    sidecar.play(660, 100)
    said = sidecar.play(2000, 1)
    assert [is_warning for _, _, is_warning in said] == [True, False]


def test_a_fall_is_not_judged_before_eleven_minutes() -> None:
    sidecar = Listening()
    assert [*sidecar.play(500, 100), *sidecar.play(100, 1)] == []


@pytest.mark.parametrize(("rps", "warnings"), [(9, 0), (11, 1)])
def test_a_fall_is_judged_from_one_rps_on(rps: int, warnings: int) -> None:
    sidecar = Listening()
    for _ in range(66):
        assert [*sidecar.play(1, rps), *sidecar.play(9, 0)] == []
    # With the nine before, 59 seconds without a request: not yet silence.
    assert len([*sidecar.play(50, 0), *sidecar.play(1, 1)]) == warnings


def test_a_fall_to_nothing_is_silence_and_its_end_is_no_fall() -> None:
    sidecar = Listening()
    sidecar.play(660, 100)
    assert [number for number, _, _ in sidecar.play(70, 0)] == [60]
    said = sidecar.play(100, 100)
    assert [text for _, text, _ in said] == ["requests arrive again, after 1m10s without"]


def test_a_fall_may_become_silence() -> None:
    sidecar = Listening()
    sidecar.play(660, 100)
    sidecar.play(60, 1)
    ((number, text, _),) = sidecar.play(61, 0)
    assert number == 60 and text.startswith("no request since")
