"""Checks reloads: when each was asked for, what is said, and that no error ends them."""

import asyncio
import time

import pytest

from mirror.errors import ReloadError
from mirror.process.reloads import Reloads
from tests.fakes import until


def test_reloads_follow_each_other_and_say_how_they_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ends: list[Exception | None] = [ReloadError("a: wrong\nb: wrong"), KeyError("bug"), None]
    asked_at: list[float] = []

    async def main() -> None:
        release = asyncio.Event()

        async def change(since_s: float) -> str:
            asked_at.append(since_s)
            await release.wait()
            if (error := ends.pop(0)) is not None:
                raise error
            return "all is well"

        reloads = Reloads(change)
        running = asyncio.create_task(reloads.run())
        began_s = time.monotonic()
        reloads.ask()
        await until(lambda: asked_at)
        reloads.ask()  # while the first is under way
        again_s = time.monotonic()
        release.set()
        await until(lambda: reloads.numbers["refused"] == 2)
        assert began_s <= asked_at[0] <= asked_at[1] <= again_s
        assert reloads.status()["last"]["problems"] == ["unexpected: KeyError('bug')"]
        reloads.ask()
        await until(lambda: reloads.numbers["reloaded"] == 1)
        assert asked_at[2] >= again_s
        assert reloads.status()["last"]["problems"] == []
        running.cancel()

    caplog.set_level("INFO")
    asyncio.run(main())
    assert [record.message for record in caplog.records] == [
        "reload refused: a: wrong",
        "reload refused: b: wrong",
        "unexpected error while reloading",
        "reloaded; all is well",
    ]
