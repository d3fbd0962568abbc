"""A replay from what was asked for to its ReplayResult: one event loop, its signals, one start.

Owns Settings, the schedule they mean, the wait for the common start and the digest by which shards
of one schedule are known. Must never know how it is asked for, or shown.
"""

import asyncio
import hashlib
import math
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mirror.errors import InputError
from mirror.formats.replay_result import ReplayResult
from mirror.proxy.upstream.connection import Origin
from mirror.replay import schedule as schedules
from mirror.replay.generator import Generator, clock
from mirror.replay.progress import shown
from mirror.replay.requests import RequestList, Rules
from mirror.replay.result import Circumstances, result_of
from mirror.replay.saturation import Limits
from mirror.replay.schedule import Arrivals, Schedule, Shard, Step
from mirror.replay.steps import StepRunner

DIGESTED_BYTES = 1 << 20
"""Bytes from the beginning and the end of each file: reading all of a capture may take long."""


@dataclass(frozen=True, slots=True)
class Pace:
    """When requests are due: exactly one of the first three is set."""

    rates_rps: tuple[float, ...] = ()
    """A single rate without `hold_s` ends with the list."""
    speed: float | None = None
    saturate_from_rps: float | None = None
    hold_s: float | None = None
    """Length of each step."""
    duration_s: float | None = None
    is_looped: bool = False
    arrivals: Arrivals = Arrivals.EVEN
    """Applies to rates; a recorded timing has its own arrivals."""

    @property
    def single_rps(self) -> float | None:
        return self.rates_rps[0] if len(self.rates_rps) == 1 else None


@dataclass(frozen=True, slots=True)
class Settings:
    """One replay: what is sent where, how fast, and within which limits."""

    path: Path
    to: str
    pace: Pace
    rules: Rules
    limits: Limits = Limits(None, 0.01)
    connections: int = 512
    timeout_s: float = 10.0
    shard: Shard | None = None
    start_at: float | None = None
    """Unix time of the first instant; None: now."""


def plan(settings: Settings, requests: RequestList) -> Schedule:
    """Return the schedule of any pace but a search for saturation. Raises InputError."""
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
    """Return the result, and the number of the signal that ended it early, or 0.

    Raises InputError if the list cannot be used.
    """
    digest = schedule_digest(settings)
    generator = Generator(origin, settings.connections, settings.timeout_s)
    runner = StepRunner(generator)
    signalled = 0

    def stop(number: int) -> None:
        nonlocal signalled
        signalled = number
        generator.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    began_at = clock()
    if settings.start_at is not None:
        began_at += settings.start_at - time.time()
    measured, saturation = None, None
    try:
        if settings.pace.saturate_from_rps is None:
            measured = plan(settings, requests)
            async with shown(runner, generator, measured.window_s):
                await runner.play(measured, began_at)
        else:
            assert settings.pace.hold_s is not None
            first = Step(settings.pace.saturate_from_rps, 0.0, settings.pace.hold_s)
            async with shown(runner, generator, math.inf):
                saturation = await runner.saturate(
                    requests, settings.limits, first, settings.pace.arrivals
                )
    finally:
        generator.close()
    elapsed_s = max(0.0, generator.ended_at - began_at)
    window_s = elapsed_s
    if measured is not None and not signalled and math.isfinite(measured.window_s):
        window_s = measured.window_s
    around = Circumstances(
        to=settings.to,
        schedule=digest,
        shard=str(settings.shard) if settings.shard else None,
        rate_rps=settings.pace.single_rps,
        speed=settings.pace.speed,
        is_interrupted=signalled != 0,
        failure=None if generator.failure is None else str(generator.failure),
        window_s=window_s,
        elapsed_s=elapsed_s,
        skipped=dict(requests.skipped),
        filtered=requests.filtered,
        saturation=saturation,
    )
    return result_of(runner.steps, around), signalled


def schedule_digest(settings: Settings) -> str:
    """Return a digest that all shards of one schedule share, and hardly anything else.

    Raises InputError if a file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(msgspec.json.encode((settings.pace, settings.rules, settings.start_at)))
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
