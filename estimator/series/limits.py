"""How much a reader of a series takes from outside at most; docs/limits.md lists all limits.

The numbers keep an answer or a file of 10 MB below 512 MB of memory and 30 s. A limit that ends a
run is named in its message.
"""

from pathlib import Path

from estimator.errors import InputError, Problem

MAX_CELLS = 250_000_000
"""2 GB of float64, a year of seconds over eight routes. A wrong clock makes a larger series."""
MAX_CELLS_OF_SMALL_FILES = 24_000_000
CELLS_PER_BYTE = 4
"""A small file cannot ask for much memory: seconds times routes are bounded by its size."""
MAX_ROUTES = 2_000
MAX_ANSWER_BYTES = 64 << 20
"""Of one answer of Prometheus or Datadog, unpacked. 100 routes of 10,000 points are 25 MB."""
MAX_ANSWER_VALUES = 2_500_000
"""Texts and lists in one answer, before it is decoded: each takes up to 120 bytes of memory."""
MAX_POINTS = 10_000_000
"""Of all answers of one query; 16 bytes each."""
ANSWER_TIMEOUT_S = 60.0
"""For one answer, from the request to its last byte."""


def check_cells(path: Path, width: int, routes: int) -> None:
    """Raise InputError for more seconds times routes than a file of this size may have."""
    allowed = max(MAX_CELLS_OF_SMALL_FILES, CELLS_PER_BYTE * path.stat().st_size)
    if width * max(routes, 1) > min(allowed, MAX_CELLS):
        rule = (
            f"spans {width:,} s over {routes} route(s): more than {min(allowed, MAX_CELLS):,}"
            " values, the limit for a file of its size; was a clock wrong?"
        )
        raise InputError([Problem(str(path), rule)])
