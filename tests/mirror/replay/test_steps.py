"""Checks steps, their parts and the search, with an upstream in this process."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
import uvloop

from mirror.formats.capture.record import Record
from mirror.formats.replay_result import SaturationResult
from mirror.proxy.upstream.connection import Origin
from mirror.replay.generator import Generator, clock
from mirror.replay.requests import RequestList, Rules
from mirror.replay.saturation import Limits
from mirror.replay.schedule import Arrivals, Shard, Step, stepped
from mirror.replay.steps import MeasuredStep, StepRunner, late_generator

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
NO = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"


class Site(asyncio.Protocol):
    """Answers all requests, with 503 once it has answered `most` of them."""

    most = 10**9
    seen = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transport is not a subclass

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            type(self).seen += 1
            self.transport.write(OK if self.seen <= self.most else NO)


def gets(number: int) -> RequestList:
    records = [Record(t, "GET", "a", f"/{t}") for t in range(number)]
    return RequestList(lambda: iter(records), Rules())


def on_a_site(
    site: type[Site], play: Callable[[StepRunner, Generator], Awaitable[object]]
) -> StepRunner:
    async def run() -> StepRunner:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(site, "127.0.0.1", 0)
        origin = Origin("127.0.0.1", server.sockets[0].getsockname()[1])
        generator = Generator(origin, 64, 5)
        played = StepRunner(generator)
        await play(played, generator)
        generator.close()
        server.close()
        return played

    site.seen = 0
    return uvloop.run(run())


def test_steps_are_measured_apart() -> None:
    before = time.time()
    schedule = stepped(gets(3).cycle(), [50, 100], 0.5, Shard())
    run = on_a_site(Site, lambda run, _: run.play(schedule, clock()))
    assert [step.step.rate_rps for step in run.steps] == [50, 100]
    assert [(step.ramp.due, step.steady.due) for step in run.steps] == [(5, 20), (10, 40)]
    assert run.total().due == 75 and run.total().outcomes == {"2xx": 75}
    first, second = run.steps
    assert before + 0.1 <= first.steady_from < first.steady_from + 0.4 <= second.steady_from
    assert first.steady_s > 0 and 0 <= first.cpu_ratio <= 1.1


def test_stopped_run_has_no_further_step() -> None:
    async def play(run: StepRunner, generator: Generator) -> None:
        playing = asyncio.ensure_future(
            run.play(stepped(gets(3).cycle(), [100, 100, 100], 60, Shard()), clock())
        )
        while not run.total().outcomes:
            await asyncio.sleep(0.001)
        generator.stop()
        await playing

    run = on_a_site(Site, play)
    assert len(run.steps) == 1 and run.steps[0].steady_from == 0


def test_search_ends_between_two_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uses a site that fails after a number of requests as a saturated one, without timing."""

    monkeypatch.setattr("mirror.replay.steps.LATE_S", 1e9)  # also valid on a busy machine
    monkeypatch.setattr("mirror.replay.steps.MOST_CPU_RATIO", 1e9)

    class Tired(Site):
        most = 60

    found: list[SaturationResult] = []

    async def play(run: StepRunner, generator: Generator) -> None:
        limits = Limits(None, 0.05)
        found.append(await run.saturate(gets(3), limits, Step(100, 0.0, 0.2), Arrivals.POISSON))

    run = on_a_site(Tired, play)
    assert run.steps[0].step.rate_rps == 100 and found[0].held_rps is not None
    assert found[0].broken_by is not None and "errors" in found[0].broken_by
    assert found[0].broken_rps is not None and found[0].broken_rps > found[0].held_rps


def measured(**counts: int) -> MeasuredStep:
    step = MeasuredStep(Step(100, 0, 1))
    step.steady.due = sum(counts.values())
    step.steady.completed = counts.get("2xx", 0)
    step.steady.outcomes = dict(counts)
    return step


def test_what_breaks_a_step() -> None:
    limits = Limits(10, 0.01)
    assert measured(**{"2xx": 100}).broken(limits) is None
    assert "errors 2.00%" in str(measured(**{"2xx": 98, "timeout": 2}).broken(limits))
    assert measured(**{"2xx": 60, "4xx": 40}).broken(Limits(None, 0)) is not None  # completed 60
    assert measured().broken(limits) == "no request was due"
    slow = measured(**{"2xx": 100})
    slow.steady.from_intended.record(50_000)
    assert "p99" in str(slow.broken(limits))


def test_generator_at_its_limit() -> None:
    step = measured(**{"2xx": 100})
    assert step.generator_limit is None
    step.cpu_ratio = 0.95
    assert "used 95% of a core" in str(step.generator_limit)
    step.cpu_ratio = 0.1
    for _ in range(100):
        step.steady.started(0.5)
    assert "bottleneck" in str(step.generator_limit)


def test_late_generator() -> None:
    assert late_generator(None) is None and late_generator(10.0) is None
    assert "11.0 ms late" in str(late_generator(11.0))
