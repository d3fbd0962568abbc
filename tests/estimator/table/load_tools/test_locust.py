from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.rows import Loop


def test_totals_are_of_the_aggregated_row(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "locust_stats.csv").runs
    assert run.rps == pytest.approx(97.65, abs=0.01)
    assert run.duration_s == pytest.approx(19.05, abs=0.01)
    assert (run.p50_ms, run.p99_ms) == (45, 100)
    assert run.error_ratio == pytest.approx(364 / 1860)
    assert (run.loop, run.start) == (Loop.CLOSED, None)


def test_history_leaves_the_ramp_out(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "locust_stats_history.csv").runs
    # There are 20 users from second 32 on; 150 of the 1860 requests came earlier.
    assert (run.start, run.duration_s, run.connections) == (1795611432, 17, 20)
    assert run.rps == pytest.approx((1860 - 150) / 17)
    assert run.error_ratio == pytest.approx((364 - 28) / (1860 - 150))
    assert run.p99_ms == 110


def test_nothing_measured_is_no_number(read, load_tool_samples: Path) -> None:
    text = (load_tool_samples / "locust_stats_history.csv").read_text()
    assert "N/A" in text
    assert read(text).p50_ms == 44


def test_every_bad_cell_is_named(refused, load_tool_samples: Path) -> None:
    text = (load_tool_samples / "locust_stats.csv").read_text()
    broken = text.replace(",Aggregated,1860,364,", ",Aggregated,many,few,")
    assert refused(broken) == [
        ":4: Request Count: expected a number or N/A, got 'many'",
        ":4: Failure Count: expected a number or N/A, got 'few'",
    ]
    assert refused(text.replace("Aggregated", "Sum")) == ["holds no row whose Name is Aggregated"]
    assert refused(text.replace("1860,364", "0,0")) == ["holds no request"]
