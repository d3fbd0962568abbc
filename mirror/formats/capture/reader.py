"""Reads captures: one file, plain or zstd, or a directory of segments merged by time.

Invariant: memory does not grow with a capture, whatever its bytes say. The length of a line is
bounded, and so is what one read of the file unpacks to. Damage raises a CaptureError that names
file and position. If the caller accepts losses, the damaged part is reported and left out instead,
and reading goes on at the next zstd frame.

This module knows nothing of what is done with the records.
"""

import heapq
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

import zstandard

from mirror.formats.bounded_files import MOST_WINDOW_BYTES, open_regular
from mirror.formats.capture.record import (
    MAX_LINE_BYTES,
    CaptureError,
    Header,
    NotACapture,
    OnLoss,
    Record,
    Summary,
    decode,
    decode_header,
)

SUFFIX = ".capture.zst"
"""Suffix of segments in a directory; a file that is named by itself may have any name."""

MOST_LOSSES = 10_000
"""Most places of a capture that `--salvage` leaves out; a file with more is no capture."""

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC = b"\x1f\x8b"
_READ_BYTES = 256
"""Bytes unpacked at a time. A zstd block of 4 bytes may unpack to 128 KiB, so this yields at most
8 MiB."""
FREE_BYTES = 64 << 20
MOST_RATIO = 40
"""A packed capture may unpack to FREE_BYTES, and beyond to this many times its size. Captures pack
to a tenth or a twentieth; zeros to less than a thousandth."""
_MOST_HELD_BYTES = 4 << 20
"""Most bytes of a frame that are held until its checksum is read; four times the frame of a
segment."""


def read_records(
    path: Path, on_loss: OnLoss | None = None, summary: Summary | None = None
) -> Iterator[Record]:
    """Yield the records of a file or directory, approximately in the order of time.

    The records of one file come in its order: a request is recorded when it is complete, with the
    time at which it began. With `on_loss`, unreadable parts are reported to it and left out
    (`--salvage`), up to MOST_LOSSES of them. Summary lines are added to `summary`. Raises
    CaptureError.
    """
    on_loss = None if on_loss is None else _bounded(on_loss, path)
    try:
        if not path.is_dir():
            yield from _read_file(path, on_loss, summary)
            return
        segments = sorted(path.glob(f"*{SUFFIX}"))
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error}") from error
    if not segments:
        raise CaptureError(f"{path}: is a directory without segments (*{SUFFIX})")
    yield from _merged(segments, on_loss, summary)


def read_headers(path: Path) -> list[Header]:
    """Return what the first lines of a file, or of the segments of a directory, say.

    A segment whose first line is damaged says nothing here. Raises CaptureError.
    """
    if not path.is_dir():
        return [_header(path)]
    headers = []
    for segment in sorted(path.glob(f"*{SUFFIX}")):
        with suppress(NotACapture):
            headers.append(_header(segment))
    return headers


def _bounded(on_loss: OnLoss, path: Path) -> OnLoss:
    numbers = count(1)

    def lose(loss: str) -> None:
        on_loss(loss)
        if next(numbers) >= MOST_LOSSES:
            raise CaptureError(f"{path}: {MOST_LOSSES:,} places cannot be read, which is the limit")

    return lose


def _merged(
    segments: list[Path], on_loss: OnLoss | None, summary: Summary | None
) -> Iterator[Record]:
    """Merge by time. A segment is opened when its first record is due, so few are open at once."""
    begins = []
    for place, segment in enumerate(segments):
        try:
            begins.append((_header(segment).begin, place))
        except CaptureError as error:
            if on_loss is None or not isinstance(error, NotACapture):
                raise
            begins.append((0.0, place))
    begins.sort(reverse=True)
    heads: list[tuple[float, int, Record, Iterator[Record]]] = []
    while heads or begins:
        while begins and (not heads or begins[-1][0] <= heads[0][0]):
            _, place = begins.pop()
            records = _read_file(segments[place], on_loss, summary)
            if (record := next(records, None)) is not None:
                heapq.heappush(heads, (record.time_s, place, record, records))
        if not heads:
            continue
        _, place, record, records = heads[0]
        yield record
        if (following := next(records, None)) is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (following.time_s, place, following, records))


def _header(path: Path) -> Header:
    with closing(read_lines(path, on_loss=lambda what: None)) as lines:
        return decode_header(next(lines, b""), str(path))


def _read_file(path: Path, on_loss: OnLoss | None, summary: Summary | None) -> Iterator[Record]:
    yield from decode(read_lines(path, on_loss), str(path), on_loss, summary)


