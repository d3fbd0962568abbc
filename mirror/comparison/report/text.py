"""Lays out the report for a terminal. Computes no number."""

from collections.abc import Iterator

from mirror.comparison.report.blocks import Cell, Content, Entry, Section, Table


def as_text(content: Content) -> str:
    """Return the whole report as lines of text; the first line is the answer."""
    lines = [content.answer]
    lines += [f"  not safe: {reason}" for reason in content.reasons]
    lines += [f"  doubt: {doubt}" for doubt in content.doubts]
    lines += [f"  {name}: {value}" for name, value in content.facts]
    for section in content.sections:
        lines += ["", section.title, *(f"  {line}" for line in _lines(section))]
    return "\n".join(line.rstrip() for line in lines)


def _lines(section: Section) -> Iterator[str]:
    yield from section.notes
    if section.table is not None:
        yield from _rows(section.table)
    for entry in section.entries:
        yield from _entry(entry)


def _rows(table: Table) -> Iterator[str]:
    titles = tuple(Cell(column.title) for column in table.columns)
    rows = (titles, *table.rows)
    widths = [max(len(row[place].text) for row in rows) for place in range(len(titles))]
    for row in rows:
        cells = zip(row, widths, table.columns, strict=True)
        yield "  ".join(
            cell.text.rjust(width) if column.is_number else cell.text.ljust(width)
            for cell, width, column in cells
        )
    if table.left_out:
        yield f"({table.left_out})"


def _entry(entry: Entry) -> Iterator[str]:
    yield f"{entry.words.title} ({entry.name}): {entry.count}"
    yield f"    {entry.words.meaning}"
    if entry.words.advice:
        yield f"    Do: {entry.words.advice}"
    if entry.where:
        yield f"    Where: {entry.where}"
