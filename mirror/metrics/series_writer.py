"""Writes series.db, the requests of every second, which `estimate` reads (docs/formats.md).

A separate thread writes. Its queue is bounded: if the disk does not keep up or the file cannot be
written, seconds are dropped and counted, and nothing waits. A file that is corrupt or not a
database is moved aside, and a new one is begun.

A second that is there already, from before the clock was set back or from a sidecar before, gets
nothing added and becomes a gap.
"""

import contextlib
import logging
import os
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable

from mirror.config_sections import SeriesSection
from mirror.core.latency import percentile_us
from mirror.core.ledger import Settled
from mirror.formats.series_db import SCHEMA, check_format
from mirror.metrics.minute_histograms import METRICS as OF_PAIRS
from mirror.metrics.minute_histograms import MinuteHistograms, write_histograms

log = logging.getLogger(__name__)

_QUEUE_SECONDS = 600
"""Most seconds that are held while the disk is unavailable; each takes a few kilobytes."""
_LOG_INTERVAL_S = 60.0
_EXPIRE_INTERVAL_S = 3600.0
_FULL_RATIO = 0.9
"""Share of the size limit at which the oldest seconds go; the rest is for another hour."""
_EXPIRED_RATIO = 0.1
_LAST_SECOND = """
    SELECT max(coalesce((SELECT max(second) FROM seconds), 0),
               coalesce((SELECT max(second) FROM counts), 0))
"""
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SeriesSink:
    """The sink: call `start`, then `emit` for every settled second, then `stop`."""

    def __init__(
        self, section: SeriesSection, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._path = section.path
        self._retention_s = section.retention_days * 86400
        self._max_bytes = section.max_bytes
        self._queue: queue.Queue[Settled | None] = queue.Queue(_QUEUE_SECONDS)
        self._thread = threading.Thread(target=self._run, name="series", daemon=True)
        self._database: sqlite3.Connection | None = None
        self._logged_at = -_LOG_INTERVAL_S
        self._last_before: int | None = None
        """The last second that the file had when it was first opened."""
        self._repeated: deque[int] = deque(maxlen=_QUEUE_SECONDS)
        """The latest seconds that the file had from before; what comes late for them is theirs."""
        self._next_second = 0
        self._steady_since = 0.0
        """When the seconds began to follow each other, by the monotonic clock."""
        self._looked_at = -_EXPIRE_INTERVAL_S
        self._histograms = MinuteHistograms()
        self.written = 0
        """Number of seconds written."""
        self.dropped = 0
        """Number of seconds lost, because the queue was full or the file could not be written."""

    def start(self) -> None:
        """Start the thread. Where the kernel refuses one, every `emit` tries again."""
        try:
            self._thread.start()
        except RuntimeError as error:
            self._warn(error)

    def emit(self, settled: Settled) -> None:
        if self._thread.ident is None:
            self.start()
        try:
            self._queue.put_nowait(settled)
        except queue.Full:
            self.dropped += 1

    def stop(self, timeout_s: float) -> None:
        """Write what is queued, for at most `timeout_s` seconds."""
        if self._thread.ident is None:
            self.dropped += self._queue.qsize()
            return
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            self.dropped += self._queue.qsize()
            return
        self._thread.join(timeout_s)

    def status(self) -> dict[str, object]:
        return {"path": self._path, "written": self.written, "dropped": self.dropped}

    def _run(self) -> None:
        try:
            self._connect()  # an empty file shows that the path works; a missing one does not
        except sqlite3.Error as error:
            self._lost(error)
        while (settled := self._queue.get()) is not None:
            try:
                self._write(settled)
                self.written += 1
            except sqlite3.Error as error:
                self.dropped += 1
                self._disconnect()
                self._lost(error)
        try:
            self._write_rest()
        except sqlite3.Error as error:
            self._lost(error)
        self._disconnect()

    def _lost(self, error: sqlite3.Error) -> None:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
            self._move_aside(error)
        else:
            self._warn(error)

    def _write(self, settled: Settled) -> None:
        database = self._database or self._connect()
        due = self._histograms.due(settled.second)
        with database:
            is_repeated = self._is_repeated(database, settled)
            if is_repeated:
                database.execute("DELETE FROM seconds WHERE second = ?", (settled.second,))
            else:
                self._add(database, settled)
            write_histograms(database, due)
            self._keep_small(database, settled)
        self._histograms.forget(due)
        if not is_repeated:
            self._histograms.add(settled)

    def _write_rest(self) -> None:
        if due := self._histograms.due():
            database = self._database or self._connect()
            with database:
                write_histograms(database, due)

    def _is_repeated(self, database: sqlite3.Connection, settled: Settled) -> bool:
        """Say whether the second was there before the clock was set back or this sidecar began.

        The counts of a sidecar's first, partial second are late and may be added to those of the
        sidecar before, which did not observe that second to its end either.
        """
        second = settled.second
        if second <= (self._last_before or 0):
            query = (
                "SELECT 1 FROM seconds WHERE second = :second UNION ALL"
                " SELECT 1 FROM counts WHERE second = :second AND NOT :is_late LIMIT 1"
            )
            values = {"second": second, "is_late": settled.is_late}
            if database.execute(query, values).fetchone():
                self._repeated.append(second)
        return settled.is_repeated or second in self._repeated

    def _add(self, database: sqlite3.Connection, settled: Settled) -> None:
        database.executemany(
            "INSERT INTO counts VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET value = value + excluded.value",
            [(settled.second, *key, number) for key, number in settled.counts.items()],
        )
        database.executemany(
            "INSERT INTO latencies VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " legs = excluded.legs, p50_us = excluded.p50_us, p90_us = excluded.p90_us,"
            " p99_us = excluded.p99_us, max_us = excluded.max_us WHERE excluded.legs > legs",
            [
                (settled.second, metric, route, sum(buckets.values()))
                + tuple(percentile_us(buckets, ratio) for ratio in (0.5, 0.9, 0.99, 1.0))
                for (metric, route), buckets in settled.latencies.items()
                if metric not in OF_PAIRS
            ],
        )
        if settled.is_complete:
            database.execute("INSERT OR IGNORE INTO seconds VALUES (?)", (settled.second,))

    def _keep_small(self, database: sqlite3.Connection, settled: Settled) -> None:
        """Delete once an hour what is older than the retention, and the oldest tenth of an almost
        full file.

        A clock that jumps ahead must not make everything old, so nothing is older than the
        retention until seconds have followed each other for an hour.
        """
        now = self._monotonic()
        if not settled.is_late:
            if settled.second != self._next_second:
                self._steady_since = now
            self._next_second = settled.second + 1
        if now - self._looked_at <= _EXPIRE_INTERVAL_S:
            return
        self._looked_at = now
        is_steady = now - self._steady_since > _EXPIRE_INTERVAL_S
        oldest = settled.second - self._retention_s if is_steady else 0.0
        pages, free, page_bytes = (
            database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * page_bytes > _FULL_RATIO * self._max_bytes:
            (rows,) = database.execute("SELECT count(*) FROM counts").fetchone()
            query = "SELECT second FROM counts ORDER BY second LIMIT 1 OFFSET ?"
            (first_kept,) = database.execute(query, (int(_EXPIRED_RATIO * rows),)).fetchone()
            oldest = max(oldest, first_kept)
            log.warning("series %s is nearly full: the oldest tenth is deleted", self._path)
        for table in ("counts", "seconds", "latencies"):
            database.execute(f"DELETE FROM {table} WHERE second < ?", (oldest,))
        database.execute("DELETE FROM histograms WHERE minute < ?", (oldest,))

    def _connect(self) -> sqlite3.Connection:
        # SQLite gives a new file 0644, and the files beside it the permissions of this one. Where
        # it cannot be made, SQLite says why.
        with contextlib.suppress(OSError):
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640))
        database = sqlite3.connect(self._path, timeout=5.0)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
            database.execute(f"PRAGMA max_page_count={self._max_bytes // page_bytes}")
            database.executescript(SCHEMA)
            check_format(database)
            if self._last_before is None:
                (self._last_before,) = database.execute(_LAST_SECOND).fetchone()
        except sqlite3.Error:
            database.close()
            raise
        self._database = database
        return database

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _move_aside(self, error: sqlite3.Error) -> None:
        aside = f"{self._path}.corrupt-{time.time():.0f}"
        try:
            for suffix in ("-wal", "-shm", ""):
                if os.path.exists(self._path + suffix):
                    os.rename(self._path + suffix, aside + suffix)
        except OSError:
            self._warn(error)
        else:
            log.error("series %s is not a database (%s): moved to %s", self._path, error, aside)

    def _warn(self, error: sqlite3.Error | RuntimeError) -> None:
        now = time.monotonic()
        if now - self._logged_at >= _LOG_INTERVAL_S:
            self._logged_at = now
            log.warning(
                "series %s cannot be written (%s): %d seconds dropped so far",
                self._path,
                error,
                self.dropped,
            )
