"""A series in a file: series.db, CSV or Parquet, by its content and not its name (docs/formats.md).

database.py reads series.db, columns.py the other two.

The seconds at both ends are kept. The recorder writes the row in `seconds` after a second has
ended, but it may have started in the middle of its first second. Such a second counts too few
requests and never too many, so it cannot invent a peak, and leaving it out could lose one.
"""

from pathlib import Path

from estimator.errors import InputError, Problem
from estimator.series.database import read_database
from estimator.series.rps import RpsSeries
from mirror.formats.bounded_files import BoundedFileError, open_regular
from mirror.formats.series_db import WRITER

_SQLITE_MAGIC = b"SQLite format 3\0"
_PARQUET_MAGIC = b"PAR1"


def read_series(path: Path, now: float) -> RpsSeries:
    """Return production rps by route and second; `now` is Unix time.

    Raises InputError for a file that is not a series of this version or holds impossible values,
    Refused for a series without an observed second or without a request.
    """
    if path.is_dir():
        raise InputError([Problem(str(path), "is a directory, not a series")])
    beginning = _beginning(path)
    if beginning and beginning != _SQLITE_MAGIC:
        # pandas takes half a second to import, which a reader of series.db must not pay.
        from estimator.series.columns import read_columns

        return read_columns(path, now, beginning.startswith(_PARQUET_MAGIC))
    # An empty file is a database without tables.
    return read_database(path, now)


def is_database(path: Path) -> bool:
    """Return whether a series is a series.db, not CSV or Parquet. Raises InputError."""
    return _beginning(path) in (_SQLITE_MAGIC, b"")


def _beginning(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(len(_SQLITE_MAGIC))
    except BoundedFileError as error:
        reason = error.reason
        if path.suffix == ".db" and not path.exists():
            reason += f"; {WRITER}"
        raise InputError([Problem(str(path), reason)]) from error
