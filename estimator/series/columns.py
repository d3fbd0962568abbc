"""A series as a table of points: CSV and Parquet (docs/formats.md).

One row for each second and route, `second,route,requests`, as `mirror series --export` writes it.
Files of other tools: `rps` in place of `requests`; `time` (RFC 3339 with its offset) in place of
`second`; without `route` everything is `other`. Owns the reading; grid.py what the points mean.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.lib import ArrowException
from pyarrow.parquet import ParquetFile

from estimator.errors import InputError, Problem
from estimator.series.grid import Points, points_of, series_of
from estimator.series.limits import (
    MAX_HEADER_BYTES,
    MAX_ROUTES,
    MAX_UNPACKED_BYTES,
    PIECE_ROWS,
    most_cells_of_rows,
    most_rows,
)
from estimator.series.rps import RpsSeries
from mirror.formats.bounded_files import BoundedFileError, Limit, open_unpacked
from mirror.formats.routes import OTHER, route_tag

_TIMES = ("second", "time")
_VALUES = ("requests", "rps")
_MAX_SECOND = 253_402_300_799
"""The last of a four-digit year; milliseconds are beyond it."""
_MOST_PROBLEMS = 20
_USUAL_STEPS_S = {s for s in range(5, 86_401, 5) if 86_400 % s == 0}
"""Over which requests are counted: parts of a day. Rows that are 3 s apart are those of busy
seconds, so dividing them would make a third of their rps."""


def read_columns(path: Path, now: float, is_parquet: bool) -> RpsSeries:
    """Return the series of a CSV or Parquet file; `now` is Unix time.

    Raises InputError for what is no such table, with every column and the first 20 cells that are
    wrong, and for what exceeds a limit; Refused for one without a usable point.
    """
    read = _Read(path, is_parquet)
    try:
        for frame in _parquet(path) if is_parquet else _csv(path):
            read.add(frame)
    # Most errors of pandas and pyarrow are ValueErrors; others are these.
    except (ValueError, OSError, ArrowException, TypeError, LookupError, BoundedFileError) as error:
        rule = f"cannot be read: {' '.join(str(error).split())}"
        rule = error.reason if isinstance(error, BoundedFileError) else rule
        raise InputError([Problem(str(path), rule)]) from error
    source = f"{'Parquet' if is_parquet else 'CSV'} file {path}"
    allowed = most_cells_of_rows(path, read.rows)
    series = series_of(read.taken(), source, now, allowed_cells=allowed)
    return _per_second(path, series) if read.value == "requests" else series


def _per_second(path: Path, series: RpsSeries) -> RpsSeries:
    step = series.resolution_s
    if step == 1:
        return series
    if step not in _USUAL_STEPS_S:
        rule = (
            f"rows are {step} s apart, which no tool counts over: name the column `rps` if they"
            " hold requests per second, or write a row for each second"
        )
        raise InputError([Problem(str(path), rule, key="requests")])
    caveat = f"requests are those of {step} s, the commonest distance between two rows"
    return replace(series, rps=series.rps / step, caveats=(*series.caveats, caveat))


def _csv(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows in pieces, as text: a cell that is no number is then named with its line."""
    limit = Limit(max(MAX_UNPACKED_BYTES, path.stat().st_size))
    with open_unpacked(path, limit) as file:
        header = file.readline(MAX_HEADER_BYTES)
    if len(header) == MAX_HEADER_BYTES:
        raise ValueError(f"its header has more than {MAX_HEADER_BYTES:,} bytes, the limit")
    with open_unpacked(path, limit) as file:
        yield from pd.read_csv(
            file, dtype=str, encoding="utf-8-sig", skipinitialspace=True, chunksize=PIECE_ROWS
        )


def _parquet(path: Path) -> Iterator[pd.DataFrame]:
    """Yield the rows in pieces, of the known columns only."""
    with ParquetFile(path) as file:
        known = set(file.schema_arrow.names)
    # As places in a dictionary: one long text of a million rows is then in memory once.
    with ParquetFile(path, read_dictionary=["route"] if "route" in known else None) as file:
        rows = file.metadata.num_rows
        if rows > (limit := most_rows(path)):
            raise ValueError(f"it has {rows:,} rows, more than {limit:,}, the limit for its size")
        groups = [file.metadata.row_group(n) for n in range(file.metadata.num_row_groups)]
        largest = max((group.total_byte_size for group in groups), default=0)
        if largest > MAX_UNPACKED_BYTES:
            rule = f"a group of its rows has {largest:,} bytes, more than {MAX_UNPACKED_BYTES:,},"
            raise ValueError(f"{rule} the limit")
        columns = [name for name in (*_TIMES, *_VALUES, "route") if name in known]
        names = [*columns, *sorted(known - {*columns})[:_MOST_PROBLEMS]]
        yield pd.DataFrame(columns=names)
        for batch in file.iter_batches(PIECE_ROWS, columns=columns):
            yield batch.to_pandas()


def _only(path: Path, frame: pd.DataFrame, names: tuple[str, ...]) -> str:
    present = [name for name in names if name in frame]
    if len(present) != 1:
        columns = ", ".join(map(str, frame.columns)) or "none"
        rule = f"expected one of the columns {' and '.join(names)}, got {columns}"
        raise InputError([Problem(str(path), rule)])
    return present[0]


