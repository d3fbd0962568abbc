"""Checks which sources know how copies ended."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import fields
from pathlib import Path

from estimator.commands.sources import Source
from estimator.commands.switching.ended_legs import legs_of
from estimator.series.ended_legs import EndedLegs
from mirror.formats.series_db import SCHEMA


def source(*series: Path) -> Source:
    options = dict.fromkeys(field.name for field in fields(Source))
    return Source(**{**options, "from_series": series})


def test_a_series_db_knows(tmp_path: Path) -> None:
    path, other = tmp_path / "series.db", tmp_path / "series.csv"
    with closing(sqlite3.connect(path)) as database:
        rows = "(1, 'compared', '/a', 'same', 9)"
        database.executescript(f"{SCHEMA} INSERT INTO counts VALUES {rows};")
    other.write_text("second,route,rps\n")
    assert legs_of(source(path, other)) == {"/a": EndedLegs(compared=Counter({"same": 9}))}
    assert legs_of(source(other)) is None
