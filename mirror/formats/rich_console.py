"""The console for tables and colours: text is never markup, and what a terminal obeys is visible.

rich would read `[link=…]` and `[red]` in a name as markup, fail at `[/x]`, and pass escape
sequences on to the terminal.
"""

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from mirror.formats.foreign_text import visible


def visible_console(file: IO[str] | None = None, err: bool = False, **options: Any) -> Console:
    """Return a console on `file`, or else on stdout, or on stderr with `err`."""
    return _VisibleConsole(
        file=file, stderr=err, markup=False, highlight=False, emoji=False, **options
    )


class _VisibleConsole(Console):
    def render_str(self, text: str, **options: Any) -> Text:
        # Before anything is measured, so that columns stay aligned.
        return super().render_str(_visible_lines(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(_visible_lines(segment.text), segment.style)


def _visible_lines(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))
