import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.model.evidence.prediction import (
    MOST_LEFT_OUT,
    Confidence,
    left_out_errors,
    predict,
)

LADDERS = st.lists(st.tuples(st.floats(1, 1000), st.floats(1, 2000)), min_size=1, max_size=14).map(
    lambda rows: tuple(zip(*rows, strict=True))
)


def test_worked_margin_of_the_docstring() -> None:
    found = predict([100, 300, 500], [100, 300, 500])
    assert found.margin_up == pytest.approx(0.0996, abs=1e-4)
    band = found.at(250)
    assert (band.value, band.high) == pytest.approx((250, 250 * 1.0996), rel=1e-4)


def test_too_few_rows_have_no_interval() -> None:
    found = predict([100, 300], [100, 300], Confidence(assumed_margin=0.3))
    assert not found.has_interval
    assert found.at(200).high == pytest.approx(260)


def test_many_rows_speak_for_themselves() -> None:
    # The rows alternate by ±5 % around a line; of nine inner rows the largest error decides.
    x = np.arange(100, 1200, 100.0)
    y = x * np.where(np.arange(11) % 2, 1.05, 0.95)
    found = predict(x.tolist(), y.tolist())
    assert found.margin_up == pytest.approx(left_out_errors(x, y)[8])
    assert "9 rows" in found.evidence


def test_noise_widens_the_band() -> None:
    x = [100.0, 200, 300, 400, 500]
    calm = predict(x, x)
    noisy = predict(x, [100, 230, 290, 450, 500])
    assert noisy.margin_up > 2 * calm.margin_up


def test_beyond_the_rows_is_flagged_and_bounded() -> None:
    found = predict([100, 300, 500], [100, 300, 500])
    assert not found.at(500).is_extrapolated
    beyond = found.at(750)
    assert beyond.is_extrapolated
    assert beyond.value == pytest.approx(750)
    assert beyond.high >= 750 * 1.099
    with pytest.raises(AssertionError, match="beyond"):
        found.at(751)


def test_beyond_the_rows_the_last_four_loads_continue_as_a_power() -> None:
    x = [1.0, 100.0, 200.0, 400.0, 800.0]
    found = predict(x, [500, *(x**0.9 * 10 for x in x[1:])])
    assert found.power == pytest.approx(0.9)
    # Alone it would give 5,906m; the line through the rows is 1.6 % above it.
    assert found.slopes[0] <= found.slopes[1]
    bent = predict(x[1:], [x**0.9 * 10 for x in x[1:]])
    assert 10 * 1200**0.9 <= bent.at(1200).value <= 10 * 1200**0.9 * 1.02


def test_power_stays_between_the_lines_that_continue_the_rows() -> None:
    # The power of 1.0 and the line through all rows rise more slowly than the last segment.
    steep = predict([100, 200, 300], [100, 120, 300])
    low, high = steep.slopes
    assert (low, high) == (pytest.approx(0.867, abs=0.001), pytest.approx(1.8))
    assert 300 + 100 * low <= steep.at(400).value <= 480
    # An idle cost flattens the power; the lines show that it is none of the slope.
    idle = predict([100, 200, 300], [200, 300, 400])
    assert idle.at(450).value == pytest.approx(550)


@given(LADDERS)
def test_nothing_jumps_at_the_last_row(rows) -> None:
    found = predict(*rows)
    last = found.curve.highest_rps
    if last * 1.0000001 < found.limit_rps:
        inside, beyond = found.at(last), found.at(last * 1.0000001)
        for before, after in (
            (inside.value, beyond.value),
            (inside.high, beyond.high),
        ):
            assert after == pytest.approx(before, rel=1e-4, abs=1e-4)


def test_one_row_is_carried_on_in_proportion() -> None:
    found = predict([100], [50])
    assert found.at(150).value == pytest.approx(75)
    assert found.line is None


def test_rows_that_differ_by_rounding_have_no_slope() -> None:
    found = predict([5000.0, 5000.0, 4999.999999999999], [1.0, 1.0, 1.0])
    assert found.line is None
    assert found.at(5000).value == 1


def test_budget_is_kept_by_the_upper_bound() -> None:
    found = predict([100, 300, 500], [100, 300, 500])
    rps = found.highest_rps_within(300)
    assert rps is not None
    assert found.at(rps).high == pytest.approx(300)
    assert found.expected_rps_within(300) == pytest.approx(300)
    assert found.highest_rps_within(109) is None


@given(LADDERS, st.floats(0, 1), st.floats(0, 1))
def test_upper_bound_never_falls(rows, a: float, b: float) -> None:
    found = predict(*rows)
    less, more = (found.at(share * found.limit_rps).high for share in sorted((a, b)))
    assert less <= more * (1 + 1e-9)


@given(LADDERS, st.floats(0, 1))
def test_value_lies_within_its_bounds(rows, share: float) -> None:
    band = predict(*rows).at(share * predict(*rows).limit_rps)
    assert band.low <= band.value * (1 + 1e-9)
    assert band.value <= band.high * (1 + 1e-9)


@given(LADDERS, st.randoms())
def test_permutation_of_rows_changes_nothing(rows, random) -> None:
    shuffled = list(zip(*rows, strict=True))
    random.shuffle(shuffled)
    ordered, other = predict(*rows), predict(*zip(*shuffled, strict=True))
    assert (ordered.margin_up, ordered.margin_down) == (other.margin_up, other.margin_down)
    assert ordered.at(ordered.limit_rps) == other.at(ordered.limit_rps)


@given(LADDERS, st.floats(0, 1))
def test_inverse_of_forward(rows, share: float) -> None:
    found = predict(*rows)
    curve = found.curve
    rps = curve.lowest_rps + share * (curve.highest_rps - curve.lowest_rps)
    budget = found.at(min(rps, curve.highest_rps)).high
    back = found.highest_rps_within(budget * (1 + 1e-12))
    assert back is not None
    # The largest rps within the budget is at least the given rps, and its CPU is within the budget.
    assert back >= rps * (1 - 1e-6)
    assert found.at(back).high <= budget * (1 + 1e-9)


def test_of_many_rows_some_are_left_out() -> None:
    rps = np.linspace(100, 900, 1000)
    assert len(left_out_errors(rps, 50 + rps)) == MOST_LEFT_OUT - 2
