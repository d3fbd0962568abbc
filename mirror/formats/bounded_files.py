"""Files from outside, read up to a limit: only regular ones, packed or not.

A FIFO would block its reader for ever, a device may never end, and a packed file of a few kilobytes
may hold gigabytes. Each reader states how many bytes it takes at most. The limits of both commands
are listed in docs/limits.md.
"""

import codecs
import gzip
import io
import os
import stat
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from mirror.errors import InputError

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"
"""The last three bytes of the magic of a skippable frame, with which a zstd file may begin."""
MOST_WINDOW_BYTES = 1 << 27
"""Most memory that a zstd frame may ask for; the tool `zstd` has the same limit."""


_BUFFER_BYTES = 1 << 16
_PACKED_BYTES = 256
"""Bytes of zstd that are unpacked at a time. A block of 4 bytes may hold 128 KiB, so this yields at
most 8 MiB."""


class BoundedFileError(InputError):
    """A file cannot be read, or exceeds its limit; the message names the file and the limit."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Limit:
    """How many bytes of a file are read, and what raises that number."""

    most_bytes: int
    option: str = ""
    """The option with which a user reads more; empty if there is none."""

    def exceeded(self, name: str, what: str = "") -> BoundedFileError:
        """Return the error about a file that has more; `what` says of what, such as `unpacked`."""
        size = f"{self.most_bytes:,} bytes{what and ' '}{what}"
        advice = f"; {self.option} reads more" if self.option else ""
        return BoundedFileError(name, f"has more than {size}, which is the limit{advice}")


def open_regular(path: str | os.PathLike[str], follows_links: bool = True) -> BinaryIO:
    """Open a regular file. Raises BoundedFileError for anything else, without waiting for it.

    A user may name a link. A member of a directory that is scanned must not be one.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | (0 if follows_links else os.O_NOFOLLOW)
    try:
        if not follows_links and os.path.islink(path):
            raise BoundedFileError(str(path), "is a symbolic link, which is not followed here")
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise BoundedFileError(str(path), "no such file") from None
    except (OSError, ValueError) as error:
        raise BoundedFileError(str(path), f"cannot be read: {_reason(error)}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BoundedFileError(str(path), "is no regular file")
    return open(descriptor, "rb")


def read_bytes(path: str | os.PathLike[str], limit: Limit, follows_links: bool = True) -> bytes:
    """Return the content of a regular file. Raises BoundedFileError."""
    with open_regular(path, follows_links) as file:
        try:
            content = file.read(limit.most_bytes + 1)
        except OSError as error:
            raise BoundedFileError(str(path), f"cannot be read: {_reason(error)}") from error
    if len(content) > limit.most_bytes:
        raise limit.exceeded(str(path))
    return content


def read_text(path: str | os.PathLike[str], limit: Limit, follows_links: bool = True) -> str:
    """Return the text of a regular UTF-8 file, without its byte order mark.

    Line ends stay as they are. Raises BoundedFileError.
    """
    content = read_bytes(path, limit, follows_links)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The shell of Windows writes UTF-16 where output is redirected with `>`.
        is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        reason = "it may be UTF-16, expected UTF-8" if is_utf16 else error
        raise BoundedFileError(str(path), f"cannot be read: {reason}") from error


def open_unpacked(path: str | os.PathLike[str], limit: Limit) -> BinaryIO:
    """Open a regular file that may be packed; closing the result closes the file."""
    file = open_regular(path)
    try:
        return unpacked(file, str(path), limit)
    except BaseException:
        file.close()
        raise


def unpacked(file: BinaryIO, name: str, limit: Limit) -> BinaryIO:
    """Return a stream of what `file` holds: gzip and zstd are recognised by their content.

    Reading it raises BoundedFileError for damaged data, and after the bytes of `limit`. It unpacks
    no more than is asked for.
    """
    source = io.BufferedReader(cast(Any, file))
    start = source.peek(4)[:4]
    content: BinaryIO = source
    if is_gzip(start):
        content = cast(BinaryIO, gzip.GzipFile(fileobj=source))
    elif is_zstd(start):
        content = io.BufferedReader(_Frames(source))
    return io.BufferedReader(_Bounded(content, source, name, limit), _BUFFER_BYTES)


def is_gzip(start: bytes) -> bool:
    """Return whether a file that begins with these four bytes is packed with gzip."""
    return start[:2] == _GZIP


def is_zstd(start: bytes) -> bool:
    """Return whether a file that begins with these four bytes is packed with zstd."""
    return start == _ZSTD or start[1:] == _SKIPPABLE


class _Bounded(io.RawIOBase):
    """Passes bytes on until the limit, and turns every error of unpacking into one."""

    def __init__(self, content: BinaryIO, packed: BinaryIO, name: str, limit: Limit) -> None:
        self._content = content
        self._packed = packed
        self._name = name
        self._limit = limit
        self._left = limit.most_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer)
        try:
            content = self._content.read(min(len(view), self._left + 1))
        except (OSError, EOFError, zlib.error) as error:
            raise BoundedFileError(self._name, f"cannot be read: {_reason(error)}") from error
        self._left -= len(content)
        if self._left < 0:
            what = "" if self._content is self._packed else "unpacked"
            raise self._limit.exceeded(self._name, what)
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        if not self.closed:
            self._content.close()
            self._packed.close()
        super().close()


class _Frames(io.RawIOBase):
    """Unpacks zstd frames, and notices an end within a frame, which zstandard's reader does not."""

    def __init__(self, file: BinaryIO) -> None:
        # Imported here, because a sidecar that reads its configuration unpacks nothing.
        import zstandard

        self._zstd = zstandard
        self._file = file
        self._packed = b""
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._content = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._content:
            self._packed = self._packed or self._file.read(_PACKED_BYTES)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("its last zstd frame has no end")
                return 0
            self._content = memoryview(self._unpack(self._packed))
        view = memoryview(buffer)
        count = min(len(view), len(self._content))
        view[:count] = self._content[:count]
        self._content = self._content[count:]
        return count

    def _unpack(self, packed: bytes) -> bytes:
        """Return what `packed` unpacks to, up to the end of a frame."""
        if self._frame is None:
            unpacking = self._zstd.ZstdDecompressor(max_window_size=MOST_WINDOW_BYTES)
            self._frame = unpacking.decompressobj()
        try:
            content = self._frame.decompress(packed)
        except self._zstd.ZstdError as error:
            raise OSError(str(error)) from error
        self._packed = self._frame.unused_data
        if self._frame.eof:
            self._frame = None
        return content


def _reason(error: Exception) -> str:
    """Return what went wrong, without the file name that OSError repeats."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
