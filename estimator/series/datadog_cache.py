"""Answers of Datadog about closed windows, kept on disk so that a second run asks for little.

Owns the files of one folder. A window that late points may still change is never kept. The name of
a file is a digest of the address, the API key, the query and the window: two organisations never
share one, and no key can be read from it. Whatever is damaged is asked for again, and so is
everything where others could have written an answer: in a folder of somebody else, or one that the
group or everybody may write to.
"""

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import zstandard

from estimator.series.limits import MAX_ANSWER_BYTES
from mirror.formats.bounded_files import BoundedFileError, Limit, open_regular, unpacked

SETTLED_S = 7_200
"""Time after its end at which a window is settled: Datadog accepts points up to an hour late."""
MAX_BYTES = 256 << 20
"""Most bytes of all files; a year of 50 routes takes about 100 MB. The oldest files go first."""
_MAGIC = b"\x28\xb5\x2f\xfd"


class Cache:
    """A folder of answers; `now` returns Unix time."""

    def __init__(self, folder: Path, now: Callable[[], float], max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._now = now
        self._max_bytes = max_bytes

    def read(self, identity: tuple[str, ...], window: tuple[int, int]) -> bytes | None:
        """Return the kept answer, or None."""
        path = self._path(identity, window)
        try:
            if not self._is_private():
                return None
            with open_regular(path, follows_links=False) as file:
                if file.read(len(_MAGIC)) != _MAGIC:
                    return None
                file.seek(0)
                return unpacked(file, str(path), Limit(MAX_ANSWER_BYTES)).read()
        except (OSError, BoundedFileError):
            return None

    def write(self, identity: tuple[str, ...], window: tuple[int, int], body: bytes) -> None:
        """Keep an answer if its window is settled; a disk that cannot keep it is no error."""
        if window[1] + SETTLED_S > self._now():
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_private():
                return
            handle, unfinished = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(zstandard.ZstdCompressor(write_checksum=True).compress(body))
            os.replace(unfinished, self._path(identity, window))
            self._shrink()
        except OSError:
            return

    def _is_private(self) -> bool:
        found = self._folder.stat()
        others_write = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        return found.st_uid == os.geteuid() and not others_write

    def _path(self, identity: tuple[str, ...], window: tuple[int, int]) -> Path:
        parts = (*identity, *(str(edge) for edge in window))
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        return self._folder / f"{digest}.json.zst"

    def _shrink(self) -> None:
        files = [
            (entry.stat(follow_symlinks=False), entry.path)
            for entry in os.scandir(self._folder)
            if entry.is_file(follow_symlinks=False)
        ]
        total = sum(found.st_size for found, _ in files)
        for found, path in sorted(files, key=lambda file: file[0].st_mtime_ns):
            if total <= self._max_bytes:
                break
            Path(path).unlink(missing_ok=True)
            total -= found.st_size
