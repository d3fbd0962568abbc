"""Makes the output of `make demo` that the README shows.

    .venv/bin/python -m tests.golden.readme

It is the output of a whole demo, with nginx and Envoy, without all but the first line of the
progress and without the end of the estimate's summary. A test of the demo compares how its lines
begin.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOW = "the README shows another demo: .venv/bin/python -m tests.golden.readme"
LEFT_OUT = "..."
_BLOCK = re.compile(r"(<!-- make demo -->\n```text\n)(.*?)(```\n)", re.S)


def demo_output(readme: str) -> list[str]:
    """Return the lines of the demo that the README shows."""
    block = _BLOCK.search(readme)
    assert block is not None
    return [line for line in block[2].splitlines() if line != LEFT_OUT]


def shortened(output: str) -> str:
    """Return the output without what a first look does not need."""
    lines = []
    progress = 0
    is_doubt = False
    for line in output.splitlines():
        progress += " rps  sent " in line
        is_doubt = (is_doubt or line.startswith("  Reserve")) and bool(line)
        is_left_out = is_doubt or (" rps  sent " in line and progress > 1)
        if not is_left_out:
            lines.append(line)
        elif lines[-1] != LEFT_OUT:
            lines.append(LEFT_OUT)
    return "\n".join(lines) + "\n"


def write() -> None:
    """Run the demo, and replace its output in the README."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "mirror", "demo"],
            cwd=directory,
            check=True,
            capture_output=True,
            text=True,
        )
    page = ROOT / "README.md"
    block = shortened(done.stdout)
    page.write_text(_BLOCK.sub(lambda found: f"{found[1]}{block}{found[3]}", page.read_text()))


if __name__ == "__main__":
    write()
