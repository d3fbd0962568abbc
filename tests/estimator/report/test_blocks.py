from estimator.report.blocks import Cell


def test_a_cell_is_never_told_without_its_note() -> None:
    assert str(Cell("4", "(4 to 6; extrapolated)")) == "4 (4 to 6; extrapolated)"
    assert str(Cell("4")) == "4"