class _Read:
    """The points of all pieces so far, 20 bytes each, until they are taken."""

    def __init__(self, path: Path, is_parquet: bool) -> None:
        self._path = path
        self._is_parquet = is_parquet
        self._most_rows = most_rows(path)
        self.rows = 0
        self._seconds = np.empty(0)
        self._routes = np.empty(0, dtype=np.int32)
        self._values = np.empty(0)
        self._place_of: dict[str, int] = {}
        self.value = ""
        """The column of the values."""

    def add(self, frame: pd.DataFrame) -> None:
        """Add a piece. Raises InputError for wrong cells and for more than a limit."""
        if not self.rows:
            time, self.value = (_only(self._path, frame, names) for names in (_TIMES, _VALUES))
            self._time = time
        rows = _Rows(self._path, frame, self._is_parquet, self.rows)
        seconds, values = rows.seconds(self._time), rows.values(self.value)
        if rows.problems:
            raise InputError(rows.problems)
        self.rows += len(frame)
        if self.rows > self._most_rows:
            raise ValueError(f"it has more than {self._most_rows:,} rows, the limit for its size")
        _extend(self._seconds, seconds)
        _extend(self._routes, self._codes(frame))
        _extend(self._values, values)

    def _codes(self, frame: pd.DataFrame) -> NDArray[np.int32]:
        if "route" not in frame:
            self._place_of.setdefault(OTHER, 0)
            return np.zeros(len(frame), dtype=np.int32)
        route = frame["route"]
        if isinstance(route.dtype, pd.CategoricalDtype):
            # Not as texts: Parquet packs a million equal ones into one.
            codes, names = route.cat.codes.to_numpy(), [*map(str, route.cat.categories)]
            names += [OTHER] if (codes < 0).any() else []
        else:
            codes, found = pd.factorize(route.astype(str).where(route.notna(), OTHER))
            names = [*map(str, found)]
        places = [self._place_of.setdefault(name, len(self._place_of)) for name in names]
        if len(self._place_of) > MAX_ROUTES:
            raise ValueError(f"it has more than {MAX_ROUTES:,} routes, the limit")
        return np.array(places, dtype=np.int32)[codes]

    def taken(self) -> Points:
        """Return all points, and keep none: those of 10 MB may be 100 MB."""
        # A template in place of its tag is understood.
        tags = [route_tag(name) or OTHER for name in self._place_of] or [OTHER]
        points = points_of(self._seconds, self._routes, tags, self._values)
        del self._seconds, self._routes, self._values
        return points


def _extend(column: NDArray[Any], piece: NDArray[Any]) -> None:
    """Append in place: pieces that are joined at the end take twice the memory."""
    end = len(column)
    column.resize(end + len(piece), refcheck=False)
    column[end:] = piece


class _Rows:
    """Columns to numbers; `problems` collects the cells that are none."""

    def __init__(self, path: Path, frame: pd.DataFrame, is_parquet: bool, before: int) -> None:
        """`before` is the number of rows in earlier pieces."""
        self._path = path
        self._frame = frame
        # As an editor counts the lines of a file with a header.
        self._place, first = ("row", 1) if is_parquet else ("line", 2)
        self._first = first + before
        self.problems: list[Problem] = []

    def seconds(self, name: str) -> NDArray[np.float64]:
        column = self._frame[name]
        if name == "second":
            seconds = self._numbers(column)
            rule = "expected Unix seconds"
        else:
            seconds = _moments(column)
            rule = "expected a time with its offset from UTC such as 2026-03-01T10:00:00Z"
        # Compared so that NaN is wrong too.
        self._name(column, ~((seconds >= 0) & (seconds <= _MAX_SECOND)), rule)
        return seconds

    def values(self, name: str) -> NDArray[np.float64]:
        column = self._frame[name]
        values = self._numbers(column)
        written = column.notna().to_numpy() & (column.astype(str).str.lower() != "nan").to_numpy()
        # An empty cell is a repair (grid.py), a word a mistake.
        self._name(column, np.isnan(values) & written, "expected a number")
        return values

    def _numbers(self, column: "pd.Series[Any]") -> NDArray[np.float64]:
        numbers = pd.to_numeric(column, errors="coerce")
        return numbers.to_numpy(dtype=np.float64, na_value=np.nan)

    def _name(self, column: "pd.Series[Any]", wrong: NDArray[np.bool_], rule: str) -> None:
        rows = np.flatnonzero(wrong)
        for row in rows[:_MOST_PROBLEMS].tolist():
            place = f"{self._path}:{self._place} {row + self._first}"
            problem = f"{rule}, got {str(column.iloc[row])!r}"
            self.problems.append(Problem(place, problem, key=str(column.name)))
        if len(rows) > _MOST_PROBLEMS:
            rest = f"and {len(rows) - _MOST_PROBLEMS} more such cells"
            self.problems.append(Problem(str(self._path), rest, key=str(column.name)))


def _moments(column: "pd.Series[Any]") -> NDArray[np.float64]:
    """Return Unix times; NaN if the text is no time, or one without its offset."""
    moments = column
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        texts = column.astype(str)
        has_offset = texts.str.contains(r"(?:[zZ]|[+-]\d\d:?\d\d)$")
        moments = pd.to_datetime(
            texts.where(has_offset), utc=True, errors="coerce", format="ISO8601"
        )
    seconds = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(seconds, dtype=np.float64)
