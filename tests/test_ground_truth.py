"""The published errors of the estimator follow from what was measured, by today's curves."""

import json

import pytest

from benchmarks.macro.ground_truth import (
    HELD_OUT_RATES,
    RESULT,
    ROW_RATES,
    Check,
    Step,
    checks_of,
    markdown,
    medians_of,
    summary_of,
    table_of,
    through_a_file,
)


@pytest.fixture(scope="module")
def found() -> dict:
    return json.loads(RESULT.read_text())


def step(rate: float, cpu: float) -> Step:
    return Step("envoy", rate, rate, cpu, 10**8, 1.0, 2.0, 0.0)


LINE = [step(rate, 10 + rate / 10) for rate in (*ROW_RATES, *HELD_OUT_RATES)]


def test_predictions_follow_from_the_measured_rows(found: dict) -> None:
    steps = medians_of([Step(**each) for each in found["steps"]])
    table = through_a_file(table_of(steps))
    checks = checks_of(table, steps)
    assert [check.proxy for check in checks].count("envoy") == len(HELD_OUT_RATES)
    for check, published in zip(checks, found["checks"], strict=True):
        assert check.measured_millicores == published["measured_millicores"]
        assert check.predicted_millicores == pytest.approx(published["predicted_millicores"])
    assert summary_of(checks) == found["summary"]


def test_every_rate_was_measured_in_every_round(found: dict) -> None:
    rounds = found["parameters"]["rounds"]
    for proxy in ("envoy", "nginx"):
        rates = [each["rate_rps"] for each in found["steps"] if each["proxy"] == proxy]
        assert sorted(rates) == sorted((*ROW_RATES, *HELD_OUT_RATES) * rounds)
    assert set(sum(found["verdicts"].values(), [])) == {"ok"}


def test_held_out_rates_are_in_no_row() -> None:
    assert not set(ROW_RATES) & set(HELD_OUT_RATES)
    (component,) = table_of(LINE).components
    assert [row.rps_target for row in component.points] == sorted(ROW_RATES)


def test_true_line_is_predicted_without_error() -> None:
    checks = checks_of(table_of(LINE), LINE)
    inside = [check for check in checks if not check.is_extrapolated]
    assert len(inside) == len(HELD_OUT_RATES) - 1
    for check in inside:
        assert check.error == pytest.approx(0, abs=1e-3)
    # In proportion to 410m at 4000 rps: at 500 rps 51.25m instead of 60m.
    assert inside[0].proportional_error == pytest.approx(51.25 / 60 - 1)


def test_rounds_count_with_their_median() -> None:
    (median,) = medians_of([step(100, 10), step(100, 30), step(100, 11), step(100, 9)])
    assert (median.cpu_millicores, median.p99_ms) == (10.5, 2.0)


def test_summary_has_errors_without_signs() -> None:
    shared = {"low": 90, "high": 110, "proportional_millicores": 50, "is_extrapolated": False}
    checks = [Check("envoy", 1, 100, each, **shared) for each in (90, 120, 105)]
    assert summary_of(checks) == {
        "checks": 3,
        "median_error": 0.1,
        "worst_error": 0.2,
        "median_proportional_error": 0.5,
        "worst_proportional_error": 0.5,
        "within_bounds": 1.0,
    }
    shown = markdown({"checks": [], "summary": summary_of(checks)})
    assert "Median error 10.0%, worst 20.0%" in shown
