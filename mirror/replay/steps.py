"""One replay from its first step to its last: which part of it is being measured.

Owns the order of steps, their steady parts, and the search for saturation. What is sent and
counted is generator.py's.
"""

import time
from dataclasses import dataclass, field

from mirror.core.ledger import STATUS_CLASSES
from mirror.replay.connection import clock
from mirror.replay.generator import Generator
from mirror.replay.measurement import LATE_S, Measure
from mirror.replay.requests import RequestList
from mirror.replay.saturation import Limits, Search
from mirror.replay.schedule import Arrivals, Schedule, Shard, Step, stepped

MOST_CPU_RATIO = 0.9
"""Of one core, which is all that a loop can use: above it requests wait for this program."""

NOT_ERRORS = STATUS_CLASSES[1:5]
"""4xx is not one: recorded traffic asks for what is not there."""


@dataclass(slots=True)
class MeasuredStep:
    """What was counted in one step."""

    step: Step
    ramp: Measure = field(default_factory=Measure)
    """Before the steady part."""
    steady: Measure = field(default_factory=Measure)
    steady_from: float = 0.0
    """Unix time, of the steady part; 0 where it was not reached."""
    steady_s: float = 0.0
    cpu_ratio: float = 0.0
    """Cores that the generator's thread used in the steady part: at most 1."""

    @property
    def generator_limit(self) -> str | None:
        """Why the numbers say nothing about the upstream, or None."""
        if self.cpu_ratio > MOST_CPU_RATIO:
            return (
                f"this generator was the bottleneck: it used {self.cpu_ratio:.0%} of a core. "
                "Lower the rate, or share it with --shard"
            )
        measure = self.steady if self.steady.due else self.ramp
        return late_generator(measure.lag.percentile_ms(0.99))

    def broken(self, limits: Limits) -> str | None:
        """Which limit the steady part broke, in words, or None. Call it when all has ended."""
        steady = self.steady
        if not steady.due:
            return "nothing was due"
        good = sum(steady.outcomes.get(outcome, 0) for outcome in NOT_ERRORS)
        # One more answer may be under way at the end of the part than at its beginning.
        achieved_ratio = (steady.completed + 1) / steady.due
        p99_ms = steady.from_intended.percentile_ms(0.99)
        return limits.broken(p99_ms, 1 - good / steady.due, achieved_ratio)


@dataclass(frozen=True, slots=True)
class Saturation:
    """What a search found."""

    held_rps: float | None
    """Highest rate held; None where none was."""
    broken_rps: float | None
    """Lowest rate not held; None where the search ended before one was."""
    broken_by: str | None
    """The limit that it broke."""


def late_generator(lag_p99_ms: float | None) -> str | None:
    """Why requests went out too late to say anything, or None."""
    if lag_p99_ms is None or lag_p99_ms <= LATE_S * 1000:
        return None
    return (
        f"this generator was the bottleneck: 1 % of the requests were {lag_p99_ms:.1f} ms late or "
        f"more, the limit is {LATE_S * 1000:g} ms. Lower the rate, or give it its own core"
    )


class Run:
    """Drives a Generator; what was measured so far can be read at any time."""

    def __init__(self, generator: Generator) -> None:
        self.steps: list[MeasuredStep] = []
        """Begun ones, the last one perhaps under way."""
        self._generator = generator

    def total(self) -> Measure:
        total = Measure()
        for step in self.steps:
            total.add(step.ramp)
            total.add(step.steady)
        return total

    async def play(self, schedule: Schedule, began_at: float) -> None:
        """All steps of `schedule`, from the instant `began_at` of `clock`, until all has ended."""
        self._generator.begin(schedule.entries, began_at, schedule.window_s)
        for step in schedule.steps:
            await self._measure(step)
        await self._generator.drain()

    async def saturate(
        self, requests: RequestList, limits: Limits, first: Step, arrivals: Arrivals
    ) -> Saturation:
        """Steps as long as `first`, at rates that rise until one is not held, then close in."""
        assert first.rate_rps is not None
        hold_s = first.ends_s - first.begins_s
        search = Search(first.rate_rps)
        broken_by: str | None = None
        cycle = requests.cycle()
        while (rate_rps := search.next_rps) is not None:
            await self.play(stepped(cycle, [rate_rps], hold_s, Shard(), arrivals), clock())
            measured = self.steps[-1]
            if self._generator.is_stopped or measured.generator_limit:
                break
            reason = measured.broken(limits)
            broken_by = reason or broken_by
            search.tell(rate_rps, is_held=reason is None)
        return Saturation(search.held_rps, search.broken_rps, broken_by)

    async def _measure(self, step: Step) -> None:
        generator = self._generator
        if generator.is_stopped:
            return
        measured = MeasuredStep(step)
        self.steps.append(measured)
        await generator.advance(step.steady_from_s, measured.ramp)
        if generator.is_stopped:
            return
        measured.steady_from = time.time()
        began_at, cpu_s = clock(), time.thread_time()
        await generator.advance(step.ends_s, measured.steady)
        measured.steady_s = clock() - began_at
        if measured.steady_s > 0:
            measured.cpu_ratio = (time.thread_time() - cpu_s) / measured.steady_s
