"""Checks starts that fail: they are repeated with longer and longer waits, and said once."""

import asyncio
import logging
import time
from itertools import pairwise

import pytest

from mirror.process import starts
from mirror.process.starts import Starts
from tests.fakes import until


class Failing:
    """A start that fails for the given reasons, one after the other, and then succeeds."""

    def __init__(self, *reasons: str) -> None:
        self.reasons = list(reasons)
        self.times: list[float] = []

    async def __call__(self) -> None:
        self.times.append(time.monotonic())
        if self.reasons:
            raise OSError(self.reasons.pop(0))


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(starts, "LONGEST_WAIT_S", 0.1)


def test_a_start_is_repeated_until_it_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        under_way = Starts(asyncio.Event())
        start = Failing("a", "a", "b", "a")
        repeating = asyncio.create_task(under_way.repeat(start, lambda: True))
        await until(lambda: under_way.error == "b")
        await repeating
        assert under_way.error is None
        waits = [after - before for before, after in pairwise(start.times)]
        assert waits[0] > 0.04 and min(waits[1:]) > 0.09
        assert max(waits) < 1.0

    caplog.set_level(logging.INFO)
    asyncio.run(main())
    assert [record.message for record in caplog.records] == [
        "cannot start a worker: a; trying again",
        "cannot start a worker: b; trying again",
        "every missing worker was started",
    ]


def test_one_success_does_not_hide_another_failure() -> None:
    async def main() -> None:
        under_way = Starts(asyncio.Event())
        failing = asyncio.create_task(under_way.repeat(Failing(*"aaaaaaaa"), lambda: True))
        await under_way.repeat(Failing("b"), lambda: True)
        assert under_way.error is not None
        await failing
        assert under_way.error is None

    asyncio.run(main())


@pytest.mark.parametrize("cause", ["ending", "unwanted"])
def test_what_is_not_wanted_is_not_repeated(cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_s = 10.0 if cause == "ending" else 0.1
    monkeypatch.setattr(starts, "FIRST_WAIT_S", wait_s)

    async def main() -> None:
        ending = asyncio.Event()
        under_way = Starts(ending)
        start = Failing("a", "a", "a")
        is_wanted = True
        repeating = asyncio.create_task(under_way.repeat(start, lambda: is_wanted))
        await until(lambda: under_way.error == "a")
        if cause == "ending":
            ending.set()
        else:
            is_wanted = False
        await asyncio.wait_for(repeating, 1.0)
        assert len(start.times) == 1
        assert under_way.error is None

    asyncio.run(main())
