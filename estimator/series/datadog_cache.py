"""Answers of Datadog about closed windows, kept on disk so that a second run asks for little.

Owns the files of one folder. A window that late points may still change is never kept. The name of
a file is a digest of the address, the API key, the query and the window: two organisations never
share one, and no key can be read from it. Whatever is damaged is asked for again.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import zstandard

SETTLED_S = 7_200
"""Time after its end at which a window is settled: Datadog accepts points up to an hour late."""
MAX_BYTES = 256 << 20
"""Most bytes of all files; a year of 50 routes takes about 100 MB. The oldest files go first."""
_MAX_ANSWER_BYTES = 1 << 28


class Cache:
    """A folder of answers; `now` returns Unix time."""

    def __init__(self, folder: Path, now: Callable[[], float], max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._now = now
        self._max_bytes = max_bytes

    def read(self, identity: tuple[str, ...], window: tuple[int, int]) -> bytes | None:
        """Return the kept answer, or None."""
        try:
            packed = self._path(identity, window).read_bytes()
            return zstandard.ZstdDecompressor().decompress(packed, _MAX_ANSWER_BYTES)
        except (OSError, zstandard.ZstdError):
            return None

    def write(self, identity: tuple[str, ...], window: tuple[int, int], body: bytes) -> None:
        """Keep an answer if its window is settled; a disk that cannot keep it is no error."""
        if window[1] + SETTLED_S > self._now():
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, unfinished = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(zstandard.ZstdCompressor(write_checksum=True).compress(body))
            os.replace(unfinished, self._path(identity, window))
            self._shrink()
        except OSError:
            return

    def _path(self, identity: tuple[str, ...], window: tuple[int, int]) -> Path:
        parts = (*identity, *(str(edge) for edge in window))
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return self._folder / f"{digest}.json.zst"

    def _shrink(self) -> None:
        files = [(entry.stat(), entry.path) for entry in os.scandir(self._folder)]
        total = sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda file: file[0].st_mtime_ns):
            if total <= self._max_bytes:
                break
            Path(path).unlink(missing_ok=True)
            total -= stat.st_size
