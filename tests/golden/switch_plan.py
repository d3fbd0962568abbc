"""Runs the `estimate switch-plan` commands of docs/switching.md and brings its quotes up to date.

    .venv/bin/python -m tests.golden.switch_plan

Run it after a change that is meant to change the plan, and review the diff of the guide.
"""

import os
import re
import shlex
import tempfile
from pathlib import Path

from click.testing import CliRunner

from estimator.commands.estimate import main
from tests.golden.make import ROOT, copy_example, with_quotes

GUIDE = ROOT / "docs" / "switching.md"
HOW = "if the change is meant: .venv/bin/python -m tests.golden.switch_plan, and read the diff"
_SECTION = re.compile(r"(?ms)^## The day of the switch.*?(?=^## |\Z)")
_COMMAND = re.compile(r"(?m)^estimate (switch-plan .*)$")


def section() -> str:
    """Return the part of the guide about the day of the switch."""
    found = _SECTION.search(GUIDE.read_text())
    assert found is not None
    return found[0]


def commands() -> list[list[str]]:
    """Return the arguments of the section's commands."""
    joined = section().replace("\\\n", " ")
    return [shlex.split(words) for words in _COMMAND.findall(joined)]


def make_outputs(directory: Path) -> dict[str, str]:
    """Return what the commands print and write, by name, made in a directory with the example."""
    before = Path.cwd()
    os.chdir(directory)
    try:
        # The last command is the first one, which prints the same, and what writes files.
        words = commands()[-1]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, (words, result.output)
        outputs = {"switch-plan.txt": result.stdout}
        for path in [Path("runbook.md"), *Path("switch").rglob("*")]:
            if path.is_file():
                outputs[str(path)] = path.read_text()
        return outputs
    finally:
        os.chdir(before)


def quoted(outputs: dict[str, str]) -> str:
    """Return the section with every quoted output up to date."""
    return with_quotes(section(), outputs)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        copy_example(Path(folder))
        made = quoted(make_outputs(Path(folder)))
    GUIDE.write_text(GUIDE.read_text().replace(section(), made))
