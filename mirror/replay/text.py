"""Lays out the result of a replay as text for a terminal. Computes no number."""

from mirror.formats.replay_result import SERVED, PartResult, Percentiles, ReplayResult, StepResult

ENDINGS = {
    "connect_failed": "refused",
    "timeout": "timed out",
    "reset": "unanswered",
    "protocol_error": "malformed response",
    "aborted": "cut by the end of the replay",
}
"""Words for outcomes without a status."""


MOST_STATUSES_SHOWN = 5


def as_text(result: ReplayResult) -> str:
    """Return the whole result as lines of text."""
    rows = [
        f"replay to {result.to}, {_pace(result)}, {result.elapsed_s:.1f} s",
        f"  offered   {result.offered_rps:10.1f} rps  {result.due} requests were due",
        f"  achieved  {result.achieved_rps:10.1f} rps  {result.answered} were answered",
        f"  outcomes  {listed(result.outcomes) or 'none'}",
    ]
    if result.statuses:
        rows.append(f"  statuses  {errors(result)}")
    rows += [
        f"  {words:<28} {result.outcomes[name]}"
        for name, words in ENDINGS.items()
        if name in result.outcomes
    ]
    if result.late:
        rows.append(f"  late      {result.late} (started over {result.lag_limit_ms:g} ms late)")
    if result.shed:
        rows.append(f"  shed      {listed(result.shed)} (not sent: no connection was free)")
    if result.skipped:
        rows.append(f"  skipped   {listed(result.skipped)} (unsafe: --all-methods sends them)")
    if result.filtered:
        rows.append(f"  filtered  {result.filtered} (left out by --filter)")
    rows += ["", *_percentile_rows(result)]
    if len(result.steps) > 1:
        rows += ["", *_step_rows(result.steps)]
    if result.saturation is not None:
        rows += ["", _saturation(result)]
    if result.is_interrupted:
        rows.append("\ninterrupted: this is the report so far")
    if result.invalid_reason:
        rows.append(f"\nINVALID: {result.invalid_reason}")
    return "\n".join(rows)


def errors(part: PartResult) -> str:
    """Return the most frequent statuses of errors, with their numbers."""
    ordered = sorted(part.statuses.items(), key=lambda item: -item[1])
    more = len(ordered) - MOST_STATUSES_SHOWN
    shown = listed({str(status): number for status, number in ordered[:MOST_STATUSES_SHOWN]})
    return shown + (f", and {more} more statuses" if more > 0 else "")


def listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _pace(result: ReplayResult) -> str:
    if result.speed is not None:
        pace = f"original timing, speed {result.speed:g}"
    elif result.rate_rps is not None:
        pace = f"constant {result.rate_rps:g} rps"
    else:
        pace = f"{len(result.steps)} steps"
    return pace if result.shard is None else f"{pace}, shard {result.shard}"


def _percentile_rows(part: PartResult) -> list[str]:
    return [
        "  milliseconds              p50       p90       p99     p99.9       max",
        _percentile_row("from intended start", part.from_intended_ms),
        _percentile_row("from send", part.from_send_ms),
        _percentile_row("schedule lag", part.schedule_lag_ms),
    ]


def _percentile_row(name: str, percentiles: Percentiles) -> str:
    values = (
        percentiles.p50,
        percentiles.p90,
        percentiles.p99,
        percentiles.p99_9,
        percentiles.max,
    )
    return f"  {name:<19}" + "".join(_cell(value) for value in values)


def _step_rows(steps: list[StepResult]) -> list[str]:
    rows = ["  steady part of each step: rps, ms, and cores of this generator"]
    rows.append("   offered  achieved       p50       p99   lag p99     cores  not answered well")
    for step in steps:
        numbers = (
            step.offered_rps,
            step.achieved_rps,
            step.from_intended_ms.p50,
            step.from_intended_ms.p99,
            step.schedule_lag_ms.p99,
            step.generator_cpu_ratio,
        )
        failed = {name: n for name, n in step.outcomes.items() if name not in SERVED}
        row = "".join(_cell(number) for number in numbers) + "  " + listed(failed | step.shed)
        rows.append(row.rstrip() + ("" if step.is_valid else "  INVALID"))
    return rows


def _saturation(result: ReplayResult) -> str:
    saturation = result.saturation
    assert saturation is not None
    held = (
        "no rate was held"
        if saturation.held_rps is None
        else f"{saturation.held_rps:.1f} rps were held"
    )
    if saturation.broken_rps is None:
        return f"  {held}; no rate was tried that was not"
    return f"  {held}, {saturation.broken_rps:.1f} rps were not: {saturation.broken_by}"


def _cell(value: float | None) -> str:
    return f"{value:10.2f}" if value is not None else f"{'-':>10}"
