"""Progress of long work on stderr, for a person at a terminal; a file or a pipe gets nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.markup import escape
from rich.progress import Progress, TaskID

from mirror.formats.rich_console import visible_console


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of progress; call it with how much is done, and how much there is."""

    progress: Progress
    task: TaskID

    def __call__(self, done: int, total: int) -> None:
        self.progress.update(self.task, completed=done, total=total)

    def say(self, words: str) -> None:
        """Show what is being done, where nobody knows how much there is."""
        self.progress.update(self.task, description=escape(words))


@contextmanager
def working(words: str) -> Iterator[Bar]:
    """Show a bar on stderr while the block lasts, if stderr is a terminal."""
    out = visible_console(err=True)
    with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
        yield Bar(progress, progress.add_task(escape(words), total=None))
