import pytest
from rich.table import Table

from estimator.commands.terminal import console, working


def test_table_in_a_file_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    grid = Table()
    for number in range(9):
        grid.add_column(f"column {number:05}")
    console().print(grid)
    assert "column 00008" in capsys.readouterr().out


def test_names_are_no_markup_and_numbers_have_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("12 pods", style="dim")
    assert capsys.readouterr().out == "12 pods\n"


def test_work_is_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with working("Reading [red]"):
        pass
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    with working("Reading [red]"):
        pass
    out, err = capsys.readouterr()
    assert out == "" and "Reading [red]" in err


def test_bar_shows_how_much_is_done() -> None:
    with working("Reading") as bar:
        bar(2, 3)
        (task,) = bar.progress.tasks
        assert (task.completed, task.total) == (2, 3)
