"""Checks the alarm in a real loop, with and without a timerfd."""

import asyncio
import os
import sys
import time
from collections.abc import Callable

import pytest
import uvloop

from mirror.replay.alarm import Alarm


class WithoutTimerfd(Alarm):
    """The alarm on a kernel without timerfd."""

    def _create(self) -> int:
        return -1


@pytest.fixture(params=[Alarm, WithoutTimerfd])
def kind(request: pytest.FixtureRequest) -> type[Alarm]:
    return request.param


def wakeups(kind: type[Alarm], use: Callable[[Alarm], None], expected: int) -> list[float]:
    """Return the time of each wake-up in seconds after the start; `use` sets the alarm."""

    async def run() -> list[float]:
        seen: list[float] = []
        ended = asyncio.Event()

        def on_time() -> None:
            seen.append(time.perf_counter() - started_at)
            if len(seen) >= expected:
                ended.set()

        alarm = kind(on_time)
        started_at = time.perf_counter()
        use(alarm)
        try:
            async with asyncio.timeout(0.3 if not expected else 10):
                await (ended.wait() if expected else asyncio.Event().wait())
        except TimeoutError:
            pass
        alarm.close()
        return seen

    return uvloop.run(run())


def test_wakes_once_and_not_early(kind: type[Alarm]) -> None:
    (seen,) = wakeups(kind, lambda alarm: alarm.set(0.05), 1)
    # libuv counts from the millisecond of the loop's last wake-up.
    assert 0.0485 <= seen < 1


def test_whole_seconds_are_no_special_case() -> None:
    (seen,) = wakeups(Alarm, lambda alarm: alarm.set(1.0), 1)
    assert 1.0 <= seen < 2


@pytest.mark.parametrize("delay_s", [0, -5, 1e-9])
def test_past_instant_wakes_at_once(kind: type[Alarm], delay_s: float) -> None:
    """Checks an instant in the past, for which a timerfd set to zero would never expire."""
    assert wakeups(kind, lambda alarm: alarm.set(delay_s), 1)[0] < 1


def test_set_again_replaces_the_instant(kind: type[Alarm]) -> None:
    def use(alarm: Alarm) -> None:
        alarm.set(60)
        alarm.set(0.01)

    assert wakeups(kind, use, 1)[0] < 1


def test_closed_alarm_is_silent(kind: type[Alarm]) -> None:
    def use(alarm: Alarm) -> None:
        alarm.set(0.01)
        alarm.close()

    assert wakeups(kind, use, 0) == []


@pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
def test_linux_has_a_timerfd_and_gives_it_back() -> None:
    async def run() -> None:
        before = set(os.listdir("/proc/self/fd"))
        alarm = Alarm(lambda: None)
        assert alarm._descriptor >= 0
        alarm.close()
        alarm.close()
        assert set(os.listdir("/proc/self/fd")) <= before

    uvloop.run(run())
