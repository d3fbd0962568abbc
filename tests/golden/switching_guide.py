"""Makes the quoted outputs of docs/switching.md from docs/switching-example.

    .venv/bin/python -m tests.golden.switching_guide

An output is quoted below the command that prints it: a fenced block after `<!-- output -->`, whole
or from one line to before another (`<!-- output: from "Why" to "Undecided" -->`). The commands run
in the order of the page, in a directory with the files of the example; those of a section that
quotes nothing do not run.
"""

import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from click.testing import CliRunner

from estimator.commands.estimate import main

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "switching.md"
EXAMPLE = ROOT / "docs" / "switching-example"

_COMMAND = re.compile(r"^estimate (.*?)(?: +# exit code (\d))?$", re.M)
_PART = re.compile(
    r"```sh\n(?P<commands>.*?)```"
    r'|(?P<head><!-- output(?:: from "(?P<first>.*?)" to "(?P<last>.*?)")? -->\n```\w*\n)'
    r"(?P<quote>.*?)(?P<tail>```\n)",
    re.S,
)


def with_outputs(guide: str, directory: Path) -> str:
    """Return the guide with every quoted output brought up to date.

    The commands run in `directory`, where the files of the example must be.
    """
    output = ""

    def brought_up_to_date(part: re.Match[str]) -> str:
        nonlocal output
        if part["commands"] is not None:
            for words, code in _COMMAND.findall(part["commands"].replace("\\\n", " ")):
                result = CliRunner().invoke(main, shlex.split(words))
                assert result.exit_code == int(code or 0), (words, result.output)
                output = result.stdout
            return part[0]
        lines = [line.rstrip() for line in output.splitlines()]
        if part["first"] is not None:
            begin = next(n for n, line in enumerate(lines) if line.startswith(part["first"]))
            lines = lines[begin:]
            lines = lines[: next(n for n, line in enumerate(lines) if line == part["last"])]
        words = "\n".join(lines).strip("\n")
        return f"{part['head']}{words}\n{part['tail']}"

    before = Path.cwd()
    os.chdir(directory)
    try:
        sections = re.split(r"(?m)^(?=## )", guide)
        return "".join(
            _PART.sub(brought_up_to_date, section) if "<!-- output" in section else section
            for section in sections
        )
    finally:
        os.chdir(before)


def copy_example(directory: Path) -> None:
    """Copy the files of the example into a directory."""
    for path in EXAMPLE.iterdir():
        shutil.copy(path, directory)


def write() -> None:
    """Replace the quotes of the guide."""
    with tempfile.TemporaryDirectory() as name:
        copy_example(Path(name))
        GUIDE.write_text(with_outputs(GUIDE.read_text(), Path(name)))


if __name__ == "__main__":
    write()
