"""Makes the quoted outputs of docs/switching.md and docs/comparison.md from their examples.

    .venv/bin/python -m tests.golden.guides

An output is quoted below the command that prints it: a fenced block after `<!-- output -->`, whole
or from one line to before another (`<!-- output: from "Why" to "Undecided" -->`). The commands run
in the order of the page, in a directory with the files of the example. Commands of another program
than the page's do not run, nor do those of a section that quotes nothing.
"""

import os
import re
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
from click.testing import CliRunner

from estimator.commands.estimate import main as estimate
from mirror.__main__ import main as mirror

DOCS = Path(__file__).parents[2] / "docs"


@dataclass(frozen=True, slots=True)
class Guide:
    """A page of docs/, the files that it works with, and the program that it runs."""

    path: Path
    example: Path
    program: str
    command: click.Command

    def copy_example(self, directory: Path) -> None:
        for path in self.example.iterdir():
            shutil.copy(path, directory)

    def sections(self) -> list[str]:
        """Return the headings of the sections whose commands run."""
        return [
            section.partition("\n")[0]
            for section in re.split(r"(?m)^(?=## )", self.path.read_text())
            if "<!-- output" in section
        ]


GUIDES = (
    Guide(DOCS / "switching.md", DOCS / "switching-example", "estimate", estimate),
    Guide(DOCS / "comparison.md", DOCS / "comparison-example", "mirror", mirror),
)

_PART = re.compile(
    r"```sh\n(?P<commands>.*?)```"
    r'|(?P<head><!-- output(?:: from "(?P<first>.*?)" to "(?P<last>.*?)")? -->\n```\w*\n)'
    r"(?P<quote>.*?)(?P<tail>```\n)",
    re.S,
)


def with_outputs(text: str, guide: Guide, directory: Path) -> str:
    """Return the text of a guide with every quoted output brought up to date.

    The commands run in `directory`, where the files of the example must be.
    """
    command = re.compile(rf"^{guide.program} (.*?)(?: +# exit code (\d))?$", re.M)
    output = ""

    def brought_up_to_date(part: re.Match[str]) -> str:
        nonlocal output
        if part["commands"] is not None:
            for words, code in command.findall(part["commands"].replace("\\\n", " ")):
                result = CliRunner().invoke(guide.command, shlex.split(words))
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
        sections = re.split(r"(?m)^(?=## )", text)
        return "".join(
            _PART.sub(brought_up_to_date, section) if "<!-- output" in section else section
            for section in sections
        )
    finally:
        os.chdir(before)


def write() -> None:
    """Replace the quotes of the guides."""
    for guide in GUIDES:
        with tempfile.TemporaryDirectory() as name:
            guide.copy_example(Path(name))
            guide.path.write_text(with_outputs(guide.path.read_text(), guide, Path(name)))


if __name__ == "__main__":
    write()
