"""Writes segments: files of zstd frames that are complete lines each, rotated and bounded.

Owns the files of one worker. A frame is written as a whole and holds whole lines, so that a crash
leaves every frame readable but perhaps the last. What cannot be written is cut off again.
Files are readable by their owner alone. Must never know what the lines say.
"""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import zstandard

from mirror.capture.reader import SUFFIX
from mirror.config import CaptureSection
from mirror.core.record import encode_header

_LEVEL = 3
"""Level 1 is 30 % quicker and 10 % larger on access-log-like lines."""


class Segments:
    """The segments of one worker; its methods raise OSError."""

    def __init__(self, section: CaptureSection, instance: str, now: Callable[[], float]) -> None:
        """`section.path` is made where it is missing; `now` is Unix time."""
        self._section = section
        self._folder = self._path = Path(section.path or ".")
        self._instance = instance
        self._now = now
        self._stream: BinaryIO | None = None
        self._opened_at = 0.0
        self._size_bytes = 0
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)

    def write(self, lines: bytes, begin_s: float) -> None:
        """Add whole lines as one frame; the first record in them is of about `begin_s`."""
        now = self._now()
        section = self._section
        is_full = self._size_bytes >= section.segment_bytes
        if is_full or not 0 <= now - self._opened_at < section.segment_seconds:
            self.close()
        if self._stream is None:
            self.remove_old()
            self._stream = self._open(now)
            lines = encode_header(begin_s, self._instance) + lines
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
        """What a full disk took of a frame is no frame."""
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
        """Of all workers' segments the oldest, until age and size are within bounds."""
        found = []
        with suppress(FileNotFoundError):
            for entry in os.scandir(self._folder):
                if entry.name.endswith(SUFFIX):
                    with suppress(FileNotFoundError):  # another worker was quicker
                        status = entry.stat(follow_symlinks=False)
                        found.append((status.st_mtime, entry.path, status.st_size))
        found.sort()
        size_bytes = sum(size for _, _, size in found) + self._section.segment_bytes
        oldest = self._now() - self._section.keep_days * 86400
        for modified_at, path, size in found:
            if modified_at >= oldest and size_bytes <= self._section.keep_bytes:
                return
            with suppress(FileNotFoundError):
                os.unlink(path)
            size_bytes -= size
