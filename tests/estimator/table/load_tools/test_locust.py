from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.rows import Loop


def test_totals_are_of_the_aggregated_row(load_tool_samples: Path) -> None:
    run = read_result(load_tool_samples / "locust_stats.csv")
    assert run.rps == pytest.approx(97.81, abs=0.01)
    assert run.duration_s == pytest.approx(19.03, abs=0.01)
    assert (run.p50_ms, run.p99_ms) == (18, 33)
    assert run.error_ratio == pytest.approx(381 / 1861)
    assert (run.loop, run.start) == (Loop.CLOSED, None)


def test_history_leaves_the_ramp_out(load_tool_samples: Path) -> None:
    run = read_result(load_tool_samples / "locust_stats_history.csv")
    # 20 users from second 21 on; 150 of the 1861 requests came before.
    assert (run.start, run.duration_s, run.connections) == (1795367821, 17, 20)
    assert run.rps == pytest.approx((1861 - 150) / 17)
    assert run.error_ratio == pytest.approx((381 - 33) / (1861 - 150))
    assert run.p99_ms == 33


def test_nothing_measured_is_no_number(read, load_tool_samples: Path) -> None:
    text = (load_tool_samples / "locust_stats_history.csv").read_text()
    assert "N/A" in text
    assert read(text).p50_ms == 17


def test_every_bad_cell_is_named(refused, load_tool_samples: Path) -> None:
    text = (load_tool_samples / "locust_stats.csv").read_text()
    broken = text.replace(",Aggregated,1861,381,", ",Aggregated,many,few,")
    assert refused(broken) == [
        ":4: Request Count: expected a number or N/A, got 'many'",
        ":4: Failure Count: expected a number or N/A, got 'few'",
    ]
    assert refused(text.replace("Aggregated", "Sum")) == ["holds no row whose Name is Aggregated"]
    assert refused(text.replace("1861,381", "0,0")) == ["holds no request"]
