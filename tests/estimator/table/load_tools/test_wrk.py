from pathlib import Path

import pytest

from estimator.table.load_tools.detect import read_result
from estimator.table.rows import Loop


@pytest.fixture
def text(load_tool_samples: Path) -> str:
    return (load_tool_samples / "wrk.txt").read_text()


def test_sample_has_its_units(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "wrk.txt").runs
    assert (run.rps, run.duration_s, run.connections) == (256.02, 6.10, 16)
    assert (run.p50_ms, run.p99_ms, run.error_ratio) == (66.23, 335.59, 0)
    assert (run.loop, run.rps_target, run.start) == (Loop.CLOSED, None, None)


def test_refusals_of_a_rate_limit_are_errors(load_tool_samples: Path) -> None:
    (run,) = read_result(load_tool_samples / "wrk_limited.txt").runs
    assert run.error_ratio == pytest.approx(80842 / 80905)
    assert (run.rps, run.connections) == (40225.51, 4)
    # The output states 38.00us and 32.99ms.
    assert (run.p50_ms, run.p99_ms) == (pytest.approx(0.038), 32.99)


@pytest.mark.parametrize(
    ("written", "expected"), [("25.39us", 0.02539), ("1.20s", 1200), ("1.50m", 90_000)]
)
def test_every_number_has_its_own_unit(read, text: str, written: str, expected: float) -> None:
    assert read(text.replace("335.59ms", written)).p99_ms == pytest.approx(expected)


def test_both_kinds_of_errors_count(read, text: str) -> None:
    failing = text.replace(
        "Requests/sec",
        "  Socket errors: connect 1, read 2, write 3, timeout 712\n"
        "  Non-2xx or 3xx responses: 282\nRequests/sec",
    )
    assert read(failing).error_ratio == pytest.approx((282 + 718) / (1562 + 718))


def test_missing_latency_is_told(read, text: str) -> None:
    run = read("\n".join(line for line in text.splitlines() if "%" not in line))
    assert (run.p50_ms, run.p99_ms) == (None, None)
    assert run.notes == ("no p50 and p99: run it with --latency",)


def test_rate_is_divided_where_it_is_not_written(read, text: str) -> None:
    assert read(text.replace("Requests/sec", "Rate")).rps == pytest.approx(1562 / 6.10)


def test_cut_off_output_is_refused(refused, text: str) -> None:
    assert refused(text[:200]) == ["expected `N requests in T`; was the run cut off?"]


@pytest.mark.parametrize("filler", ["1" * 2_000_000, "\n" * 2_000_000, "Running " * 200_000])
def test_a_long_text_of_nothing_is_read_once(refused, filler: str) -> None:
    """A search that begins again at every character would outlive the tests."""
    text = f"Running 6s test @ http://a\n{filler}"
    assert refused(text) == ["expected `N requests in T`; was the run cut off?"]


@pytest.mark.parametrize(
    ("written", "damaged"),
    [
        ("in 6.10s", "in 6.101.88s"),
        ("335.59ms", "33.5.59ms"),
        ("256.02", "256.0.2"),
        ("1562 requests", "1" * 400 + " requests"),
    ],
)
def test_a_damaged_number_is_refused(refused, text: str, written: str, damaged: str) -> None:
    assert written in text
    (problem,) = refused(text.replace(written, damaged))
    assert problem.startswith("expected a number, got '")
