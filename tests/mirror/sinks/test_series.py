"""The series file holds what was emitted, and losing it never stops anybody."""

import sqlite3
from pathlib import Path

from mirror.config import SeriesSection
from mirror.core.ledger import Settled
from mirror.sinks.series import SeriesSink

WATCH = ("requests", "/watch/_id_", "safe")


def settled(second: int, number: int, is_late: bool = False, is_complete: bool = True) -> Settled:
    return Settled(second, {WATCH: number}, {"/watch/_id_": number}, {}, is_late, is_complete)


def write(path: Path, *seconds: Settled, retention_days: float = 35.0) -> SeriesSink:
    sink = SeriesSink(SeriesSection(path=str(path), retention_days=retention_days))
    sink.start()
    for second in seconds:
        sink.emit(second)
    sink.stop(5.0)
    return sink


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(path)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def test_every_emitted_second_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    sink = write(path, settled(100, 7), Settled(101, {}, {}, {}, False, True), settled(102, 9))
    assert rows(path, "SELECT * FROM counts ORDER BY second") == [
        (100, *WATCH, 7),
        (102, *WATCH, 9),
    ]
    assert rows(path, "SELECT second FROM seconds") == [(100,), (101,), (102,)]
    assert dict(rows(path, "SELECT * FROM meta")) == {"format": "kagami-series", "version": "1"}
    assert (sink.written, sink.dropped) == (3, 0)


def test_a_sidecar_that_ends_at_once_leaves_an_empty_series(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path)
    assert rows(path, "SELECT * FROM seconds") == []


def test_late_counts_are_added_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7))
    write(path, settled(100, 2, is_late=True))
    assert rows(path, "SELECT value FROM counts") == [(9,)]
    assert rows(path, "SELECT second FROM seconds") == [(100,)]


def test_an_incomplete_second_stays_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7, is_complete=False))
    assert rows(path, "SELECT value FROM counts") == [(7,)]
    assert rows(path, "SELECT second FROM seconds") == []


def test_what_is_older_than_the_retention_goes(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7))
    write(path, settled(100 + 2 * 86400, 8), retention_days=1.0)
    assert rows(path, "SELECT second FROM counts") == [(100 + 2 * 86400,)]
    assert rows(path, "SELECT second FROM seconds") == [(100 + 2 * 86400,)]


def test_a_file_that_is_no_database_loses_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    path.write_bytes(b"not a database, but long enough to be looked at " * 50)
    sink = write(path, settled(100, 7), settled(101, 7))
    assert (sink.written, sink.dropped) == (0, 2)


def test_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7))
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE meta SET value = '2' WHERE key = 'version'")
    database.close()
    sink = write(path, settled(101, 7))
    assert (sink.written, sink.dropped) == (0, 1)
    assert rows(path, "SELECT second FROM counts") == [(100,)]


def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    sink = SeriesSink(SeriesSection(path=str(tmp_path / "series.db")))
    for second in range(700):  # the thread is not started: nothing is taken out
        sink.emit(settled(second, 1))
    assert sink.dropped == 100
    assert sink.status()["dropped"] == 100


def test_a_reader_sees_it_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7))
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM counts").fetchone() == (1,)
        assert write(path, settled(101, 8)).dropped == 0
        assert reader.execute("SELECT count(*) FROM counts").fetchone() == (1,)
    finally:
        reader.close()
