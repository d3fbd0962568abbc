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


HEADER = (
    "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,"
    "99.99%,100%,Total Request Count,Total Failure Count"
)


def history(*levels: tuple[int, int, int]) -> str:
    """Return a history of levels: users, requests per second, seconds."""
    total, rows = 0, []
    for users, rate, seconds in levels:
        for _ in range(seconds):
            total += rate
            latencies = "10,11,12,13,15,20,25,30,50,60,70"
            rows.append(
                f"{1767225600 + len(rows)},{users},,Aggregated,{rate},0,{latencies},{total},0"
            )
    return "\n".join([HEADER, *rows]) + "\n"


@pytest.mark.parametrize(
    ("levels", "start", "duration_s"),
    [
        ([(30, 300, 300), (10, 100, 300)], 0, 299),
        ([(10, 100, 60), (30, 300, 300), (0, 0, 60)], 60, 299),
        # Of two stretches the longer one counts.
        ([(30, 300, 20), (10, 100, 100), (30, 300, 200), (20, 200, 9)], 120, 199),
    ],
)
def test_users_that_stop_do_not_lower_the_rate(read, levels, start, duration_s) -> None:
    run = read(history(*levels))
    assert (run.rps, run.duration_s, run.start) == (300, duration_s, 1767225600 + start)
    seconds = sum(level[2] for level in levels) - 1
    assert run.notes[0].startswith(f"the {duration_s} s with all 30 users, of {seconds} s;")


def test_totals_that_begin_anew_begin_a_stretch(read) -> None:
    before, after = history((30, 500, 50)), history((30, 300, 200)).splitlines()[1:]
    assert read("\n".join([before.rstrip(), *after]) + "\n").rps == 300


def test_more_rows_than_a_day_has_are_refused(refused, monkeypatch) -> None:
    monkeypatch.setattr("estimator.table.load_tools.locust.MOST_ROWS", 20)
    assert refused(history((3, 3, 21))) == ["has more than 20 rows of totals"]
