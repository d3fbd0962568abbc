"""Makes the golden reports and the quoted outputs of docs/estimate.md from docs/example.

    .venv/bin/python -m tests.golden.make

Run it after a change that is meant to change a report, and review its diff. The commands are those
of docs/estimate.md. Numbers are rounded to six digits, because the last bit depends on the
processor. Scripts, styles and line coordinates of the page are left out; other tests check them.
"""

import json
import os
import re
import shlex
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from estimator.commands.estimate import main

GOLDEN = Path(__file__).parent
ROOT = GOLDEN.parents[1]
GUIDE = ROOT / "docs" / "estimate.md"
EXAMPLE = ROOT / "docs" / "example"

_COMMAND = re.compile(r"^estimate (.*?)(?: +# exit code (\d))?$", re.M)
# <!-- report.txt: from "Needed" to "Traffic" -->, and the fenced block below it.
_QUOTE = re.compile(
    r'(<!-- ([\w./-]+)(?:: from "(.*?)" to "(.*?)")? -->\n```\w*\n).*?(```\n)', re.S
)
_LEFT_OUT = (
    (re.compile(r"(<(script|style)\b[^>]*>).*?(</\2>)", re.S), r"\1...\3"),
    (re.compile(r"sha256-[\w+/=]{44}"), "sha256-..."),
    (re.compile(r' d="[^"]*"'), ' d="..."'),
    (re.compile(r'(?<=")-?\d+\.\d+(?=")'), "..."),
)


def commands() -> list[tuple[list[str], int]]:
    """Return the `estimate` commands of the guide's shell blocks with their exit codes."""
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.S)
    joined = "\n".join(blocks).replace("\\\n", " ")
    return [(shlex.split(words), int(code or 0)) for words, code in _COMMAND.findall(joined)]


def copy_example(directory: Path) -> None:
    """Copy the files of the example into a directory, and make its series."""
    for path in EXAMPLE.iterdir():
        shutil.copy(path, directory)
    with closing(sqlite3.connect(directory / "series.db")) as database:
        database.executescript((EXAMPLE / "series.sql").read_text())


def make_outputs(directory: Path) -> dict[str, str]:
    """Return every golden file by name, made in a temporary directory of the caller."""
    copy_example(directory)
    before = Path.cwd()
    os.chdir(directory)
    try:
        outputs = {}
        for arguments, code in commands():
            result = CliRunner().invoke(main, arguments)
            assert result.exit_code == code, (arguments, result.output)
            name = _name_of(arguments)
            outputs[name] = _rounded(result.stdout) if "json" in name else result.stdout
            if code == 2:
                outputs["wrong.txt"] = result.stderr
        outputs["report.html"] = _skeleton(Path("report.html").read_text())
        for path in sorted(Path("k8s").glob("watch-*")):
            outputs[str(path)] = path.read_text()
        return outputs
    finally:
        os.chdir(before)


def with_quotes(guide: str, outputs: dict[str, str]) -> str:
    """Return the guide with every quoted output brought up to date."""

    def quote(found: re.Match[str]) -> str:
        head, name, first, last, tail = found.groups()
        lines = outputs[name].splitlines()
        if first is not None:
            begin = next(n for n, line in enumerate(lines) if line.startswith(first))
            end = next(n for n, line in enumerate(lines) if n > begin and line.startswith(last))
            lines = lines[begin:end]
        words = "\n".join(line.rstrip() for line in lines).strip("\n")
        return f"{head}{words}\n{tail}"

    return _QUOTE.sub(quote, guide)


def _name_of(arguments: list[str]) -> str:
    """Return the name of the golden file with the output of a command of the guide."""
    if "--explain" in arguments:
        return "explain.txt"
    if "--against" in arguments:
        return "drift.txt"
    if "--format" in arguments:
        form = arguments[arguments.index("--format") + 1]
        return {"json": "report.json", "markdown": "report.md"}[form]
    if "--full" in arguments:
        return "full.txt"
    return "report.txt" if "--html" in arguments else "wrong.txt"


def _rounded(text: str) -> str:
    def walk(node: Any) -> Any:
        if isinstance(node, float):
            return float(f"{node:.6g}")
        if isinstance(node, dict):
            return {key: walk(value) for key, value in node.items()}
        return [walk(value) for value in node] if isinstance(node, list) else node

    return json.dumps(walk(json.loads(text)), indent=2, ensure_ascii=False) + "\n"


def _skeleton(page: str) -> str:
    for pattern, left in _LEFT_OUT:
        page = pattern.sub(left, page)
    return page


def write() -> None:
    """Replace the golden files and the guide's quotes."""
    with tempfile.TemporaryDirectory() as directory:
        outputs = make_outputs(Path(directory))
    for name, text in outputs.items():
        (GOLDEN / name).parent.mkdir(exist_ok=True)
        (GOLDEN / name).write_text(text)
    GUIDE.write_text(with_quotes(GUIDE.read_text(), outputs))


if __name__ == "__main__":
    write()
