"""One replay from its first step to its last: which part of it is being measured.

Owns the order of steps, their steady parts, and the search for the saturation. What is sent and
what is counted belong to generator.py.
"""

import time
from dataclasses import dataclass, field

from mirror.core.ledger import STATUS_CLASSES
from mirror.formats.replay_result import SaturationResult
from mirror.replay.generator import Generator, clock
from mirror.replay.measurement import LATE_S, Measure
from mirror.replay.requests import RequestList
from mirror.replay.saturation import Limits, Search
from mirror.replay.schedule import Arrivals, Schedule, Shard, Step, stepped

MOST_CPU_RATIO = 0.9
"""Cores that the generator may use; above it requests wait for this program, as a loop has one."""

NOT_ERRORS = STATUS_CLASSES[1:5]
"""1xx to 4xx: recorded traffic also asks for resources that do not exist."""


@dataclass(slots=True)
class MeasuredStep:
    """What was counted in one step."""

    step: Step
    ramp: Measure = field(default_factory=Measure)
    """Counted before the steady part."""
    steady: Measure = field(default_factory=Measure)
    steady_from: float = 0.0
    """Unix time at which the steady part began; 0 if it was not reached."""
    steady_s: float = 0.0
    cpu_ratio: float = 0.0
    """Cores that the generator's thread used in the steady part: at most 1."""

    @property
    def generator_limit(self) -> str | None:
        """Why the numbers say nothing about the upstream, or None."""
        if self.cpu_ratio > MOST_CPU_RATIO:
            return (
                f"this generator was the bottleneck: it used {self.cpu_ratio:.0%} of a core. "
                "Lower the rate, or split it with --shard"
            )
        measure = self.steady if self.steady.due else self.ramp
        return late_generator(measure.lag.percentile_ms(0.99))

    def broken(self, limits: Limits) -> str | None:
        """Return which limit the steady part broke, in words, or None. Call it after the drain."""
        steady = self.steady
        if not steady.due:
            return "no request was due"
        good = sum(steady.outcomes.get(outcome, 0) for outcome in NOT_ERRORS)
        # One more response may be under way at the end of the part than at its beginning.
        achieved_ratio = (steady.completed + 1) / steady.due
        p99_ms = steady.from_intended.percentile_ms(0.99)
        return limits.broken(p99_ms, 1 - good / steady.due, achieved_ratio)


def late_generator(lag_p99_ms: float | None) -> str | None:
    """Return why requests went out too late to measure anything, or None."""
    if lag_p99_ms is None or lag_p99_ms <= LATE_S * 1000:
        return None
    return (
        f"this generator was the bottleneck: 1 % of the requests were {lag_p99_ms:.1f} ms late or "
        f"more, the limit is {LATE_S * 1000:g} ms. Lower the rate, or give it its own core"
    )


class StepRunner:
    """Drives a Generator through steps; what was measured so far can be read at any time."""

    def __init__(self, generator: Generator) -> None:
        self.steps: list[MeasuredStep] = []
        """Every step that has begun; the last one may be under way."""
        self._generator = generator

    def total(self) -> Measure:
        """Return the sum over all steps so far."""
        total = Measure()
        for step in self.steps:
            total.add(step.ramp)
            total.add(step.steady)
        return total

    async def play(self, schedule: Schedule, began_at: float) -> None:
        """Play all steps, which begin at the instant `began_at` of `clock`, and drain."""
        self._generator.begin(schedule.entries, began_at, schedule.window_s)
        for step in schedule.steps:
            await self._measure(step)
        await self._generator.drain()

    async def saturate(
        self, requests: RequestList, limits: Limits, first: Step, arrivals: Arrivals
    ) -> SaturationResult:
        """Play steps as long as `first`: the rate rises until one is not held, then closes in."""
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
        return SaturationResult(search.held_rps, search.broken_rps, broken_by)

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
