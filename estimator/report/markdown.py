"""The document in GitHub's Markdown, for a wiki or a pull request.

Names come from users' files, so every character with a meaning in Markdown or HTML is escaped, and
a line break in a name becomes a space. Characters that no one sees, such as those that turn the
direction of writing, are shown.
"""

import re
from collections.abc import Iterator

from estimator.report.blocks import (
    Banner,
    Block,
    Code,
    Document,
    FactList,
    Grid,
    Headline,
    Listing,
    Tiles,
)
from mirror.formats.foreign_text import visible

_BACKTICKS = re.compile("`+")
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def to_markdown(document: Document) -> str:
    """Return the report; it ends in one newline."""
    lines = [f"# {escaped(document.title)}", ""]
    for block in document.head:
        lines += _block(block)
    for section in document.sections:
        lines += [f"## {escaped(section.title)}", ""]
        for block in section.blocks:
            lines += _block(block)
    if document.foot:
        lines.append(f"*{escaped(document.foot)}*")
    return "\n".join(lines).rstrip("\n") + "\n"


def _block(block: Block) -> Iterator[str]:
    """Yield the lines of a block; charts and folds are only for the page (blocks.py)."""
    match block:
        case Banner():
            yield f"> **{escaped(block.title)}**"
            yield from (f"> {escaped(line)}" for line in block.lines)
            yield ""
        case FactList():
            yield from (f"- {escaped(name)}: {escaped(value)}" for name, value in block.pairs)
            yield ""
        case Tiles():
            for name, value, note in block.tiles:
                yield f"- {escaped(name)}: **{escaped(value)}** {escaped(note)}".rstrip()
            yield ""
        case Headline():
            yield from (f"**{escaped(block.answer)}**", "", escaped(block.because), "")
        case Listing():
            yield from (f"**{escaped(block.title)}**", "")
            yield from (f"- {escaped(item)}" for item in block.items)
            yield ""
        case Code():
            # A fence is longer than any in the lines, which it would end at.
            runs = [len(run) for line in block.lines for run in _BACKTICKS.findall(line)]
            fence = "`" * max([3, *(run + 1 for run in runs)])
            yield from (escaped(block.title), "", fence, *map(visible, block.lines), fence, "")
        case Grid():
            yield from _grid(block)


def _grid(grid: Grid) -> Iterator[str]:
    yield from (f"**{escaped(grid.title)}**", "")
    yield _row(column.title for column in grid.columns)
    yield "|" + "|".join("---:" if column.is_number else "---" for column in grid.columns) + "|"
    for index, row in enumerate(grid.rows):
        name, *others = (escaped(str(cell)) for cell in row)
        yield _joined([f"**{name}**" if index in grid.decisive else name, *others])
    if grid.footer:
        yield _joined([f"**{escaped(str(cell))}**" if cell.text else "" for cell in grid.footer])
    yield ""


def _row(words: Iterator[str]) -> str:
    return _joined([escaped(word) for word in words])


def _joined(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(words: str) -> str:
    """Return words on one line, without a meaning in Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", visible(" ".join(words.split())))