def read_lines(path: Path, on_loss: OnLoss | None = None) -> Generator[bytes, None, None]:
    """Yield the unpacked lines of a file. Raises CaptureError."""
    try:
        with open_regular(path) as stream:
            start = stream.read(len(_ZSTD_MAGIC))
            if start[:2] == _GZIP_MAGIC:
                raise NotACapture(f"{path}: is packed by gzip: unpack it first")
            stream.seek(0)
            if start == _ZSTD_MAGIC:
                yield from _Unpacking(path, stream, on_loss).lines()
            else:
                yield from _plain_lines(stream)
    except OSError as error:
        raise CaptureError(f"{path}: cannot be read: {error}") from error


def _plain_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the lines; one that is too long is cut beyond the limit, so `decode` refuses it."""
    while line := stream.readline(MAX_LINE_BYTES + 1):
        yield line
        while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_BYTES)


class _Unpacking:
    """Unpacks one zstd file frame by frame."""

    def __init__(self, path: Path, stream: BinaryIO, on_loss: OnLoss | None) -> None:
        self._path = path
        self._stream = stream
        self._on_loss = on_loss
        self._packed = b""
        """Bytes that were read from the file and are not unpacked yet."""
        self._at = 0
        """Position of `_packed` in the file."""
        self._unpacked_bytes = 0
        self._rest = b""
        """The beginning of a line that is not complete."""

    def lines(self) -> Iterator[bytes]:
        while self._fill():
            if self._packed.startswith(_ZSTD_MAGIC):
                yield from self._frame()
            else:
                self._lose("no zstd frame begins")
                self._skip()
        if self._rest:
            yield self._rest

    def _fill(self) -> bool:
        """Read at least the magic number of a frame; return False at the end of the file."""
        if len(self._packed) < len(_ZSTD_MAGIC):
            self._packed += self._stream.read(_READ_BYTES)
        return bool(self._packed)

    def _frame(self) -> Iterator[bytes]:
        """Yield the lines of one frame.

        Lines are held until the checksum of the frame is verified, up to _MOST_HELD_BYTES: a
        flipped bit may unpack to another request.
        """
        began = self._at
        unpacking = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW_BYTES).decompressobj()
        held: list[bytes] = []
        held_bytes = 0
        while True:
            piece = self._packed
            try:
                plain = unpacking.decompress(piece)
            except zstandard.ZstdError:
                self._lose("the zstd frame is damaged", began)
                # The search for the next frame must not find this one again.
                self._packed = piece[1:] if self._at == began else piece
                self._at += len(piece) - len(self._packed)
                self._skip()
                return
            self._unpacked_bytes += len(plain)
            if self._unpacked_bytes > FREE_BYTES + (self._at + len(piece)) * MOST_RATIO:
                raise CaptureError(
                    f"{self._path}: unpacks to more than {FREE_BYTES >> 20} MiB and {MOST_RATIO}"
                    " times its size, which is the limit; `zstd -d` makes a file that has none"
                )
            held.append(plain)
            if unpacking.eof:
                self._packed = unpacking.unused_data
                self._at += len(piece) - len(self._packed)
                yield from self._split(b"".join(held))
                return
            self._at += len(piece)
            self._packed = self._stream.read(_READ_BYTES)
            held_bytes += len(held[-1])
            if held_bytes > _MOST_HELD_BYTES or not self._packed:
                yield from self._split(b"".join(held))
                held, held_bytes = [], 0
            if not self._packed:
                self._rest = b""
                self._lose("the file ends within this zstd frame", began)
                return

    def _split(self, plain: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + plain).split(b"\n") if plain else [self._rest]
        yield from lines
        if len(self._rest) > MAX_LINE_BYTES:
            raise CaptureError(f"{self._path}: a line has more than {MAX_LINE_BYTES} bytes")

    def _lose(self, loss: str, at: int | None = None) -> None:
        text = f"{self._path}: byte {self._at if at is None else at}: {loss}"
        if self._on_loss is None:
            raise CaptureError(f"{text} (--salvage uses what can be read)")
        self._on_loss(text)

    def _skip(self) -> None:
        """Move to the next frame; a line that began in a damaged frame is lost."""
        self._rest = b""
        while (begin := self._packed.find(_ZSTD_MAGIC)) < 0:
            kept = self._packed[-(len(_ZSTD_MAGIC) - 1) :]
            more = self._stream.read(_READ_BYTES)
            self._at += len(self._packed) - len(kept) if more else len(self._packed)
            self._packed = kept + more if more else b""
            if not more:
                return
        self._packed = self._packed[begin:]
        self._at += begin
