"""Records production requests: redacts them on the event loop, and writes them in a thread.

This module owns what one worker records. The loop turns a complete request into a redacted line and
passes lines to the thread once a second; the thread compresses and writes them.

Invariant: nothing here waits for the disk or raises into its caller. The bytes held, including
bodies that are still being read, stay below `capture.queue_bytes`; requests beyond that are dropped
and counted.
"""

import base64
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import NamedTuple

from mirror.capture.key_file import read_key
from mirror.capture.segments import Segments
from mirror.config_sections import CaptureSection
from mirror.core.http1 import CHUNKED, NONE
from mirror.core.redaction.redactor import Redactor
from mirror.core.request_head import RequestHead
from mirror.formats.capture.record import RecordLine, Summary, encode_line, encode_summary, is_host

log = logging.getLogger(__name__)

FLUSH_S = 1.0
FLUSH_BYTES = 1 << 20
"""Lines go to the thread after this time or size: a crash may lose that much, a frame holds it."""
WARN_INTERVAL_S = 60.0
RETRY_S = 1.0
"""Pause between a failed write and the next attempt."""
REMOVE_INTERVAL_S = 600.0
"""Interval at which old segments are deleted while no segment is opened."""
RECORD_BYTES = 256
"""Memory of a request that is being recorded, without its body."""

QUEUE_FULL = "queue_full"
DISK = "disk"
INCOMPLETE = "incomplete"
UNUSABLE = "unusable"


class Capturing:
    """A request that is being recorded."""

    __slots__ = ("body", "body_bytes", "head", "held_bytes", "time_s")

    def __init__(self, head: RequestHead, time_s: float) -> None:
        self.head = head
        self.time_s = time_s
        self.body: list[bytes] | None = []
        """None once the body is too long to be kept."""
        self.body_bytes = 0
        self.held_bytes = RECORD_BYTES


