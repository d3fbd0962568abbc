"""Builds the document of a result (mirror/formats/replay_result.py) from what was measured.

Owns the two encodings: percentiles for people, and whole histograms as text in the V2 encoding of
HdrHistogram (http://hdrhistogram.org), which libraries of many languages read. Its counts are
exact, so results add up without loss.
"""

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

from mirror.core.latency import MOST_US, bucket_of, lowest_us
from mirror.core.ledger import STATUS_CLASSES
from mirror.formats.replay_result import (
    FORMAT,
    SERVED,
    VERSION,
    Histograms,
    PartResult,
    Percentiles,
    ReplayResult,
    SaturationResult,
    StepResult,
)
from mirror.replay.measurement import LATE_S, Histogram, Measure
from mirror.replay.steps import MeasuredStep, late_generator

_DIGITS = 2
_OUTER_HEADER_BYTES = 8
_HEADER = struct.Struct(">IIIIQQd")
"""Cookie, length, offset, digits, lowest and highest value, ratio: HdrHistogram's V2 header."""
MOST_UNPACKED = 1 << 16
"""An unpacked histogram has a bucket of at most 9 bytes for each of 4,096 times."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything in a result beside its steps; the names and units are those of ReplayResult."""

    to: str
    schedule: str
    shard: str | None
    rate_rps: float | None
    speed: float | None
    is_interrupted: bool
    failure: str | None
    """Why the list could not be read to its end, or None."""
    window_s: float
    elapsed_s: float
    skipped: dict[str, int]
    filtered: int
    saturation: SaturationResult | None


def result_of(measured: Sequence[MeasuredStep], around: Circumstances) -> ReplayResult:
    """Return the result of these steps, without the usage of processes."""
    total = Measure()
    for reached in measured:
        total.add(reached.ramp)
        total.add(reached.steady)
    steps = [step_result(reached) for reached in measured]
    counts = counts_of(total)
    answered = answered_of(total.outcomes)
    reason = late_generator(total.lag.percentile_ms(0.99))
    reason = reason or next((step.invalid_reason for step in steps if step.invalid_reason), None)
    if not answered:
        reason = "no request was answered"
    if around.failure is not None:
        reason = f"it ended early: {around.failure}"
    window_s, elapsed_s = around.window_s, around.elapsed_s
    return ReplayResult(
        format=FORMAT,
        version=VERSION,
        to=around.to,
        schedule=around.schedule,
        shard=around.shard,
        rate_rps=around.rate_rps,
        speed=around.speed,
        lag_limit_ms=LATE_S * 1000,
        is_valid=reason is None,
        invalid_reason=reason,
        is_interrupted=around.is_interrupted,
        window_s=window_s,
        elapsed_s=elapsed_s,
        offered_rps=per_second(total.due, window_s or elapsed_s),
        achieved_rps=per_second(answered, max(window_s, elapsed_s)),
        skipped=around.skipped,
        filtered=around.filtered,
        steps=steps,
        saturation=around.saturation,
        **counts,  # type: ignore[arg-type]
    )


def step_result(measured: MeasuredStep) -> StepResult:
    """Return the steady part of a step, or the whole step where that part was not reached."""
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


def percentiles(histogram: Histogram) -> Percentiles:
    """Return the percentiles of a histogram, in milliseconds."""
    return Percentiles(*(histogram.percentile_ms(ratio) for ratio in (0.5, 0.9, 0.99, 0.999, 1)))


def encoded(histogram: Histogram) -> str:
    """Return a histogram in the V2 encoding."""
    hdr = HdrHistogram(1, MOST_US, _DIGITS)
    for bucket, number in histogram.buckets.items():
        hdr.record_value(lowest_us(bucket), number)
    return bytes(hdr.encode()).decode()


def decoded(text: str, longest_ms: float | None) -> Histogram:
    """Return a histogram from the V2 encoding, its longest time given in ms.

    Raises ValueError if the text is none, or has another layout than `encoded` writes.
    """
    try:
        _check_layout(text)
        hdr = HdrHistogram.decode(text.encode())
        # The library changes one item over and over.
        recorded = [
            (item.value_iterated_to, item.count_at_value_iterated_to)
            for item in hdr.get_recorded_iterator()
        ]
    except Exception as error:  # the library passes on whatever base64, zlib and struct raise
        raise ValueError("expected a histogram in the V2 encoding, of our layout") from error
    histogram = Histogram()
    for time_us, number in recorded:
        if number < 0:
            raise ValueError("expected counts of at least 0")
        bucket = bucket_of(time_us)
        histogram.buckets[bucket] = histogram.buckets.get(bucket, 0) + number
    if longest_ms is not None:
        histogram.max_us = round(longest_ms * 1000)
    return histogram


def _check_layout(text: str) -> None:
    """Raise ValueError unless the header is ours: the library makes room for what it states."""
    packed = base64.b64decode(text, validate=True)[_OUTER_HEADER_BYTES:]
    unpacked = zlib.decompressobj().decompress(packed, MOST_UNPACKED + 1)
    if len(unpacked) > MOST_UNPACKED:
        raise ValueError(f"expected at most {MOST_UNPACKED} bytes")
    *_, digits, lowest, highest, _ = _HEADER.unpack_from(unpacked)
    if (digits, lowest, highest) != (_DIGITS, 1, MOST_US):
        raise ValueError("expected another layout")


def measure_of(part: PartResult) -> Measure:
    """Return the measure that `counts_of` encoded. Raises ValueError for broken histograms."""
    measure = Measure()
    measure.due, measure.late = part.due, part.late
    measure.shed, measure.outcomes = part.shed, part.outcomes
    measure.statuses = part.statuses
    texts = part.histograms
    measure.from_intended = decoded(texts.from_intended_us, part.from_intended_ms.max)
    measure.from_send = decoded(texts.from_send_us, part.from_send_ms.max)
    measure.lag = decoded(texts.schedule_lag_us, part.schedule_lag_ms.max)
    return measure


def answered_of(outcomes: Mapping[str, int]) -> int:
    """Return how many requests ended with a status."""
    return sum(outcomes.get(name, 0) for name in STATUS_CLASSES if name)


def served_of(outcomes: Mapping[str, int]) -> int:
    """Return how many requests were served."""
    return sum(outcomes.get(name, 0) for name in SERVED)


def per_second(number: int, span_s: float) -> float:
    """Return a rate; 0 for a span without length."""
    return number / span_s if span_s > 0 else 0.0


def counts_of(measure: Measure) -> dict[str, object]:
    """Return the fields of a PartResult that come from a Measure."""
    return {
        "due": measure.due,
        "late": measure.late,
        "shed": dict(sorted(measure.shed.items())),
        "sent": measure.due - sum(measure.shed.values()),
        "outcomes": dict(sorted(measure.outcomes.items())),
        "statuses": dict(sorted(measure.statuses.items())),
        "answered": answered_of(measure.outcomes),
        "from_intended_ms": percentiles(measure.from_intended),
        "from_send_ms": percentiles(measure.from_send),
        "schedule_lag_ms": percentiles(measure.lag),
        "histograms": Histograms(
            encoded(measure.from_intended), encoded(measure.from_send), encoded(measure.lag)
        ),
    }
