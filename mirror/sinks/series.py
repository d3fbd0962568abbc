"""The local per-second series: an SQLite file that `estimate` reads (docs/formats.md).

A thread of its own does the writing. Its queue is bounded: when the disk does not keep up, or
the file cannot be written, seconds are dropped and counted, and nobody waits.
"""

import logging
import queue
import sqlite3
import threading
import time

from mirror.config import SeriesSection
from mirror.core.ledger import Settled

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seconds (second INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS counts (
    second INTEGER NOT NULL,
    metric TEXT NOT NULL,
    route  TEXT NOT NULL,
    label  TEXT NOT NULL,
    value  INTEGER NOT NULL,
    PRIMARY KEY (second, metric, route, label)
) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('format', 'kagami-series'), ('version', '1');
"""

_QUEUE_SECONDS = 600
"""Seconds held while the disk is away: ten minutes, a few kilobytes each."""
_LOG_INTERVAL_S = 60.0
_EXPIRE_INTERVAL_S = 3600.0


class SeriesSink:
    """Call `start`, then `emit` for every settled second, then `stop`."""

    def __init__(self, section: SeriesSection) -> None:
        self._path = section.path
        self._retention_s = section.retention_days * 86400
        self._queue: queue.Queue[Settled | None] = queue.Queue(_QUEUE_SECONDS)
        self._thread = threading.Thread(target=self._run, name="series", daemon=True)
        self._database: sqlite3.Connection | None = None
        self._logged_at = -_LOG_INTERVAL_S
        self._expired_at = -_EXPIRE_INTERVAL_S
        self.written = 0
        """Seconds that are in the file."""
        self.dropped = 0
        """Seconds that are lost: the queue was full or the file could not be written."""

    def start(self) -> None:
        self._thread.start()

    def emit(self, settled: Settled) -> None:
        try:
            self._queue.put_nowait(settled)
        except queue.Full:
            self.dropped += 1

    def stop(self, timeout_s: float) -> None:
        """Write what is queued, for at most `timeout_s`."""
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
            self._connect()  # a file that is empty is better news than one that is missing
        except sqlite3.Error as error:
            self._warn(error)
        while (settled := self._queue.get()) is not None:
            try:
                self._write(settled)
                self.written += 1
            except sqlite3.Error as error:
                self.dropped += 1
                self._disconnect()
                self._warn(error)
        self._disconnect()

    def _write(self, settled: Settled) -> None:
        database = self._database or self._connect()
        with database:
            database.executemany(
                "INSERT INTO counts VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET value = value + excluded.value",
                [(settled.second, *key, number) for key, number in settled.counts.items()],
            )
            if settled.is_complete:
                database.execute("INSERT OR IGNORE INTO seconds VALUES (?)", (settled.second,))
            if time.monotonic() - self._expired_at > _EXPIRE_INTERVAL_S:
                self._expired_at = time.monotonic()
                oldest = settled.second - self._retention_s
                database.execute("DELETE FROM counts WHERE second < ?", (oldest,))
                database.execute("DELETE FROM seconds WHERE second < ?", (oldest,))

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=5.0)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            database.executescript(SCHEMA)
            meta = dict(database.execute("SELECT key, value FROM meta"))
            if (meta["format"], meta["version"]) != ("kagami-series", "1"):
                raise sqlite3.DatabaseError(f"holds {meta['format']} version {meta['version']}")
        except sqlite3.Error:
            database.close()
            raise
        self._database = database
        return database

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _warn(self, error: sqlite3.Error) -> None:
        now = time.monotonic()
        if now - self._logged_at >= _LOG_INTERVAL_S:
            self._logged_at = now
            log.warning(
                "series %s cannot be written (%s): %d seconds dropped so far",
                self._path,
                error,
                self.dropped,
            )
