"""Writes segments: files of zstd frames, rotated and bounded in size and age.

This module owns the files of one worker, which only their owner may read.

Invariant: a frame is written as a whole and holds whole lines. A crash can damage only the last
frame, and a frame that could not be written completely is cut off again.

This module knows nothing of what the lines say.
"""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import zstandard

from mirror.config_sections import CaptureSection
from mirror.formats.capture.reader import SUFFIX
from mirror.formats.capture.record import encode_header

_LEVEL = 3
"""Compression level. Level 1 is 30 % faster and 10 % larger on lines like those of access logs."""


class Segments:
    """The segments of one worker. The methods raise OSError."""

    def __init__(self, section: CaptureSection, instance: str, now: Callable[[], float]) -> None:
        """`section.path` is created if it is missing; `now` returns Unix time."""
        self._section = section
        self._folder = self._path = Path(section.path or ".")
        self._instance = instance
        self._now = now
        self._stream: BinaryIO | None = None
        self._opened_at = 0.0
        self._size_bytes = 0
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)

    def write(self, lines: bytes, begin_s: float) -> None:
        """Write whole lines as one frame; `begin_s` is about the Unix time of the first record."""
        now = self._now()
        section = self._section
        is_full = self._size_bytes >= section.segment_bytes
        if is_full or not 0 <= now - self._opened_at < section.segment_seconds:
            self.close()
        if self._stream is None:
            self.remove_old()
            self._stream = self._open(now)
            redaction = (section.headers, section.query_keys, section.key_file is not None)
            lines = encode_header(begin_s, self._instance, *redaction) + lines
        frame = self._compressor.compress(lines)
        try:
            rest = memoryview(frame)
            while rest:
                rest = rest[self._stream.write(rest) :]
        except OSError:
            self._cut()
            raise
        self._size_bytes += len(frame)

    def close(self) -> None:
        stream, self._stream = self._stream, None
        self._size_bytes = 0
        if stream is not None:
            stream.close()

    def _open(self, now: float) -> BinaryIO:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        instance = re.sub(r"[^A-Za-z0-9._-]", "_", self._instance)
        self._path = self._folder / f"{moment}-{instance}-{os.getpid()}{SUFFIX}"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._opened_at = now
        self._size_bytes = 0
        return open(descriptor, "wb", buffering=0)

    def _cut(self) -> None:
        """Remove the part of a frame that a full disk accepted."""
        stream, self._stream = self._stream, None
        assert stream is not None
        with suppress(OSError):
            os.ftruncate(stream.fileno(), self._size_bytes)
        with suppress(OSError):
            stream.close()
        if not self._size_bytes:
            with suppress(OSError):
                os.unlink(self._path)

    def remove_old(self) -> None:
        """Delete the oldest segments of all workers until age and size are within bounds."""
        segments = []
        with suppress(FileNotFoundError):
            for entry in os.scandir(self._folder):
                if entry.name.endswith(SUFFIX):
                    with suppress(FileNotFoundError):  # another worker has deleted it
                        status = entry.stat(follow_symlinks=False)
                        segments.append((status.st_mtime, entry.path, status.st_size))
        segments.sort()
        size_bytes = sum(size for _, _, size in segments) + self._section.segment_bytes
        oldest = self._now() - self._section.keep_days * 86400
        for modified_at, path, size in segments:
            if modified_at >= oldest and size_bytes <= self._section.keep_bytes:
                return
            with suppress(FileNotFoundError):
                os.unlink(path)
            size_bytes -= size
