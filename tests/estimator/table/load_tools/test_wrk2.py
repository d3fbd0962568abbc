from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.rows import Loop


def test_sample_is_open_loop_with_its_units(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "wrk2.txt").runs
    assert (run.rps, run.duration_s, run.connections) == (500.18, 30, 40)
    assert (run.p50_ms, run.p99_ms) == (4.12, 12.34)
    assert run.loop is Loop.OPEN
    assert run.notes == ("wrk2 does not write the requested rate",)


def test_corrected_distribution_counts(read, load_tool_samples: Path) -> None:
    text = (load_tool_samples / "wrk2.txt").read_text()
    uncorrected = (
        "  Latency Distribution (HdrHistogram - Uncorrected Latency)\n"
        " 50.000%    1.00ms\n 99.000%    2.00ms\n"
    )
    at = text.index("15006 requests")
    assert read(text[:at] + uncorrected + text[at:]).p99_ms == pytest.approx(12.34)
