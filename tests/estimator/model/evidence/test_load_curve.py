import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from estimator.model.evidence.load_curve import fit, isotonic_means

ROWS = st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e5)), min_size=1, max_size=12)


def test_worked_number_of_the_docstring() -> None:
    curve = fit([0, 1, 3], [0, 1, 2])
    assert curve.cubic is not None
    assert curve.cubic(curve.x, nu=1) == pytest.approx([7 / 6, 9 / 13, 1 / 6])
    assert curve.millicores_at(0.5) == pytest.approx(0.559295, abs=1e-6)
    assert curve.millicores_at(2) == pytest.approx(1.631410, abs=1e-6)


def test_worked_means_of_the_docstring() -> None:
    x, y = isotonic_means([1, 2, 3, 4], [1, 3, 2, 4])
    assert x.tolist() == [1, 2, 3, 4]
    assert y.tolist() == [1, 2.5, 2.5, 4]


def test_rows_at_one_rps_are_averaged() -> None:
    x, y = isotonic_means([5, 5, 9], [10, 20, 40])
    assert (x.tolist(), y.tolist()) == ([5, 9], [15, 40])


def test_rows_within_a_fiftieth_are_at_one_rps() -> None:
    x, y = isotonic_means([100, 101.8, 102.5, 250], [10, 12, 20, 40])
    assert (x.tolist(), y.tolist()) == ([100.9, 102.5, 250], [11, 20, 40])


def test_repetition_of_a_ladder_does_not_bend_the_curve() -> None:
    # The two runs differ by 10 % in CPU and 0.1 % in rps; their mean is the line through (0, 0).
    rows = [(100, 95), (100.1, 105), (200, 190), (200.2, 210), (400, 380), (400.4, 420)]
    curve = fit(*zip(*rows, strict=True))
    for rps in (120, 150, 180, 250, 300, 350):
        assert curve.millicores_at(rps) == pytest.approx(rps, rel=0.01)


def test_pooling_weighs_each_row() -> None:
    # Two rows at x=1 with mean 30 and one at x=2 with 0 are pooled to (60 + 0) / 3.
    _, y = isotonic_means([1, 1, 2], [30, 30, 0])
    assert y.tolist() == [20, 20]


def test_curve_passes_through_rising_rows() -> None:
    rows = {10.0: 20.0, 50.0: 90.0, 200.0: 300.0, 400.0: 700.0}
    curve = fit(list(rows), list(rows.values()))
    for rps, millicores in rows.items():
        assert curve.millicores_at(rps) == pytest.approx(millicores)


def test_straight_rows_stay_straight() -> None:
    curve = fit([10, 20, 40, 80], [15, 25, 45, 85])
    assert curve.millicores_at(63) == pytest.approx(68)


def test_two_rows_are_joined_by_a_line() -> None:
    assert fit([10, 20], [100, 200]).millicores_at(15) == pytest.approx(150)


def test_one_row_answers_up_to_itself() -> None:
    curve = fit([10], [100])
    assert curve.millicores_at(1) == 100
    assert curve.highest_rps_within(100) == 10
    assert curve.highest_rps_within(99) is None


def test_below_the_range_the_lowest_row_answers() -> None:
    assert fit([10, 20], [100, 200]).millicores_at(0) == 100


def test_above_the_range_nothing_answers() -> None:
    with pytest.raises(AssertionError, match="above the curve"):
        fit([10, 20], [100, 200]).millicores_at(20.001)


@given(ROWS, st.floats(0, 1), st.floats(0, 1))
def test_more_rps_never_costs_less(rows: list[tuple[float, float]], a: float, b: float) -> None:
    curve = fit(*zip(*rows, strict=True))
    low, high = (min(a, b) * curve.highest_rps, max(a, b) * curve.highest_rps)
    less, more = curve.millicores_at(low), curve.millicores_at(high)
    assert less <= more or less == pytest.approx(more, rel=1e-12)


@given(ROWS)
def test_curve_stays_among_its_rows(rows: list[tuple[float, float]]) -> None:
    curve = fit(*zip(*rows, strict=True))
    cpus = [millicores for _, millicores in rows]
    for rps in np.linspace(curve.lowest_rps, curve.highest_rps, 17):
        value = curve.millicores_at(min(float(rps), curve.highest_rps))
        assert min(cpus) - 1e-9 <= value <= max(cpus) + 1e-9


@given(ROWS, st.randoms())
def test_permutation_of_rows_changes_nothing(rows: list[tuple[float, float]], random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    ordered, other = fit(*zip(*rows, strict=True)), fit(*zip(*shuffled, strict=True))
    assert ordered.x.tolist() == other.x.tolist()
    assert ordered.y.tolist() == other.y.tolist()


@given(ROWS, st.floats(0, 1))
@example([(0.0, 0.0), (0.0, 4096.480505975238), (1.0, 34816.68020927988)], 1.0)
def test_inverse_is_the_largest_that_fits(rows: list[tuple[float, float]], share: float) -> None:
    curve = fit(*zip(*rows, strict=True))
    budget = float(curve.y[0] + share * (curve.y[-1] - curve.y[0]))
    rps = curve.highest_rps_within(budget)
    assert rps is not None
    assert curve.millicores_at(rps) <= budget
    above = np.nextafter(rps, np.inf)
    assert rps == curve.highest_rps or curve.millicores_at(float(above)) > budget


@given(
    st.lists(st.tuples(st.floats(1, 100), st.floats(1, 100)), min_size=2, max_size=8),
    st.floats(0, 1),
)
def test_inverse_undoes_forward(steps: list[tuple[float, float]], share: float) -> None:
    # The rows rise strictly in unequal steps; only then is the inverse unique.
    x, y = np.cumsum(steps, axis=0).T
    assume(len({width for width, _ in steps}) > 1)
    curve = fit(x.tolist(), y.tolist())
    rps = curve.lowest_rps + share * (curve.highest_rps - curve.lowest_rps)
    rps = min(rps, curve.highest_rps)
    back = curve.highest_rps_within(curve.millicores_at(rps))
    assert back is not None
    # A cubic may be flat at a point, so CPU agrees more closely than rps.
    assert curve.millicores_at(back) == pytest.approx(curve.millicores_at(rps), rel=1e-9)
    assert back == pytest.approx(rps, rel=1e-3)
