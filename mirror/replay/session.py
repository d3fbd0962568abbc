"""A replay from what was asked for to its ReplayResult: one event loop, its signals, one start.

Owns Settings, the schedule they mean, the wait for the common start and the digest by which shards
of one schedule are known. Must never know how it is asked for, or shown.
"""

import asyncio
import hashlib
import math
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mirror.errors import InputError
from mirror.formats.replay_result import FORMAT, VERSION, ReplayResult, SaturationResult
from mirror.proxy.upstream.connection import Origin
from mirror.replay import schedule as schedules
from mirror.replay.connection import clock
from mirror.replay.generator import Generator
from mirror.replay.measurement import LATE_S
from mirror.replay.progress import show
from mirror.replay.requests import RequestList, Rules
from mirror.replay.result import counts_of, per_second, step_result
from mirror.replay.saturation import Limits
from mirror.replay.schedule import Arrivals, Schedule, Shard, Step
from mirror.replay.steps import Run, Saturation, late_generator

DIGESTED_BYTES = 1 << 20
"""Of the beginning and of the end of each file: a capture may be larger than is quick to read."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When requests are due: exactly one of the first three is set."""

    rates_rps: tuple[float, ...] = ()
    """One rate alone without `hold_s` ends with the list."""
    speed: float | None = None
    saturate_from_rps: float | None = None
    hold_s: float | None = None
    """Of each step."""
    duration_s: float | None = None
    is_looped: bool = False
    arrivals: Arrivals = Arrivals.EVEN
    """Of rates; a recorded timing has its own."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for."""

    path: Path
    to: str
    pace: Pace
    rules: Rules
    limits: Limits = Limits(None, 0.01)
    connections: int = 512
    timeout_s: float = 10.0
    shard: Shard | None = None
    start_at: float | None = None
    """Unix time; None: now."""


def plan(settings: Settings, requests: RequestList) -> Schedule:
    """Of anything but a search for saturation. Raises InputError."""
    pace = settings.pace
    shard = settings.shard or Shard()
    try:
        if pace.speed is not None:
            return schedules.original(requests, pace.speed, pace.duration_s, pace.is_looped, shard)
        if pace.hold_s is not None:
            rates_rps, hold_s = pace.rates_rps, pace.hold_s
            return schedules.stepped(requests.cycle(), rates_rps, hold_s, shard, pace.arrivals)
    except InputError as error:
        raise InputError(f"{settings.path}: {error}") from error
    (rate_rps,) = pace.rates_rps
    duration_s, is_looped = pace.duration_s, pace.is_looped
    return schedules.constant(requests, rate_rps, duration_s, is_looped, shard, pace.arrivals)


async def replay(
    settings: Settings, origin: Origin, requests: RequestList
) -> tuple[ReplayResult, int]:
    """The result, and the number of the signal that ended it early, or 0. Raises InputError."""
    digest = schedule_digest(settings)
    generator = Generator(origin, settings.connections, settings.timeout_s)
    run = Run(generator)
    signalled = 0

    def stop(number: int) -> None:
        nonlocal signalled
        signalled = number
        generator.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    saturation = None
    began_at = clock()
    plan_of_all: Schedule | None = None
    try:
        if settings.pace.saturate_from_rps is None:
            plan_of_all = plan(settings, requests)
            if settings.start_at is not None:
                began_at += settings.start_at - time.time()
            showing = loop.create_task(show(run, generator, plan_of_all.window_s))
            await run.play(plan_of_all, began_at)
        else:
            assert settings.pace.hold_s is not None
            first = Step(settings.pace.saturate_from_rps, 0.0, settings.pace.hold_s)
            showing = loop.create_task(show(run, generator, math.inf))
            arrivals = settings.pace.arrivals
            saturation = await run.saturate(requests, settings.limits, first, arrivals)
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
    finally:
        generator.close()
    elapsed_s = max(0.0, generator.ended_at - began_at)
    window_s = elapsed_s
    if plan_of_all is not None and not signalled and math.isfinite(plan_of_all.window_s):
        window_s = plan_of_all.window_s
    result = _result(settings, requests, run, (window_s, elapsed_s))
    if generator.failure is not None:
        result.is_valid, result.invalid_reason = False, f"it ended early: {generator.failure}"
    result.schedule = digest
    result.is_interrupted = signalled != 0
    if saturation is not None:
        result.saturation = _searched(saturation)
    return result, signalled


def schedule_digest(settings: Settings) -> str:
    """Equal for all shards of one schedule, and for nothing else that is likely."""
    digest = hashlib.blake2b(digest_size=16)
    asked = (settings.pace, settings.rules, settings.start_at)
    digest.update(msgspec.json.encode(asked))
    of = settings.shard.of if settings.shard else 1
    digest.update(b"%d" % of)
    path = settings.path
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        try:
            with open(file, "rb") as stream:
                size_bytes = file.stat().st_size
                digest.update(b"%d:" % size_bytes + stream.read(DIGESTED_BYTES))
                stream.seek(max(0, size_bytes - DIGESTED_BYTES))
                digest.update(stream.read(DIGESTED_BYTES))
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error}") from error
    return digest.hexdigest()


def _result(
    settings: Settings, requests: RequestList, run: Run, spans_s: tuple[float, float]
) -> ReplayResult:
    window_s, elapsed_s = spans_s
    total = run.total()
    counts = counts_of(total)
    steps = [step_result(step) for step in run.steps]
    answered = counts["answered"]
    assert isinstance(answered, int)
    reasons = [step.invalid_reason for step in steps if step.invalid_reason]
    reason = late_generator(total.lag.percentile_ms(0.99)) or (reasons[0] if reasons else None)
    if not answered:
        reason = "no request was answered"
    pace = settings.pace
    return ReplayResult(
        format=FORMAT,
        version=VERSION,
        to=settings.to,
        schedule="",
        shard=str(settings.shard) if settings.shard else None,
        rate_rps=pace.rates_rps[0] if len(pace.rates_rps) == 1 else None,
        speed=pace.speed,
        lag_limit_ms=LATE_S * 1000,
        is_valid=reason is None,
        invalid_reason=reason,
        is_interrupted=False,
        window_s=window_s,
        elapsed_s=elapsed_s,
        offered_rps=per_second(total.due, window_s or elapsed_s),
        achieved_rps=per_second(answered, max(window_s, elapsed_s)),
        skipped=dict(requests.skipped),
        filtered=requests.filtered,
        steps=steps,
        saturation=None,
        **counts,  # type: ignore[arg-type]
    )


def _searched(saturation: Saturation) -> SaturationResult:
    return SaturationResult(saturation.held_rps, saturation.broken_rps, saturation.broken_by)
