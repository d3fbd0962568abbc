"""The console of text output, as wide as the terminal or as a table; and the progress on stderr.

Without a terminal rich assumes 80 columns and cuts what does not fit, so a report in a file would
lose numbers.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from mirror.formats.rich_console import visible_console

WIDTH = 140


def console() -> Console:
    """Return a console on stdout that obeys no text."""
    return visible_console(sys.stdout, width=None if sys.stdout.isatty() else WIDTH)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of progress; call it with how much is done, and how much there is."""

    progress: Progress
    task: TaskID

    def __call__(self, done: int, total: int) -> None:
        self.progress.update(self.task, completed=done, total=total)


@contextmanager
def working(words: str) -> Iterator[Bar]:
    """Show a bar on stderr while the block lasts, if stderr is a terminal."""
    out = visible_console(err=True)
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        yield Bar(progress, progress.add_task(escape(words), total=None))