class Recorder:
    """The capture of one worker: call `tick` about ten times a second, and `stop` at the end."""

    def __init__(
        self,
        section: CaptureSection,
        instance: str,
        count: Callable[[str, int], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        """Call `count` with a number of records and why they were dropped, "" for written ones.

        `now` returns Unix time. Raises ConfigError.
        """
        self._section = section
        self._count = count
        self._now = now
        self._until_s = float("inf") if section.enabled else 0.0
        self._redactor = Redactor(section.headers, section.query_keys, read_key(section))
        self._writer = _Writer(Segments(section, instance, now))
        self._credit = 0.0
        self._held_bytes = 0
        self._settled_bytes = 0
        self._lines: list[bytes] = []
        self._line_bytes = 0
        self._begin_s = now()
        self._next_flush_s = 0.0
        self._summary = Summary()
        self._redacted = 0

    # --- on and off ---

    def switch(self, until_s: float) -> None:
        """Record until this Unix time; 0 stops recording."""
        self._until_s = until_s

    # --- one request ---

    def begin(self, head: RequestHead, now: float) -> Capturing | None:
        """Begin with a production request whose head is complete at the Unix time `now`.

        Returns None if the request is not recorded.
        """
        if now >= self._until_s:
            return None
        self._credit += self._section.ratio
        if self._credit < 1:
            self._summary.not_sampled += 1
            return None
        self._credit -= 1
        if self._held_bytes + RECORD_BYTES > self._section.queue_bytes:
            self._drop(QUEUE_FULL)
            return None
        self._held_bytes += RECORD_BYTES
        return Capturing(head, now)

    def add_body(self, capturing: Capturing, data: bytes) -> None:
        """Keep a piece of the body, up to `capture.max_body_bytes` and while there is room."""
        size = len(data)
        capturing.body_bytes += size
        body = capturing.body
        if body is None:
            return
        is_short = capturing.body_bytes <= self._section.max_body_bytes
        if is_short and self._held_bytes + size + RECORD_BYTES <= self._section.queue_bytes:
            body.append(data)
            capturing.held_bytes += size + RECORD_BYTES
            self._held_bytes += size + RECORD_BYTES
        else:
            capturing.body = None

    def end(self, capturing: Capturing) -> None:
        """Record the request, which is complete."""
        self._held_bytes -= capturing.held_bytes
        if not is_host(capturing.head.host.decode("latin-1")):
            self._drop(UNUSABLE)  # HTTP/1.0 without a Host cannot be replayed
            return
        line = self._line(capturing)
        if self._held_bytes + len(line) > self._section.queue_bytes:
            self._drop(QUEUE_FULL)
            return
        self._held_bytes += len(line)
        self._lines.append(line)
        self._line_bytes += len(line)
        self._begin_s = min(self._begin_s, capturing.time_s)
        if self._line_bytes >= FLUSH_BYTES:
            self._flush()

    def abandon(self, capturing: Capturing) -> None:
        """Drop the request, which will never be complete."""
        self._held_bytes -= capturing.held_bytes
        self._drop(INCOMPLETE)

    def _line(self, capturing: Capturing) -> bytes:
        head = capturing.head
        redactor = self._redactor
        fields = []
        # A head holds its fields joined, as the legs send them. Splitting them here costs captured
        # requests only; keeping them apart would cost all requests.
        for text in head.start.decode("latin-1").split("\r\n")[2:-1]:
            name, _, value = text.partition(":")
            fields.append((name, value.strip(" \t")))
        body: str | None = None
        body_bytes: int | None = None
        if head.framing is not NONE:
            if capturing.body is None or not self._section.max_body_bytes:
                body_bytes = capturing.body_bytes
            else:
                body = base64.b64encode(b"".join(capturing.body)).decode()
        line = RecordLine(
            round(capturing.time_s, 6),
            head.method.decode("latin-1"),
            head.host.decode("latin-1"),
            redactor.target(head.target.decode("latin-1")),
            redactor.fields(fields),
            body,
            head.framing is CHUNKED and body is not None,
            body_bytes,
        )
        return encode_line(line)

    # --- to the thread ---

    def tick(self) -> None:
        """Pass lines to the thread when they are due, and count what the thread wrote and lost."""
        now = self._now()
        if not 0 < self._next_flush_s - now < FLUSH_S:
            self._next_flush_s = now + FLUSH_S
            self._flush()
        self._settle()

    def stop(self, timeout_s: float) -> None:
        """Write the lines that are held, for at most `timeout_s`."""
        self._settle()
        self._flush()
        self._writer.stop(timeout_s)
        self._settle()

    def _flush(self) -> None:
        summary = self._summary
        summary.redacted += self._redactor.redacted - self._redacted
        self._redacted = self._redactor.redacted
        records = len(self._lines)
        if summary != Summary():
            self._lines.append(encode_summary(summary))
        if self._lines:
            self._summary = Summary()
            lines = b"".join(self._lines)
            self._writer.queue.put(_Batch(lines, self._line_bytes, records, self._begin_s, summary))
            self._lines = []
            self._line_bytes = 0
        # Requests that are still being read began before this instant; the header is approximate.
        self._begin_s = self._now()

    def _settle(self) -> None:
        written, failed, settled_bytes = self._writer.take()
        self._held_bytes -= settled_bytes
        while self._writer.unsaid:
            self._summary.add(self._writer.unsaid.popleft())
        if written:
            self._count("", written)
        if failed:
            self._count(DISK, failed)
            dropped = self._summary.dropped
            dropped[DISK] = dropped.get(DISK, 0) + failed

    def _drop(self, reason: str) -> None:
        self._count(reason, 1)
        dropped = self._summary.dropped
        dropped[reason] = dropped.get(reason, 0) + 1


class _Batch(NamedTuple):
    """Lines that the loop passes to the thread."""

    lines: bytes
    held_bytes: int
    records: int
    begin_s: float
    summary: Summary
    """Content of the summary line at the end."""


class _Writer:
    """The writing thread. The loop reads its progress as sums that only grow, without a lock."""

    def __init__(self, segments: Segments) -> None:
        self.queue: SimpleQueue[_Batch | None] = SimpleQueue()
        self.unsaid: deque[Summary] = deque()
        """Summaries of batches that could not be written; the next summary includes them."""
        self._segments = segments
        self._written = self._failed = self._settled_bytes = 0
        self._taken = (0, 0, 0)
        self._retry_at = self._warn_at = 0.0
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._thread.start()

    def take(self) -> tuple[int, int, int]:
        """Return records written, records lost and bytes settled since the last call."""
        now = (self._written, self._failed, self._settled_bytes)
        before, self._taken = self._taken, now
        return now[0] - before[0], now[1] - before[1], now[2] - before[2]

    def stop(self, timeout_s: float) -> None:
        self.queue.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if self._write(batch.lines, batch.begin_s):
                self._written += batch.records
            else:
                self.unsaid.append(batch.summary)
                self._failed += batch.records
            self._settled_bytes += batch.held_bytes
        self._segments.close()

    def _next(self) -> _Batch | None:
        """Wait for the next batch, and delete old segments while there is none."""
        while True:
            with suppress(Empty):
                return self.queue.get(timeout=REMOVE_INTERVAL_S)
            with suppress(OSError):  # reported when the next segment is opened
                self._segments.remove_old()

    def _write(self, lines: bytes, begin_s: float) -> bool:
        now = time.monotonic()
        if now < self._retry_at:
            return False
        try:
            self._segments.write(lines, begin_s)
        except OSError as error:
            self._retry_at = now + RETRY_S
            if now >= self._warn_at:
                self._warn_at = now + WARN_INTERVAL_S
                log.warning("capture cannot be written, requests are dropped: %s", error)
            return False
        return True
