"""How much a reader of a series takes from outside at most; docs/limits.md lists all limits.

The numbers keep an answer or a file of 10 MB below 512 MB of memory and 30 s. A limit that ends a
run is named in its message.
"""

from pathlib import Path

from estimator.errors import InputError, Problem

MAX_CELLS = 250_000_000
"""2 GB of float64, a year of seconds over eight routes. A wrong clock makes a larger series."""
SMALL_CELLS = 24_000_000
SMALL_BUCKETS = 3_000_000
"""35 days of seconds. A small file cannot ask for much memory: what is above these two (buckets of
time, and these times routes) is bounded by its size, or by the number of its points. The estimate
takes about 70 bytes for each bucket."""
CELLS_PER_BYTE = 4
BUCKETS_PER_BYTE = 0.5
CELLS_PER_ROW_BYTE = 2.4
CELLS_TAKEN_BY_ROW = 2
"""The same for CSV and Parquet: their points are in memory beside the series, 16 bytes each."""
CELLS_PER_POINT = 50
BUCKETS_PER_POINT = 2
MAX_ROUTES = 2_000
MAX_UNPACKED_BYTES = 128 << 20
"""Most bytes that a packed CSV, or a group of rows in Parquet, unpacks to; a plain CSV may be
larger."""
MAX_HEADER_BYTES = 1 << 16
"""Most bytes of the first line of a CSV: a million columns take minutes to read."""
MAX_ROWS_OF_SMALL_FILES = 5_000_000
ROWS_PER_BYTE = 0.5
PIECE_ROWS = 200_000
"""Rows of CSV and Parquet that are in memory as texts."""
MAX_ANSWER_BYTES = 64 << 20
"""Most bytes of one answer of Prometheus or Datadog, unpacked. 100 routes of 10,000 points are 25
MB."""
MAX_ANSWER_VALUES = 2_500_000
"""Most texts and lists in one answer, before it is decoded; each takes up to 120 bytes."""
MAX_POINTS = 10_000_000
"""Most points of all answers of one query; each takes 16 bytes."""
ANSWER_TIMEOUT_S = 60
"""Most time for one answer, from the request to its last byte."""


def most_cells(by_size: float) -> int:
    """Return how many buckets times routes a source may have whose size allows this many."""
    return min(MAX_CELLS, max(SMALL_CELLS, int(by_size)))


def most_buckets(by_size: float) -> int:
    """Return how many buckets a source may have whose size allows this many."""
    return max(SMALL_BUCKETS, int(by_size))


def check_cells(path: Path, width: int, routes: int) -> None:
    """Raise InputError for more seconds, or seconds times routes, than a file of this size has."""
    size = path.stat().st_size
    seconds, cells = most_buckets(BUCKETS_PER_BYTE * size), most_cells(CELLS_PER_BYTE * size)
    if width > seconds or width * max(routes, 1) > cells:
        rule = (
            f"spans {width:,} s over {routes} route(s): the limit for a file of its size is"
            f" {seconds:,} s, and {cells:,} for all routes together; was a clock wrong?"
        )
        raise InputError([Problem(str(path), rule)])


def most_rows(path: Path) -> int:
    """Return how many rows a CSV or Parquet file of this size may have."""
    return max(MAX_ROWS_OF_SMALL_FILES, int(ROWS_PER_BYTE * path.stat().st_size))


def most_cells_of_rows(path: Path, rows: int) -> int:
    """Return how many buckets times routes a CSV or Parquet file of so many rows may have."""
    by_size = max(SMALL_CELLS, int(CELLS_PER_ROW_BYTE * path.stat().st_size))
    return min(MAX_CELLS, by_size - CELLS_TAKEN_BY_ROW * rows)
