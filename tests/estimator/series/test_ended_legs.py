import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from estimator.errors import InputError
from estimator.series.ended_legs import EndedLegs, read_ended_legs
from mirror.formats.series_db import SCHEMA


def write(path: Path, rows: str) -> Path:
    with closing(sqlite3.connect(path)) as made:
        made.executescript(f"{SCHEMA} INSERT INTO counts VALUES {rows};")
    return path


def test_hosts_seconds_and_both_legs_are_added_up(tmp_path: Path) -> None:
    one = write(
        tmp_path / "one.db",
        "(7, 'shadow.requests', '/a', '2xx', 5), (8, 'shadow.requests', '/a', '2xx', 6),"
        " (8, 'shadow.requests', '/a', 'timeout', 1), (8, 'primary.requests', '/a', '2xx', 12),"
        " (8, 'requests', '/a', 'safe', 12), (8, 'shadow.sent', '/a', '', 12)",
    )
    two = write(
        tmp_path / "two.db",
        "(8, 'shadow.requests', '/a', '2xx', 100), (8, 'compared', '/a', 'same', 9),"
        " (8, 'compared.classes', '/a', '2xx>2xx', 9)",
    )
    assert read_ended_legs([one, two]) == {
        "/a": EndedLegs(
            Counter({"2xx": 111, "timeout": 1}),
            Counter({"2xx": 12}),
            Counter({"same": 9}),
            Counter({"2xx>2xx": 9}),
        )
    }


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("(7, 'shadow.requests', '/a', '2xx', -1)", "number of legs of /a, 2xx, got -1"),
        ("(7, 'shadow.requests', '/a', '2xx', 0.5)", "got 0.5"),
        ("(7, 'shadow.requests', '/a', x'00', 1)", "an outcome as texts, got '/a' and b'"),
    ],
)
def test_what_no_sidecar_writes_is_refused(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_ended_legs([write(tmp_path / "series.db", row)])
    assert words in str(caught.value)


def test_another_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE counts (x)")
    with pytest.raises(InputError, match="expected the tables"):
        read_ended_legs([path])
