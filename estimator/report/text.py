"""The document for a terminal: tables and sentences, no charts.

Colour appears only on a terminal, and rich honours NO_COLOR. Names come from files and from
Datadog, so nothing is interpreted as markup.
"""

from typing import TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from estimator.report.blocks import (
    Banner,
    Block,
    Cell,
    Code,
    Document,
    FactList,
    Grid,
    Headline,
    Level,
    Listing,
    Tiles,
)
from mirror.formats.rich_console import visible_console

# In a file or a pipe, a table with reasons has this width, and any other as much as it needs.
_WIDTH_WITH_REASONS = 120
_MOST_BESIDE_A_REASON = 40
_MOST_WIDTH_OFF_TERMINAL = 500
_STYLES = {Level.OK: "bold green", Level.WARN: "bold yellow", Level.BAD: "bold red"}


def print_text(document: Document, stream: TextIO) -> None:
    """Write the whole report to the stream."""
    console = visible_console(stream, width=None if stream.isatty() else _MOST_WIDTH_OFF_TERMINAL)
    for block in document.head:
        _print_block(block, console)
    for section in document.sections:
        console.print()
        console.print(section.title, style="bold underline")
        for block in section.blocks:
            _print_block(block, console)
    if document.foot:
        console.print()
        console.print(document.foot, style="dim", soft_wrap=True)


def _print_block(block: Block, console: Console) -> None:
    """Print a block; charts and folds are only for the page (blocks.py)."""
    match block:
        case Banner():
            console.print(block.title, style=_STYLES[block.level], soft_wrap=True)
            for line in block.lines:
                console.print(f"  {line}", soft_wrap=True)
        case FactList():
            width = max(len(name) for name, _ in block.pairs)
            for name, value in block.pairs:
                console.print(f"  {name:{width}}  {value}", soft_wrap=True)
        case Tiles():
            for name, value, note in block.tiles:
                console.print(Text.assemble(f"  {name}  ", (value, "bold green"), f"  {note}"))
        case Headline():
            console.print(Text.assemble("  ", (block.answer, "bold green")), soft_wrap=True)
            console.print(f"  {block.because}", soft_wrap=True)
        case Listing():
            style = "" if block.level is None else _STYLES[block.level].removeprefix("bold ")
            console.print(f"  {block.title}", style=f"bold {style}".strip())
            for item in block.items:
                console.print(f"  - {item}", style=style, soft_wrap=True)
        case Code():
            console.print(f"  {block.title}", soft_wrap=True)
            for line in block.lines:
                console.print(f"    {line}", style="cyan", soft_wrap=True)
        case Grid():
            _print_grid(block, console)


def _print_grid(grid: Grid, console: Console) -> None:
    if grid.is_compact:
        # As the title of the table, it would be broken at the table's width.
        console.print(grid.title, style="table.title", soft_wrap=True)
    # The reason is broken over lines, and what else is long, so that it leaves room for the reason.
    has_reasons = any(column.title == "why" for column in grid.columns)
    table = Table(
        title=None if grid.is_compact else grid.title,
        title_justify="left",
        show_footer=bool(grid.footer),
        box=SIMPLE,
        show_edge=not grid.is_compact,
        pad_edge=not grid.is_compact,
        padding=(0, 1, 0, 0 if grid.is_compact else 1),
        width=_WIDTH_WITH_REASONS if has_reasons and not console.is_terminal else None,
    )
    footers = grid.footer or tuple(Cell("") for _ in grid.columns)
    for number, (column, footer) in enumerate(zip(grid.columns, footers, strict=True)):
        table.add_column(
            column.title,
            str(footer),
            justify="right" if column.is_number else "left",
            style="bold" if number == 0 else "",
            overflow="fold",
            ratio=1 if column.title == "why" else None,
            max_width=_MOST_BESIDE_A_REASON if has_reasons and column.title == "value" else None,
        )
    for index, row in enumerate(grid.rows):
        name, *others = (str(cell) for cell in row)
        # A star in addition, because colour is lost in a file and for some readers.
        is_decisive = index in grid.decisive
        name = f"* {name}" if is_decisive else name
        shown = [console.render_str(text) for text in (name, *others)]
        if grid.is_compact:
            # A column that may not wrap would not shrink either; a text that may not, is cut.
            for text in shown:
                text.no_wrap, text.overflow = True, "ellipsis"
        table.add_row(*shown, style="green" if is_decisive else "")
    console.print(table)
