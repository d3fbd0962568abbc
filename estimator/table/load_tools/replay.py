"""The result of `mirror replay --format json` (docs/formats.md): open loop, milliseconds.

Every step that reached its steady part is a run. That part is the step's own (`steady_from`,
`window_s`), so it is not trimmed again. Latency counts from the instant a request was due; where
the generator itself was late, that latency is the generator's and is left out. What was answered
is a fact all the same.
"""

from estimator.errors import InputError, Problem
from estimator.table.load_tools.run import Keys, LoadResult, LoadRun, require
from estimator.table.rows import Loop
from mirror.formats.replay_result import FORMAT, SERVED, StepResult, decode

NAME = "mirror replay (--format json)"


def matches(keys: Keys, text: str) -> bool:
    return bytes(keys.get("format", b"")) == b'"%s"' % FORMAT.encode()


def read(text: str, source: str) -> LoadResult:
    """Return a run for each step, and the usage that the result holds. Raises InputError."""
    try:
        result = decode(text)
    except ValueError as error:
        raise InputError([Problem(source, str(error))]) from error
    shard = f"is shard {result.shard}: `mirror replay-merge` adds all of them up"
    require(result.shard is None, source, shard)
    reached = [step for step in result.steps if step.steady_from is not None and step.due]
    require(bool(reached), source, "holds no step that reached its steady part")
    notes: tuple[str, ...] = ()
    if missing := len(result.steps) - len(reached):
        notes = (f"{missing} of {len(result.steps)} steps ended before their steady part",)
    return LoadResult(tuple(map(_run, reached)), notes, tuple(result.usage))


def _run(step: StepResult) -> LoadRun:
    good = sum(step.outcomes.get(outcome, 0) for outcome in SERVED)
    target_rps = step.offered_rps if step.rate_rps is None else step.rate_rps
    note = f"the steady part of the step at {target_rps:g} rps, {step.window_s:.0f} s"
    return LoadRun(
        tool="mirror replay",
        loop=Loop.OPEN,
        rps=step.achieved_rps,
        duration_s=step.window_s,
        start=step.steady_from,
        rps_target=target_rps,
        p50_ms=step.from_intended_ms.p50 if step.is_valid else None,
        p99_ms=step.from_intended_ms.p99 if step.is_valid else None,
        error_ratio=1 - good / step.due,
        notes=(note,) if step.is_valid else (note, f"no latency: {step.invalid_reason}"),
        is_steady=True,
    )
