"""Reads a series.db (docs/formats.md), also while a sidecar writes it, and exports it.

Keeps the difference between a second without requests and a second that nobody observed. Knows
nothing of how a series is shown.
"""

import csv
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mirror.errors import InputError
from mirror.formats.routes import OTHER
from mirror.metrics.series_db import FORMAT, VERSION

COLUMNS = ("second", "route", "requests")
BATCH_ROWS = 100_000

_RPS = """
    SELECT second, route, sum(value) FROM counts JOIN seconds USING (second)
    WHERE metric = 'requests' AND second BETWEEN ? AND ? GROUP BY second, route
"""


@dataclass(frozen=True, slots=True)
class Window:
    """Requests by route and second, between two seconds, both included."""

    first: int
    last: int
    observed: frozenset[int]
    rps: dict[str, dict[int, int]]
    """route -> second -> requests, without the zeros."""


class SeriesFile:
    """Use as a context manager. Every method raises InputError that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            raise InputError(f"{path}: there is no such file; `series.path` names it")
        self._database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            self._check()
        except InputError:
            self._database.close()
            raise

    def __enter__(self) -> "SeriesFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def _check(self) -> None:
        try:
            meta = dict(self._database.execute("SELECT key, value FROM meta"))
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                raise InputError(f"{self._path}: expected a series that mirror wrote") from error
            raise InputError(f"{self._path}: cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self._path}: expected an SQLite file: {error}") from error
        if meta.get("format") != FORMAT:
            raise InputError(f"{self._path}: expected a series that mirror wrote")
        if meta.get("version") != VERSION:
            raise InputError(
                f"{self._path}: is of version {meta.get('version')}, expected {VERSION}: "
                "a newer mirror wrote it"
            )

    def _rows(self, query: str, *values: int) -> list[Any]:
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self._path}: cannot be read: {error}") from error

    def span(self) -> tuple[int, int]:
        """The first and the last second that was observed."""
        # One by one: asked for both at once, SQLite reads the whole table.
        ((first, last),) = self._rows(
            "SELECT (SELECT min(second) FROM seconds), (SELECT max(second) FROM seconds)"
        )
        if first is None:
            raise InputError(f"{self._path}: holds no second that was observed to its end")
        return first, last

    def routes(self, first: int, last: int) -> list[str]:
        """Those that were asked for between two seconds; `other` where there is none."""
        found = self._rows(
            "SELECT DISTINCT route FROM counts"
            " WHERE metric = 'requests' AND second BETWEEN ? AND ?",
            first,
            last,
        )
        return sorted(route for (route,) in found) or [OTHER]

    def window(self, first: int, last: int) -> Window:
        rps: dict[str, dict[int, int]] = defaultdict(dict)
        for second, route, number in self._rows(_RPS, first, last):
            rps[route][second] = number
        observed = self._rows(
            "SELECT second FROM seconds WHERE second BETWEEN ? AND ?", first, last
        )
        return Window(first, last, frozenset(second for (second,) in observed), dict(rps))

    def rows(self, routes: Sequence[str], first: int, last: int) -> Iterator[tuple[int, str, int]]:
        """second, route, requests: of each observed second each route, zeros too."""
        step_s = max(1, BATCH_ROWS // len(routes))
        for start in range(first, last + 1, step_s):
            window = self.window(start, min(last, start + step_s - 1))
            for second in sorted(window.observed):
                for route in routes:
                    yield second, route, window.rps.get(route, {}).get(second, 0)


def export(rows: Iterator[tuple[int, str, int]], path: Path) -> int:
    """Write CSV or Parquet, by the name's ending; the number of rows. Raises InputError.

    The file is there as a whole or not at all.
    """
    write = {".csv": _write_csv, ".parquet": _write_parquet}.get(path.suffix)
    if write is None:
        raise InputError(f"{path}: expected a name that ends in .csv or .parquet")
    if write is _write_parquet and find_spec("pyarrow") is None:
        how = "in the source folder of kagami run: pip install '.[estimate]'"
        raise InputError(f"{path}: Parquet needs pyarrow; {how}, or choose a name in .csv")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        number = write(rows, part)
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return number


def _write_csv(rows: Iterator[tuple[int, str, int]], path: Path) -> int:
    number = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in rows:
            writer.writerow(row)
            number += 1
    return number


def _write_parquet(rows: Iterator[tuple[int, str, int]], path: Path) -> int:
    # Here and not above: 0.1 s and 50 MB that no other command of mirror needs.
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    types = zip(COLUMNS, (pyarrow.int64(), pyarrow.string(), pyarrow.int64()), strict=True)
    schema = pyarrow.schema(list(types))
    number = 0
    with closing(ParquetWriter(path, schema, compression="zstd")) as writer:
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
