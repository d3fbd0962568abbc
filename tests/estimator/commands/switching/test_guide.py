"""Compares what docs/switching.md quotes of `estimate switch-plan` with what comes out."""

from pathlib import Path

from tests.estimator.commands.switching.guide import commands, make_outputs, quoted, section

HOW = "if the change is meant: .venv/bin/python -m tests.estimator.commands.switching.guide"


def test_the_guide_quotes_what_comes_out(tmp_path: Path) -> None:
    outputs = make_outputs(tmp_path)
    assert quoted(outputs) == section(), HOW
    assert section().count("<!-- ") == 2
    # The folder has what the table of the guide says.
    assert {name.split("/")[1] for name in outputs if name.startswith("switch/")} == {
        *("prepare", "step-1", "step-2", "step-3", "release")
    }


def test_the_first_command_is_part_of_the_last() -> None:
    first, *_, last = commands()
    assert last[: len(first)] == first
