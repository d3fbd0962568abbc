"""Adds up the results of all shards of one schedule to the result of the schedule.

Invariant: nothing is lost. Counts and histograms add up bucket by bucket, and percentiles are
computed again from the sums. Results of another schedule, a shard given twice and a missing shard
are refused.
"""

from collections.abc import Sequence

import msgspec

from mirror.errors import InputError
from mirror.formats.replay_result import PartResult, ProcessUsage, ReplayResult, StepResult
from mirror.replay.measurement import Measure
from mirror.replay.result import counts_of, measure_of

MOST_NAMED = 10
"""Most missing shards that a message names."""


def merge(results: Sequence[tuple[str, ReplayResult]]) -> ReplayResult:
    """Return the merged result. `results` are pairs of file name and result; raises InputError."""
    _check(results)
    parts = [result for _, result in results]
    first = parts[0]
    window_s = max(part.window_s for part in parts)
    elapsed_s = max(part.elapsed_s for part in parts)
    measure = _sum(results, parts)
    merged = msgspec.structs.replace(
        first,
        **counts_of(measure),
        **_validity(parts),
        shard=None,
        window_s=window_s,
        elapsed_s=elapsed_s,
        offered_rps=sum(part.offered_rps for part in parts),
        is_interrupted=any(part.is_interrupted for part in parts),
        steps=_merged_steps(results),
        usage=_merged_usage(parts),
    )
    merged.achieved_rps = merged.answered / max(window_s, elapsed_s) if elapsed_s else 0.0
    return merged


def _check(results: Sequence[tuple[str, ReplayResult]]) -> None:
    first_name, first = results[0]
    digests: dict[str, str] = {}
    for name, result in results:
        if result.shard is None:
            raise InputError(f"{name}: is the result of a whole schedule, not of a shard")
        if result.schedule != first.schedule:
            raise InputError(f"{name}: is of another schedule than {first_name}")
        if result.shard in digests:
            raise InputError(f"{name}: is shard {result.shard}, as {digests[result.shard]} is")
        digests[result.shard] = name
        if len(result.steps) != len(first.steps):
            raise InputError(f"{name}: holds {len(result.steps)} steps, {first_name} others")
    assert first.shard is not None
    of = int(first.shard.partition("/")[2])
    missing = [f"{index}/{of}" for index in range(of) if f"{index}/{of}" not in digests]
    if missing:
        more = f" and {len(missing) - MOST_NAMED} more" if len(missing) > MOST_NAMED else ""
        raise InputError(f"shards are missing: {', '.join(missing[:MOST_NAMED])}{more}")


def _merged_steps(results: Sequence[tuple[str, ReplayResult]]) -> list[StepResult]:
    merged = []
    for place, first in enumerate(results[0][1].steps):
        parts = [result.steps[place] for _, result in results]
        begins = [part.steady_from for part in parts if part.steady_from is not None]
        step = msgspec.structs.replace(
            first,
            **counts_of(_sum(results, parts)),
            **_validity(parts),
            window_s=max(part.window_s for part in parts),
            offered_rps=sum(part.offered_rps for part in parts),
            achieved_rps=sum(part.achieved_rps for part in parts),
            steady_from=max(begins) if begins else None,
            generator_cpu_ratio=max(part.generator_cpu_ratio for part in parts),
        )
        merged.append(step)
    return merged


def _merged_usage(parts: Sequence[ReplayResult]) -> list[ProcessUsage]:
    """Return each process once: shards on one machine may have sampled the same one."""
    merged: dict[tuple[str, str, str], ProcessUsage] = {}
    for usage in (usage for part in parts for usage in part.usage):
        key = (usage.component, usage.container, usage.replica)
        if key not in merged or len(usage.readings) > len(merged[key].readings):
            merged[key] = usage
    return list(merged.values())


def _sum(results: Sequence[tuple[str, ReplayResult]], parts: Sequence[PartResult]) -> Measure:
    total = Measure()
    for (name, _), part in zip(results, parts, strict=True):
        try:
            total.add(measure_of(part))
        except ValueError as error:
            raise InputError(f"{name}: histograms: {error}") from error
    return total


def _validity(parts: Sequence[PartResult]) -> dict[str, object]:
    reasons = [part.invalid_reason for part in parts if part.invalid_reason]
    return {"is_valid": not reasons, "invalid_reason": reasons[0] if reasons else None}
