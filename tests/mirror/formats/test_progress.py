"""Checks what a person at a terminal sees of long work, and what a pipe does not."""

import pytest

from mirror.formats.progress import working


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


def test_bar_says_what_is_being_done_and_obeys_no_text() -> None:
    with working("Reading") as bar:
        bar.say("a[red].log: 5 lines")
        (task,) = bar.progress.tasks
        assert task.description == r"a\[red].log: 5 lines" and task.total is None
