import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.model.evidence.memory import follow

MIB = 2**20


def mebibytes(*values: float) -> list[float]:
    return [value * MIB for value in values]


def test_worked_number_of_the_docstring() -> None:
    curve = follow([100, 300, 500], mebibytes(100, 300, 500))
    assert (curve.rises, curve.grows) == (True, False)
    assert curve.bytes_at(599) / MIB == pytest.approx(599)
    assert curve.bytes_at(10) == 500 * MIB


def test_noise_is_constant() -> None:
    curve = follow([100, 300, 500, 700], mebibytes(300, 312, 305, 318))
    assert (curve.rises, curve.grows) == (False, False)
    assert curve.bytes_at(5000) == 318 * MIB


def test_two_loads_show_no_line() -> None:
    assert not follow([100, 100, 300], mebibytes(100, 110, 300)).rises


def test_memory_that_follows_the_order_of_rows_grows() -> None:
    curve = follow([100, 500, 50, 300, 100], mebibytes(100, 150, 200, 250, 300))
    assert (curve.rises, curve.grows) == (False, True)
    assert curve.bytes_at(5000) == 300 * MIB


def test_memory_that_falls_neither_rises_nor_grows() -> None:
    curve = follow([100, 300, 500], mebibytes(500, 300, 100))
    assert (curve.rises, curve.grows) == (False, False)


ROWS = st.lists(st.tuples(st.floats(1, 1000), st.floats(MIB, 2**30)), min_size=1, max_size=8)


@given(ROWS)
def test_no_row_lies_above_and_more_rps_never_take_less(rows: list[tuple[float, float]]) -> None:
    curve = follow([x for x, _ in rows], [y for _, y in rows])
    amounts = [curve.bytes_at(x) for x in sorted([0.0, 2000.0, *(x for x, _ in rows)])]
    assert amounts == sorted(amounts)
    assert all(curve.bytes_at(x) >= y for x, y in rows)
