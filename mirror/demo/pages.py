"""The answers of the demo: two pages, the series, and what a terminal shows of them.

`mirror compare` and `estimate` run as processes, as a user runs them. This module knows their
command lines and exit codes, where their answer begins and ends, and no number of it.
"""

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mirror.demo.processes import ChildFailed

COMPARISON = "comparison.html"
ESTIMATE = "estimate.html"
SERIES = "series.db"

MOST_SUMMARY_LINES = 25
"""The page has all of it; a terminal shows what fits beside the counts."""
_LAST_SECTION = "The assumptions that move the answer most"
"""Where the part of the summary begins that repeats what the page explains."""

_COMPARED = (0, 3, 5)
"""Exit codes of `mirror compare` with a verdict: safe so far, not known yet or needs attention, not
safe to switch."""
_ESTIMATED = (0, 3)
"""Exit codes of `estimate` with a report; less than a day of traffic has low confidence, 3."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the answers go. Those of an earlier demo are replaced, other files stay."""

    path: Path

    def prepare(self) -> None:
        """Make the folder, and remove the answers of an earlier demo. Raises OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        for name in (COMPARISON, ESTIMATE, SERIES):
            (self.path / name).unlink(missing_ok=True)

    def compare(self, admin_port: int) -> str:
        """Ask the running sidecar, write the page, and return the verdict, a line.

        Raises ChildFailed if there is no verdict.
        """
        source = f"127.0.0.1:{admin_port}"
        words = ["mirror", "compare", source, "--html", str(self.path / COMPARISON)]
        return _output(words, _COMPARED).partition("\n")[0]

    def estimate(self, series: Path) -> list[str]:
        """Keep the series, write the page, and return at most MOST_SUMMARY_LINES lines.

        Raises ChildFailed if there is no report.
        """
        kept = self.path / SERIES
        with closing(sqlite3.connect(series)) as recorded, closing(sqlite3.connect(kept)) as copy:
            recorded.backup(copy)
            # Nobody writes it any more; a reader would leave two files of the log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
        page = str(self.path / ESTIMATE)
        words = ["estimator", "--from-series", str(kept), "--html", page]
        return first_lines(_output(words, _ESTIMATED))


def first_lines(summary: str) -> list[str]:
    """Return the lines of a summary up to its last sections, without the empty ones."""
    lines = []
    for line in summary.splitlines():
        if line.startswith(_LAST_SECTION):
            break
        if line.strip():
            lines.append(line.rstrip())
    if len(lines) > MOST_SUMMARY_LINES:
        return [*lines[: MOST_SUMMARY_LINES - 1], "  ... the page has the rest"]
    return lines


def _output(words: list[str], expected: tuple[int, ...]) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", *words], check=False, capture_output=True, text=True
    )
    if done.returncode not in expected:
        raise ChildFailed(f"{words[0]} ended with exit code {done.returncode}:\n{done.stderr}")
    return done.stdout
