"""The parts of a report, before it is text, Markdown or HTML.

One document is built from a projection, and three renderers show it, so that no format says more or
less than another. Blocks hold finished words and never numbers to calculate with; a renderer only
lays them out. `Chart` and `Fold` appear only on the page: other blocks, or `estimate --explain`,
say the same in words, so text may omit them.
"""

from dataclasses import dataclass
from enum import Enum

from estimator.report.charts.svg import CurveChart, TimeChart


class Level(Enum):
    """How serious something is for the reader."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Cell:
    """The words of one cell: the value, and its bounds and flags."""

    text: str
    note: str = ""
    """Bounds and flags."""

    def __str__(self) -> str:
        return f"{self.text} {self.note}" if self.note else self.text


@dataclass(frozen=True, slots=True)
class Banner:
    """What a reader must know before anything else."""

    level: Level
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FactList:
    """Names and their values, one per line."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tiles:
    """The few numbers that readers quote: name, value, note."""

    tiles: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """The answer, and the sentence that gives its reason."""

    answer: str
    because: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a grid."""

    title: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; the first cell of each row is its name."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    footer: tuple[Cell, ...] = ()
    decisive: frozenset[int] = frozenset()
    """Indices (from 0) of the rows that decided the answer."""
    is_folded: bool = False
    """Whether the page shows it only when the reader opens it, because few do."""
    is_compact: bool = False
    """Whether a row is one line on a terminal, too: what is too long for it is cut."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Sentences under a title."""

    title: str
    items: tuple[str, ...]
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its caption; only the page shows it."""

    chart: TimeChart | CurveChart
    caption: str
    table: Grid | None = None
    """The same as a table, for readers who cannot see the drawing."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Arithmetic, line by line."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Lines to copy into a file, under a title."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that the page shows when the reader opens them."""

    title: str
    blocks: tuple["Block", ...]


Block = Banner | FactList | Tiles | Headline | Grid | Listing | Chart | Sums | Code | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading."""

    key: str
    """The target of links; unique in the document."""
    title: str
    blocks: tuple[Block, ...]
    is_folded: bool = False
    """As of a Grid."""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report."""

    title: str
    head: tuple[Block, ...]
    sections: tuple[Section, ...]
    foot: str
