import pytest
from rich.table import Table

from estimator.commands.terminal import console


def test_table_in_a_file_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    grid = Table()
    for number in range(9):
        grid.add_column(f"column {number:05}")
    console().print(grid)
    assert "column 00008" in capsys.readouterr().out


def test_names_are_no_markup_and_numbers_have_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("12 pods", style="dim")
    assert capsys.readouterr().out == "12 pods\n"
