from hypothesis import given
from hypothesis import strategies as st

from estimator.table.text_plot import HEIGHT, draw


def test_rows_lie_where_they_were_measured() -> None:
    lines = draw([(0, 0), (100, 50)], [(100, 50)], [(50, 25), (0, 50)], "mcpu").splitlines()
    assert lines[0] == "    50 ┤○" + " " * 62 + "●"
    assert lines[HEIGHT - 1] == "     0 ┤·"
    assert lines[-1].startswith("  mcpu  0")
    assert lines[-1].endswith("100 rps per replica")
    assert sum(line.count("○") for line in lines) == 2


values = st.lists(st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)), max_size=9)


@given(values, values, values)
def test_any_values_fit_the_frame(curve, used, unused) -> None:
    lines = draw(curve, used, unused, "mcpu").splitlines()
    assert len(lines) == HEIGHT + 2
    assert any("●" in line for line in lines) == bool(used)
