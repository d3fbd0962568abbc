"""The result of a replay as a document: its parts, its percentiles and its whole histograms.

Owns version 1 of the format (docs/formats.md), reading and writing. A histogram is text in the V2
encoding of HdrHistogram (http://hdrhistogram.org), which tools of many languages read; its counts
are exact, so that results add up without loss.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from hdrh.histogram import HdrHistogram

from mirror.core.latency import MOST_US, bucket_of, lowest_us
from mirror.core.ledger import STATUS_CLASSES
from mirror.errors import InputError
from mirror.replay.measurement import LATE_S, Histogram, Measure
from mirror.replay.steps import MeasuredStep

FORMAT = "kagami-replay"
VERSION = 1

_DIGITS = 2


class Percentiles(msgspec.Struct, frozen=True):
    """Of a time, in milliseconds; null where there was nothing to measure."""

    p50: float | None
    p90: float | None
    p99: float | None
    p99_9: float | None
    max: float | None


class Histograms(msgspec.Struct, frozen=True):
    """In microseconds, each in the V2 encoding."""

    from_intended_us: str
    from_send_us: str
    schedule_lag_us: str


class Part(msgspec.Struct, kw_only=True):
    """What was counted in a replay, or in one part of it."""

    is_valid: bool
    invalid_reason: str | None
    window_s: float
    due: int
    late: int
    shed: dict[str, int]
    sent: int
    outcomes: dict[str, int]
    answered: int
    offered_rps: float
    achieved_rps: float
    from_intended_ms: Percentiles
    from_send_ms: Percentiles
    schedule_lag_ms: Percentiles
    histograms: Histograms


class StepResult(Part, kw_only=True):
    """The steady part of a step; of one that ended before it, all of it."""

    rate_rps: float | None
    steady_from: float | None
    """Unix time; null where the step ended before its steady part."""
    generator_cpu_ratio: float


class SaturationResult(msgspec.Struct, frozen=True):
    held_rps: float | None
    broken_rps: float | None
    broken_by: str | None


class Result(Part, kw_only=True):
    """What `mirror replay --format json` prints."""

    format: str
    version: int
    to: str
    schedule: str
    """Equal for shards of one schedule: a digest of the list and of all that was asked for."""
    shard: str | None
    """INDEX/N; null for a whole schedule, also for one that was merged."""
    rate_rps: float | None
    speed: float | None
    lag_limit_ms: float = LATE_S * 1000
    is_interrupted: bool
    elapsed_s: float
    skipped: dict[str, int]
    filtered: int
    steps: list[StepResult]
    saturation: SaturationResult | None


def percentiles(histogram: Histogram) -> Percentiles:
    return Percentiles(*(histogram.percentile_ms(ratio) for ratio in (0.5, 0.9, 0.99, 0.999, 1)))


def encoded(histogram: Histogram) -> str:
    whole = HdrHistogram(1, MOST_US, _DIGITS)
    for bucket, number in histogram.buckets.items():
        whole.record_value(lowest_us(bucket), number)
    return bytes(whole.encode()).decode()


def decoded(text: str, longest_ms: float | None) -> Histogram:
    """Raises ValueError."""
    try:
        whole = HdrHistogram.decode(text.encode())
    except Exception as error:  # the library lets through whatever base64, zlib and struct raise
        raise ValueError("expected a histogram in the V2 encoding") from error
    histogram = Histogram()
    for item in whole.get_recorded_iterator():
        bucket = bucket_of(item.value_iterated_to)
        count = histogram.buckets.get(bucket, 0) + item.count_at_value_iterated_to
        histogram.buckets[bucket] = count
    if longest_ms is not None:
        histogram.max_us = round(longest_ms * 1000)
    return histogram


def measure_of(part: Part) -> Measure:
    """What `counts_of` was told. Raises ValueError."""
    measure = Measure()
    measure.due, measure.late = part.due, part.late
    measure.shed, measure.outcomes = part.shed, part.outcomes
    texts = part.histograms
    measure.from_intended = decoded(texts.from_intended_us, part.from_intended_ms.max)
    measure.from_send = decoded(texts.from_send_us, part.from_send_ms.max)
    measure.lag = decoded(texts.schedule_lag_us, part.schedule_lag_ms.max)
    return measure


def answered_of(outcomes: Mapping[str, int]) -> int:
    return sum(outcomes.get(name, 0) for name in STATUS_CLASSES if name)


def per_second(number: int, span_s: float) -> float:
    return number / span_s if span_s > 0 else 0.0


def counts_of(measure: Measure) -> dict[str, object]:
    """The fields of a Part that a Measure knows."""
    return {
        "due": measure.due,
        "late": measure.late,
        "shed": dict(sorted(measure.shed.items())),
        "sent": measure.due - sum(measure.shed.values()),
        "outcomes": dict(sorted(measure.outcomes.items())),
        "answered": answered_of(measure.outcomes),
        "from_intended_ms": percentiles(measure.from_intended),
        "from_send_ms": percentiles(measure.from_send),
        "schedule_lag_ms": percentiles(measure.lag),
        "histograms": Histograms(
            encoded(measure.from_intended), encoded(measure.from_send), encoded(measure.lag)
        ),
    }


def step_result(measured: MeasuredStep) -> StepResult:
    is_steady = measured.steady.due > 0
    measure = measured.steady if is_steady else measured.ramp
    step = measured.step
    window_s = measured.steady_s if is_steady else 0.0
    reason = measured.generator_limit
    return StepResult(
        is_valid=reason is None,
        invalid_reason=reason,
        window_s=window_s,
        offered_rps=per_second(measure.due, window_s),
        achieved_rps=per_second(measure.completed, window_s),
        rate_rps=step.rate_rps,
        steady_from=measured.steady_from if is_steady else None,
        generator_cpu_ratio=measured.cpu_ratio,
        **counts_of(measure),  # type: ignore[arg-type]
    )


def read(path: Path) -> Result:
    """Raises InputError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    try:
        head = msgspec.json.decode(data, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: expected the JSON of mirror replay --format json") from error
    if head.get("format") != FORMAT:
        raise InputError(f"{path}: format: expected {FORMAT}")
    if head.get("version") != VERSION:
        raise InputError(f"{path}: version: expected {VERSION}, got {head.get('version')}")
    try:
        return msgspec.convert(head, Result)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}") from error


def to_json(result: Result) -> str:
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()
