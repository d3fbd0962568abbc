import base64
import struct
import tracemalloc
import zlib

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from mirror.core.latency import MOST_US
from mirror.formats.replay_result import ReplayResult
from mirror.replay.measurement import Histogram, Measure
from mirror.replay.result import counts_of, decoded, encoded, measure_of, percentiles, step_result
from mirror.replay.schedule import Step
from mirror.replay.steps import MeasuredStep


def measure(*times_us: int) -> Measure:
    made = Measure()
    for time_us in times_us:
        made.started(time_us / 2e6)
        made.from_intended.record(time_us)
        made.from_send.record(time_us // 2)
        made.ended("2xx")
    return made


def result(of: Measure, **changes: object) -> ReplayResult:
    """Return a complete result with these counts."""
    values: dict[str, object] = {
        "format": "kagami-replay",
        "version": 1,
        "to": "http://127.0.0.1:1",
        "schedule": "5ca1ab1e",
        "shard": None,
        "rate_rps": 10.0,
        "speed": None,
        "lag_limit_ms": 10.0,
        "is_valid": True,
        "invalid_reason": None,
        "is_interrupted": False,
        "window_s": 10.0,
        "elapsed_s": 10.5,
        "offered_rps": of.due / 10,
        "achieved_rps": of.due / 10.5,
        "skipped": {},
        "filtered": 0,
        "steps": [],
        "saturation": None,
    }
    return ReplayResult(**(counts_of(of) | values | changes))  # type: ignore[arg-type]


@given(st.lists(st.integers(0, MOST_US), max_size=60))
def test_histogram_survives_its_text(times_us: list[int]) -> None:
    histogram = Histogram()
    for time_us in times_us:
        histogram.record(time_us)
    again = decoded(encoded(histogram), percentiles(histogram).max)
    assert (again.buckets, again.max_us) == (histogram.buckets, histogram.max_us)


def test_other_tools_read_the_histogram() -> None:
    whole = HdrHistogram.decode(encoded(measure(*range(1000, 2000)).from_intended).encode())
    assert whole.get_total_count() == 1000
    assert whole.get_value_at_percentile(50) == pytest.approx(1500, rel=0.01)


@pytest.mark.parametrize("text", ["", "####", "HISTFAAAAB", "AAAA"])
def test_broken_histogram(text: str) -> None:
    with pytest.raises(ValueError, match="V2 encoding"):
        decoded(text, None)


def test_measure_survives_its_part() -> None:
    made = measure(5, 70_000)
    made.count_shed("no_connection")
    part = result(made)
    assert counts_of(measure_of(part)) == counts_of(made)
    assert part.sent == 1 and part.late == 1


def test_step_is_its_steady_part() -> None:
    step = MeasuredStep(Step(10, 0, 10), measure(1), measure(2000, 3000), 1e9, 8.0, 0.5)
    step.steady.completed = 3
    shown = step_result(step)
    assert (shown.due, shown.window_s, shown.steady_from) == (2, 8.0, 1e9)
    assert (shown.offered_rps, shown.achieved_rps) == (0.25, 0.375)
    assert shown.from_intended_ms.max == 3.0 and shown.generator_cpu_ratio == 0.5


def test_step_without_a_steady_part() -> None:
    shown = step_result(MeasuredStep(Step(10, 0, 10), measure(1)))
    assert (shown.due, shown.window_s, shown.steady_from, shown.offered_rps) == (1, 0, None, 0)


def packed(digits: int, lowest: int, highest: int, counts: bytes) -> str:
    """Return a histogram in the V2 encoding with this header."""
    head = struct.pack(">IIIIQQd", 0x1C849313, len(counts), 0, digits, lowest, highest, 1.0)
    body = zlib.compress(head + counts, 9)
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(body)) + body).decode()


@pytest.mark.parametrize(
    "text",
    [
        packed(5, 1, 1 << 62, b""),  # the library would make room for 12 million buckets
        packed(2, 1, 2 * MOST_US, b""),
        packed(2, 1, MOST_US, b"\0" * (64 << 20)),  # 65 kB that unpack to 64 MiB
        packed(2, 1, MOST_US, b"")[:20],
        "not base64!",
        "",
    ],
)
def test_only_histograms_of_our_layout_are_unpacked(text: str) -> None:
    tracemalloc.start()
    with pytest.raises(ValueError, match="expected a histogram in the V2 encoding, of our layout"):
        decoded(text, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20
