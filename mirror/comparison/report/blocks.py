"""What the report consists of: sections of sentences, a table and entries; and the answer.

content.py fills them, text.py and html.py lay them out. All text is plain.
"""

from dataclasses import dataclass

from mirror.comparison.report.safety import Level
from mirror.comparison.report.words import Words

TONES = {Level.UNSAFE: "bad", Level.ATTENTION: "warn", Level.UNKNOWN: "warn", Level.SAFE: "ok"}


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    tone: str = ""
    """ok, warn or bad; empty for neither."""


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: str = ""
    """What the table leaves out, as a sentence."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A result or a reason with its count, and what it means."""

    name: str
    count: str
    words: Words
    where: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    key: str
    title: str
    notes: tuple[str, ...] = ()
    """Sentences above the table and the entries."""
    table: Table | None = None
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    level: Level
    answer: str
    reasons: tuple[str, ...]
    doubts: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
