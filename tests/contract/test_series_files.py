"""`estimate --from-series` reads what `mirror series --export` writes."""

import time
from pathlib import Path

import numpy as np
import pytest

from estimator.series.files import read_series
from mirror.commands.series_file import export

T = 1_767_225_600
ROWS = [
    (T, "/api/_", 7),
    (T, "other", 1),
    (T + 1, "/api/_", 0),
    (T + 1, "other", 0),
    # T + 2 was not observed.
    (T + 3, "/api/_", 4),
    (T + 3, "other", 0),
]


@pytest.mark.parametrize("name", ["series.csv", "series.parquet"])
def test_an_export_is_read_back_to_the_request(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert export(iter(ROWS), path) == len(ROWS)
    series = read_series(path, time.time())
    assert (series.start, series.resolution_s) == (T, 1)
    assert series.routes == ("/api/_", "other")
    nan = np.nan
    np.testing.assert_array_equal(series.rps, [[7, 0, nan, 4], [1, 0, nan, 0]])
    assert series.repairs == ()
