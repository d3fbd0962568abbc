"""What a report is made of, before it is text, Markdown or HTML.

One document is built from a projection and three renderers show it, so that no format can say more
or less than another. Blocks hold finished words, never numbers to be worked with; a renderer only
lays them out. Charts and `Fold` are for the page: what they show stands in words or tables of other
blocks, or behind `estimate --explain`, so text may leave them out.
"""

from dataclasses import dataclass
from enum import Enum

from estimator.report.charts.svg import CurveChart, TimeChart


class Level(Enum):
    """How a reader has to take something."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Cell:
    """Words of one place in a table: the value, and what it must not be read without."""

    text: str
    note: str = ""
    """Bounds and flags."""

    def __str__(self) -> str:
        return f"{self.text} {self.note}" if self.note else self.text


@dataclass(frozen=True, slots=True)
class Banner:
    """What has to be known before anything else is read."""

    level: Level
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and their values, one a line."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tiles:
    """The few numbers that are quoted: name, value, note."""

    tiles: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and the sentence that says why it is this one."""

    answer: str
    because: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a grid."""

    title: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: the first cell of each row is its name."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    footer: tuple[Cell, ...] = ()
    decisive: frozenset[int] = frozenset()
    """Rows, from 0, that decided something."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Sentences under a title."""

    title: str
    items: tuple[str, ...]
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with what it says in words; only a page shows it."""

    chart: TimeChart | CurveChart
    caption: str
    table: Grid | None = None
    """The same as a table, for who cannot see the drawing."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Arithmetic, line by line."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """What only a page shows, and only when asked."""

    title: str
    blocks: tuple["Block", ...]


Block = Banner | Facts | Tiles | Decision | Grid | Listing | Chart | Sums | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading."""

    key: str
    """Unique in the document: the target of links to it."""
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    head: tuple[Block, ...]
    sections: tuple[Section, ...]
    foot: str
