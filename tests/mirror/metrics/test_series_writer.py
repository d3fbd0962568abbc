"""Checks that the series file has everything emitted, and that losing it stops nothing."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.config_sections import SeriesSection
from mirror.core.latency import Buckets
from mirror.core.ledger import COMPARED_SHADOW_LATENCY, SHADOW_LATENCY, Settled
from mirror.metrics.series_writer import SeriesSink

WATCH = ("requests", "/watch/_id_", "safe")


def settled(second: int, number: int, is_late: bool = False, is_complete: bool = True) -> Settled:
    return Settled(second, {WATCH: number}, {"/watch/_id_": number}, {}, is_late, is_complete)


class Hourly:
    """A monotonic clock that is an hour later at each reading, which is once for each second."""

    def __init__(self) -> None:
        self._now_s = 1e6

    def __call__(self) -> float:
        self._now_s += 3601
        return self._now_s


def write(
    path: Path,
    *seconds: Settled,
    retention_days: float = 35.0,
    max_bytes: int = 1 << 30,
    monotonic: Callable[[], float] = time.monotonic,
) -> SeriesSink:
    section = SeriesSection(path=str(path), retention_days=retention_days, max_bytes=max_bytes)
    sink = SeriesSink(section, monotonic)
    sink.start()
    for second in seconds:
        sink.emit(second)
        while sink._queue.qsize() > 500:
            time.sleep(0.001)
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
    write(path, settled(100, 7), settled(100, 2, is_late=True))
    assert rows(path, "SELECT value FROM counts") == [(9,)]
    assert rows(path, "SELECT second FROM seconds") == [(100,)]


def test_a_repeated_second_becomes_a_gap_and_gets_nothing_added(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7), settled(101, 8), replace(settled(100, 5), is_repeated=True))
    assert rows(path, "SELECT second, value FROM counts") == [(100, 7), (101, 8)]
    assert rows(path, "SELECT second FROM seconds") == [(101,)]


def test_a_sidecar_whose_clock_is_behind_repeats_the_seconds_before(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7), settled(101, 0), settled(102, 8, is_complete=False))
    write(
        path,
        settled(100, 1, is_late=True, is_complete=False),
        settled(101, 2),
        settled(102, 4, is_complete=False),
        settled(102, 8, is_late=True),
        settled(103, 9),
    )
    query = "SELECT second, value FROM counts ORDER BY second"
    assert rows(path, query) == [(100, 7), (101, 0), (102, 8), (103, 9)]
    assert rows(path, "SELECT second FROM seconds") == [(103,)]


def test_a_second_that_was_left_out_is_no_repeat(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7), settled(3700, 8))  # the clock was an hour ahead
    write(path, settled(101, 5), settled(102, 6, is_complete=False), settled(102, 1, is_late=True))
    query = "SELECT second, value FROM counts ORDER BY second"
    assert rows(path, query) == [(100, 7), (101, 5), (102, 7), (3700, 8)]
    assert rows(path, "SELECT second FROM seconds") == [(100,), (101,), (102,), (3700,)]


def test_two_runs_share_a_second(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7), settled(101, 3, is_complete=False))
    write(path, settled(101, 4, is_late=True, is_complete=False), settled(102, 6))
    assert rows(path, "SELECT second, value FROM counts") == [(100, 7), (101, 7), (102, 6)]
    assert rows(path, "SELECT second FROM seconds") == [(100,), (102,)]


def test_an_incomplete_second_stays_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7, is_complete=False))
    assert rows(path, "SELECT value FROM counts") == [(7,)]
    assert rows(path, "SELECT second FROM seconds") == []


def test_what_is_older_than_the_retention_goes(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(100, 7))
    later = 100 + 2 * 86400
    write(path, settled(later, 8), settled(later + 1, 9), retention_days=1.0, monotonic=Hourly())
    assert rows(path, "SELECT second FROM counts") == [(later,), (later + 1,)]
    assert rows(path, "SELECT second FROM seconds") == [(later,), (later + 1,)]


def test_a_clock_that_jumps_a_year_ahead_makes_nothing_old(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    year_s = 365 * 86400
    ahead = [settled(second, 1) for second in (year_s, 2 * year_s)]
    write(path, settled(100, 7), settled(101, 7), *ahead, monotonic=Hourly())
    assert rows(path, "SELECT min(second), max(second) FROM seconds") == [(100, 2 * year_s)]
    later = [settled(second, 1) for second in (3 * year_s, 3 * year_s + 1)]
    write(path, *later, monotonic=Hourly())
    assert rows(path, "SELECT min(second) FROM seconds") == [(3 * year_s,)]


def test_a_file_that_is_no_database_is_moved_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "series.db"
    content = b"not a database, but long enough to be looked at " * 50
    path.write_bytes(content)
    sink = write(path, settled(100, 7), settled(101, 7))
    assert (sink.written, sink.dropped) == (2, 0)
    (aside,) = tmp_path.glob("series.db.corrupt-*")
    assert aside.read_bytes() == content
    assert caplog.text.count(str(aside)) == 1
    assert rows(path, "SELECT second FROM counts") == [(100,), (101,)]


def test_a_file_that_breaks_later_costs_one_second(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, *(settled(second, 1) for second in range(2000)))
    size = path.stat().st_size
    with path.open("r+b") as file:  # damage the third quarter, which is not read at the opening
        file.seek(size // 2)
        file.write(b"\xff" * (size // 4))
    sink = write(path, settled(1250, 7, is_late=True), settled(5001, 8))
    assert (sink.written, sink.dropped) == (1, 1)
    assert rows(path, "SELECT second, value FROM counts") == [(5001, 8)]
    assert len(list(tmp_path.glob("series.db.corrupt-*"))) == 1


def test_what_cannot_be_moved_aside_is_lost_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "no directory" / "series.db"
    sink = write(path, settled(100, 7))
    assert (sink.written, sink.dropped) == (0, 1)


def test_latencies_are_percentiles_of_the_second(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    key = ("shadow.latency", "/watch/_id_")
    all_legs = Settled(100, {}, {}, {}, False, True, {key: {7: 98, 9: 1, 200: 1}})
    stragglers = Settled(100, {}, {}, {}, True, True, {key: {3: 2}})
    write(path, all_legs, stragglers)
    assert rows(path, "SELECT * FROM latencies") == [(100, *key, 100, 7, 7, 9, 200)]


def test_the_oldest_tenth_goes_when_the_file_is_nearly_full(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, *(settled(second, 1) for second in range(20_000)))
    limit_bytes = path.stat().st_size + 8192
    sink = write(path, settled(20_000, 1), max_bytes=limit_bytes)
    assert (sink.written, sink.dropped) == (1, 0)
    assert rows(path, "SELECT min(second), max(second) FROM counts") == [(2000, 20_000)]
    # Freed pages are reused, so the file does not outgrow its limit.
    sink = write(path, *(settled(20_001 + n, 1) for n in range(1000)), max_bytes=limit_bytes)
    assert sink.dropped == 0
    assert path.stat().st_size <= limit_bytes


def test_a_full_file_loses_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, settled(0, 1))
    limit_bytes = path.stat().st_size
    sink = write(path, *(settled(1 + n, 1) for n in range(400)), max_bytes=limit_bytes)
    assert sink.dropped > 0
    assert sink.written + sink.dropped == 400
    assert path.stat().st_size <= limit_bytes


WRITER = """
import sys
from mirror.config_sections import SeriesSection
from mirror.core.ledger import Settled
from mirror.metrics.series_writer import SeriesSink
sink = SeriesSink(SeriesSection(path=sys.argv[1]))
sink.start()
for second in range(100_000):
    counts = {("requests", f"/{route}", "safe"): second for route in range(20)}
    while sink.written < second - 100:
        pass
    sink.emit(Settled(second, counts, {}, {}, False, True))
