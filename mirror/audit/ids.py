"""The ids of millions of lines, grouped in bounded memory.

Each entry goes to one of PARTITIONS by its id, and each partition is sorted by itself. The
partitions lie in one temporary file, so memory does not grow with the logs: a partition of ten
million lines in all has 1.3 MB, and takes about 4 MB while it is sorted.

The ids are kept whole (16 bytes), not as a short hash: two requests are never taken for one, and an
example can be looked up in the logs.
"""

import struct
import tempfile
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from mirror.errors import InputError

PARTITIONS = 256
MOST_PARTITION_BYTES = 64 << 20
"""Most bytes of a partition; 500 million lines fit where ids are random."""
_PIECE_BYTES = 1 << 15
_HELD_BYTES = 16 << 20
"""A smaller store stays in memory."""

PRODUCTION = 0
CAPTURE = 1
GATEWAY = 2
ENVOY = 3

IN_WINDOW = 1
MARKED = 2
MARK_LOGGED = 4
"""The log says for each request whether it carried the mark."""

_ENTRY = struct.Struct("<16sdBBBBI")


class Entry(NamedTuple):
    """One line with an id."""

    request_id: bytes
    time_s: float
    source: int
    flags: int
    reason: int
    """Place in `reasons.REASONS` plus 1; 0 where the line explains no missing copy."""
    file: int
    """Place of the file among those of all logs, modulo 256."""
    status: int


class IdStore:
    """Takes entries in any order and yields them by id; a context manager."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_HELD_BYTES)  # noqa: SIM115
        self._held = [bytearray() for _ in range(PARTITIONS)]
        self._pieces: list[list[tuple[int, int]]] = [[] for _ in range(PARTITIONS)]
        self._sizes = [0] * PARTITIONS
        self.numbers = [0, 0, 0, 0]
        """How many entries each source has."""

    def __enter__(self) -> "IdStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, entry: Entry) -> None:
        """Keep one entry. Raises InputError where the ids of a log are not spread as ids are."""
        # Not the first byte, in which a generator may put the time.
        place = entry.request_id[5] ^ entry.request_id[15]
        held = self._held[place]
        held += _ENTRY.pack(*entry)
        self.numbers[entry.source] += 1
        if len(held) >= _PIECE_BYTES:
            self._write(place)

    def _write(self, place: int) -> None:
        held = self._held[place]
        self._sizes[place] += len(held)
        if self._sizes[place] > MOST_PARTITION_BYTES:
            raise InputError(
                f"the ids of the logs are not spread: one of {PARTITIONS} parts has more than"
                f" {MOST_PARTITION_BYTES:,} bytes, which is the limit; choose a shorter window"
            )
        try:
            self._pieces[place].append((self._file.seek(0, 2), len(held)))
            self._file.write(held)
        except OSError as error:
            raise InputError(
                f"{tempfile.gettempdir()}: cannot keep the ids of the logs: {error.strerror}"
            ) from error
        held.clear()

    def groups(self) -> Iterator[list[Entry]]:
        """Yield the entries of each id, sorted by time; call it once, after the last `add`."""
        for place in range(PARTITIONS):
            data = bytearray()
            for at, size in self._pieces[place]:
                self._file.seek(at)
                data += self._file.read(size)
            data += self._held[place]
            entries = sorted(_ENTRY.iter_unpack(data))
            for _, group in groupby(entries, key=lambda entry: entry[0]):
                yield [Entry(*entry) for entry in group]
