"""Checks the text of the live line; the command's tests check it with and without a terminal."""

import asyncio

import pytest
import uvloop

from mirror.proxy.upstream.connection import Origin
from mirror.replay import progress
from mirror.replay.generator import Generator
from mirror.replay.progress import Shown, show
from mirror.replay.schedule import Step
from mirror.replay.steps import MeasuredStep, StepRunner
from tests.mirror.replay.test_result import measure


async def half_done() -> tuple[StepRunner, Generator]:
    generator = Generator(Origin("127.0.0.1", 1), 1, 1)
    run = StepRunner(generator)
    counted = measure(2000, 3000)
    counted.started(0)
    counted.ended("reset")
    counted.started(0)
    counted.ended("4xx")
    counted.started(0)
    counted.count_shed("waiting_full")
    run.steps.append(MeasuredStep(Step(10, 0, 10), counted))
    return run, generator


def test_line_says_what_goes_well_and_what_does_not() -> None:
    async def line() -> str:
        run, generator = await half_done()
        shown = Shown(run, generator).line()
        run.steps.append(MeasuredStep(Step(20, 10, 20)))
        assert Shown(run, generator).line().startswith("step 2 at 20 rps: ")
        generator.close()
        return shown

    shown = uvloop.run(line())
    assert shown.startswith("step 1 at 10 rps: ")
    counts = "reset 1 (20.0%), 4xx 1 (20.0%), waiting_full 1 (20.0%)"
    assert f"4 sent, 0 in flight, p50 2.0 ms, p99 3.0 ms, {counts}" in shown


def test_rate_is_since_the_line_before() -> None:
    async def lines() -> tuple[str, str]:
        run, generator = await half_done()
        shown = Shown(run, generator)
        first, second = shown.line(), shown.line()
        generator.close()
        return first, second

    first, second = uvloop.run(lines())
    assert second.startswith("step 1 at 10 rps: 0 rps") and "rps: 0 rps" not in first


def test_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.01)

    async def shown() -> None:
        run, generator = await half_done()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await show(run, generator, 10.0)
        generator.close()

    uvloop.run(shown())
    assert "4 sent" in capsys.readouterr().err.splitlines()[0]
