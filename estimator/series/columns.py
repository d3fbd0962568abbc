"""A series as a table of points: CSV and Parquet (docs/formats.md).

One row for each second and route, `second,route,requests`, as `mirror series --export` writes it.
Files of other tools: `rps` in place of `requests`; `time` (RFC 3339 with its offset) in place of
`second`; without `route` everything is `other`. Owns the reading; grid.py what the points mean.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from estimator.errors import InputError, Problem
from estimator.series.grid import Points, points_of, series_of
from estimator.series.rps import RpsSeries
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
    wrong; Refused for one without a usable point.
    """
    frame = _frame(path, is_parquet)
    time, value = (_only(path, frame, names) for names in (_TIMES, _VALUES))
    rows = _Rows(path, frame, is_parquet)
    seconds, values = rows.seconds(time), rows.values(value)
    if rows.problems:
        raise InputError(rows.problems)
    if "route" in frame:
        # A template in place of its tag is understood.
        codes, names = pd.factorize(frame["route"].fillna(OTHER).astype(str))
        points = points_of(seconds, codes, [route_tag(name) or OTHER for name in names], values)
    else:
        points = Points(seconds, np.zeros(len(seconds), dtype=np.int64), values, (OTHER,))
    series = series_of(points, f"{'Parquet' if is_parquet else 'CSV'} file {path}", now)
    return _per_second(path, series) if value == "requests" else series


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


def _frame(path: Path, is_parquet: bool) -> pd.DataFrame:
    try:
        if is_parquet:
            return pd.read_parquet(path)
        # As text first: a cell that is no number is then named with its line.
        return pd.read_csv(path, dtype=str, encoding="utf-8-sig", skipinitialspace=True)
    except (ValueError, OSError, NotImplementedError, TypeError, LookupError) as error:
        # Most errors of pandas and pyarrow are ValueErrors; others are these.
        rule = f"cannot be read: {' '.join(str(error).split())}"
        raise InputError([Problem(str(path), rule)]) from error


def _only(path: Path, frame: pd.DataFrame, names: tuple[str, ...]) -> str:
    present = [name for name in names if name in frame]
    if len(present) != 1:
        columns = ", ".join(map(str, frame.columns)) or "none"
        rule = f"expected one of the columns {' and '.join(names)}, got {columns}"
        raise InputError([Problem(str(path), rule)])
    return present[0]


class _Rows:
    """Columns to numbers; `problems` collects the cells that are none."""

    def __init__(self, path: Path, frame: pd.DataFrame, is_parquet: bool) -> None:
        self._path = path
        self._frame = frame
        # As an editor counts the lines of a file with a header.
        self._place, self._first = ("row", 1) if is_parquet else ("line", 2)
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
