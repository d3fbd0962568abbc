"""Reads a series.db (mirror/formats/series_db.py) for `mirror series`, and exports it.

Invariant: a second without requests and a second that nobody observed stay different. This module
knows nothing of how a series is shown.
"""

import csv
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

from mirror.errors import InputError
from mirror.formats.routes import OTHER
from mirror.formats.series_db import (
    EXPORTED_COLUMNS,
    MAX_SECOND,
    OBSERVED_SECONDS,
    REQUESTS,
    ROUTES,
    SCHEMA,
    SPAN,
    TIMES,
    WRITER,
    connect_to_read,
    reason_of,
)
from mirror.formats.whole_files import writing_whole

BATCH_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Window:
    """Requests by route and second between two seconds, both included."""

    first: int
    last: int
    observed: frozenset[int]
    rps: dict[str, dict[int, int]]
    """route -> second -> requests, without the zeros."""


class SeriesFile:
    """A series.db, opened as a context manager. Every method raises InputError naming the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            raise InputError(f"{path}: there is no such file; {WRITER}")
        try:
            self._database = connect_to_read(path)
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def __enter__(self) -> "SeriesFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def _unreadable(self, error: sqlite3.Error) -> InputError:
        return InputError(f"{self._path}: cannot be read as a series.db: {error}")

    def _rows(self, query: str, first: int, last: int) -> list[Any]:
        try:
            return self._database.execute(query, {"first": first, "last": last}).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def span(self) -> tuple[int, int]:
        """Return the first and the last second that were observed to their end."""
        ((first, last),) = self._rows(SPAN, 0, MAX_SECOND)
        if first is None:
            raise InputError(f"{self._path}: holds no second that was observed to its end")
        return first, last

    def routes(self, first: int, last: int) -> list[str]:
        """Return the tags of the routes that had a request; `other` where none had."""
        routes = [route for (route,) in self._rows(ROUTES, first, last)]
        if not all(isinstance(route, str) for route in routes):
            raise InputError(f"{self._path}: counts: expected routes that are texts")
        return routes or [OTHER]

    def window(self, first: int, last: int) -> Window:
        observed = frozenset(second for (second,) in self._rows(OBSERVED_SECONDS, first, last))
        rps: dict[str, dict[int, int]] = defaultdict(dict)
        for second, route, number in self._rows(REQUESTS, first, last):
            if second in observed:
                rps[route][second] = number
        return Window(first, last, observed, dict(rps))

    def rows(self, routes: Sequence[str], first: int, last: int) -> Iterator[tuple[int, str, int]]:
        """Yield (second, route, requests) for each observed second and route, zeros included."""
        step_s = max(1, BATCH_ROWS // len(routes))
        for start in range(first, last + 1, step_s):
            window = self.window(start, min(last, start + step_s - 1))
            for second in sorted(window.observed):
                for route in routes:
                    yield second, route, window.rps.get(route, {}).get(second, 0)

    def copy_to(self, path: Path, first: int, last: int) -> None:
        """Write these seconds, both included, as another series.db, also while a sidecar writes.

        The copy is of one moment of the source, and it is there as a whole or not at all.
        """
        try:
            if path.exists() and path.samefile(self._path):
                raise InputError(f"{path}: is the series itself, expected another name")
            with writing_whole(path) as file, closing(sqlite3.connect(file.name)) as copy, copy:
                copy.executescript(SCHEMA)
                self._copy_rows(copy, first, last)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error
        except sqlite3.Error as error:
            reason = reason_of(error)
            raise InputError(f"{self._path}: cannot be copied to {path}: {reason}") from error

    def _copy_rows(self, copy: sqlite3.Connection, first: int, last: int) -> None:
        """Copy the tables of the format. Others, and what a schema from outside does, stay."""
        self._database.execute("BEGIN")
        present = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master")}
        for table, time in TIMES.items():
            if table in present:
                columns = [row[1] for row in copy.execute(f"PRAGMA table_info({table})")]
                query = f"SELECT {', '.join(columns)} FROM {table} WHERE {time} BETWEEN ? AND ?"
                marks = ", ".join("?" * len(columns))
                rows = self._database.execute(query, (first, last))
                copy.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        self._database.execute("ROLLBACK")


def export(rows: Iterator[tuple[int, str, int]], path: Path) -> int:
    """Write CSV or Parquet, by the ending of the name, and return the number of rows.

    The file is there as a whole or not at all. Raises InputError.
    """
    write = {".csv": _write_csv, ".parquet": _write_parquet}.get(path.suffix)
    if write is None:
        raise InputError(f"{path}: expected a name that ends in .csv, .parquet or .db")
    if write is _write_parquet and find_spec("pyarrow") is None:
        how = "in the source folder of kagami run: pip install '.[estimate]'"
        raise InputError(f"{path}: Parquet needs pyarrow; {how}, or choose a name in .csv")
    try:
        with writing_whole(path) as file:
            return write(rows, file)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _write_csv(rows: Iterator[tuple[int, str, int]], file: BinaryIO) -> int:
    number = 0
    text = TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.writer(text)
    writer.writerow(EXPORTED_COLUMNS)
    for row in rows:
        writer.writerow(row)
        number += 1
    text.detach()  # flushes, and leaves the file open
    return number


def _write_parquet(rows: Iterator[tuple[int, str, int]], file: BinaryIO) -> int:
    # Imported here, because it takes 0.1 s and 50 MB that no other command of mirror needs.
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    types = zip(EXPORTED_COLUMNS, (pyarrow.int64(), pyarrow.string(), pyarrow.int64()), strict=True)
    schema = pyarrow.schema(list(types))
    number = 0
    with closing(ParquetWriter(file, schema, compression="zstd")) as writer:
        batch: list[tuple[int, str, int]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == BATCH_ROWS:
                writer.write_table(_table(batch, schema))
                number += len(batch)
                batch = []
        writer.write_table(_table(batch, schema))
    return number + len(batch)


def _table(rows: list[tuple[int, str, int]], schema: Any) -> Any:
    import pyarrow

    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pyarrow.table(
        [pyarrow.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema
    )
