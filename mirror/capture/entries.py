"""What an import reads: requests in any order, and reasons why something is not a request.

The Sorter puts requests into the order of time. Its memory is bounded: entries that do not fit are
sorted in runs on disk, which are merged at the end (external merge sort). Requests whose time is
known only to the second are spread evenly over that second.

This module knows nothing of the formats that entries come from.
"""

import heapq
import struct
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from operator import itemgetter
from typing import IO

import zstandard

from mirror.core.record import Record, encode
from mirror.errors import InputError

RUN_BYTES = 64 << 20
ENTRY_BYTES = 150
"""Memory that Python takes for one entry in addition to its bytes."""
MOST_OF_A_SECOND = 500_000
"""Most requests of one second, which are held in memory while they are spread over it."""
MOST_RUNS = 64
"""Most files that are open at once; when there are that many, they are merged into one."""

_PREFIX = struct.Struct("<qq?I")

_Sorted = tuple[int, int, bool, bytes]
"""Microseconds, place among all entries, whether only the second is known, and the rest of the line
after its time."""


class Unusable(Exception):
    """A part of the input is not one request; the text says why."""


@dataclass(slots=True)
class Entry:
    """One usable request."""

    record: Record
    is_whole_second: bool = False
    """The source knows the time only to the second."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A part of the input that is no request to a server, as its format says."""

    reason: str
    """One of a few texts, so that they can be counted."""


Item = Entry | LeftOut | str
"""A request, one that was never sent, or a text that says where and why there is none."""


class Sorter:
    """Sorts entries by time: call `add` for each, then `lines` once, then `close`."""

    def __init__(self, folder: str | None, run_bytes: int = RUN_BYTES) -> None:
        """`folder` holds the runs on disk; None is the system's temporary folder.

        The methods raise OSError.
        """
        self.number = 0
        self._folder = folder
        self._run_bytes = run_bytes
        self._held: list[_Sorted] = []
        self._held_bytes = 0
        self._runs: list[IO[bytes]] = []

    def add(self, entry: Entry) -> None:
        line = encode(entry.record)
        tail = line[line.index(b",") :]
        time_us = round(entry.record.time_s * 1e6)
        self._held.append((time_us, self.number, entry.is_whole_second, tail))
        self.number += 1
        self._held_bytes += len(tail) + ENTRY_BYTES
        if self._held_bytes >= self._run_bytes:
            self._held.sort()
            self._spill(self._held)
            self._held, self._held_bytes = [], 0

    def lines(self) -> Iterator[tuple[float, bytes]]:
        """Yield (Unix time, line) of every entry, in order of time."""
        self._held.sort()
        merged = heapq.merge(*map(_read_run, self._runs), self._held)
        for second, group in groupby(merged, key=lambda entry: entry[0] // 1_000_000):
            entries = list(islice(group, MOST_OF_A_SECOND + 1))
            if len(entries) > MOST_OF_A_SECOND:
                raise InputError(
                    f"more than {MOST_OF_A_SECOND:,} requests in second {second}, the limit"
                )
            for time_us, _, _, tail in _spread(second, entries):
                yield time_us / 1e6, b'{"t":%d.%06d%b' % (*divmod(time_us, 1_000_000), tail)

    def close(self) -> None:
        for run in self._runs:
            run.close()

    def _spill(self, entries: Iterable[_Sorted]) -> None:
        run = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - read again when merged
        packing = zstandard.ZstdCompressor(level=1)
        with packing.stream_writer(run, closefd=False) as stream:
            for time_us, place, is_whole, tail in entries:
                stream.write(_PREFIX.pack(time_us, place, is_whole, len(tail)) + tail)
        self._runs.append(run)
        if len(self._runs) >= MOST_RUNS:
            several, self._runs = self._runs, []
            self._spill(heapq.merge(*map(_read_run, several)))
            for merged in several:
                merged.close()


def _read_run(run: IO[bytes]) -> Iterator[_Sorted]:
    run.seek(0)
    with zstandard.ZstdDecompressor().stream_reader(run, closefd=False) as stream:
        while prefix := _exactly(stream, _PREFIX.size):
            time_us, place, is_whole, size = _PREFIX.unpack(prefix)
            yield time_us, place, is_whole, _exactly(stream, size)


def _exactly(stream: zstandard.ZstdDecompressionReader, size: int) -> bytes:
    data = stream.read(size)
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def _spread(second: int, entries: list[_Sorted]) -> list[_Sorted]:
    """Return the entries of one second, those without a finer time at even distances."""
    number = sum(is_whole for _, _, is_whole, _ in entries)
    if number < 2:
        return entries
    spread = []
    placed = 0
    for entry in entries:
        if entry[2]:
            entry = (second * 1_000_000 + placed * 1_000_000 // number, *entry[1:])
            placed += 1
        spread.append(entry)
    spread.sort(key=itemgetter(0, 1))
    return spread