"""


def test_a_writer_that_is_killed_leaves_whole_seconds(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) as writer:
        try:
            deadline = time.monotonic() + 20
            while not path.exists() or path.stat().st_size < 20 * 4096:
                assert time.monotonic() < deadline and writer.poll() is None
                time.sleep(0.01)
        finally:
            writer.kill()
    sink = write(path, settled(200_000, 7))
    assert (sink.written, sink.dropped) == (1, 0)
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    seconds = rows(path, "SELECT second, count(*) FROM counts GROUP BY second ORDER BY second")
    *whole, _ = seconds
    assert whole == [(second, 20) for second in range(len(whole))]
    assert len(whole) > 10


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
    for second in range(700):  # without a running thread nothing leaves the queue
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


def test_a_thread_that_is_refused_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    path = tmp_path / "series.db"
    sinks = [SeriesSink(SeriesSection(path=str(path))) for _ in range(2)]
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        for sink in sinks:
            sink.start()
            sink.emit(Settled(1, {}, {"/": 1}, {}, False, True))
    sinks[0].emit(Settled(2, {}, {"/": 1}, {}, False, True))
    for sink in sinks:
        sink.stop(5.0)
    assert [(sink.written, sink.dropped) for sink in sinks] == [(2, 0), (0, 1)]
    assert "can't start new thread" in caplog.text


def test_the_file_is_not_for_every_user(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    umask = os.umask(0)
    try:
        write(path, settled(1, 1))
    finally:
        os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def compared(second: int, buckets: Buckets, is_late: bool = False) -> Settled:
    latencies = {(COMPARED_SHADOW_LATENCY, "/a"): buckets, (SHADOW_LATENCY, "/a"): {1: 1}}
    return Settled(second, {}, {}, {}, is_late, True, latencies)


def test_latencies_of_pairs_are_histograms_of_minutes(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    write(path, compared(118, {7: 1}), compared(121, {7: 2}), compared(119, {8: 1}, is_late=True))
    write(path, compared(122, {9: 1}))
    query = "SELECT minute, metric, route, buckets FROM histograms ORDER BY minute"
    assert rows(path, query) == [
        (60, COMPARED_SHADOW_LATENCY, "/a", '{"7":1,"8":1}'),
        (120, COMPARED_SHADOW_LATENCY, "/a", '{"7":2,"9":1}'),
    ]
    metrics = rows(path, "SELECT DISTINCT metric FROM latencies")
    assert metrics == [(SHADOW_LATENCY,)], "percentiles of pairs would cost as much again"


def test_a_repeated_second_adds_no_latency(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    again = replace(compared(118, {7: 5}), is_repeated=True)
    write(path, compared(118, {7: 1}), compared(119, {}), again)
    assert rows(path, "SELECT buckets FROM histograms") == [('{"7":1}',)]


def test_old_histograms_go_with_their_seconds(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    day_s = 86400
    seconds = (compared(100, {7: 1}), compared(3 * day_s, {8: 1}), compared(3 * day_s + 1, {9: 1}))
    write(path, *seconds, retention_days=1, monotonic=Hourly())
    write(path, settled(3 * day_s + 2, 1), retention_days=1)
    assert rows(path, "SELECT minute FROM histograms") == [(3 * day_s,)]
