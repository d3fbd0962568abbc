"""Puts requests into the order of time, with bounded memory.

Entries that do not fit are sorted in runs on disk, which are merged at the end (external merge
sort). Requests whose time is known only to the second are spread evenly over that second, in the
order in which they were added. Each run says how many it has of a second, so that even a second of
millions is written as a stream.

The lines of a capture pass through as bytes: everything after their time.
"""

import heapq
import marshal
import struct
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count
from operator import itemgetter
from pathlib import Path
from typing import IO, Any

import zstandard

from mirror.capture.entries import Entry
from mirror.formats.capture.record import encode

RUN_BYTES = 64 << 20
ENTRY_BYTES = 150
"""Memory that Python takes for one entry in addition to its bytes."""
MOST_RUNS = 64
"""Most files of a kind that are open at once; when there are that many, they are merged."""
CHUNK_ENTRIES = 1024

_SIZE = struct.Struct("<I")

_Whole = tuple[int, int, list[bytes]]
"""A second, how many of its lines are in this run, and the tails of the next of them."""
_Exact = tuple[int, int, bytes]
"""Microseconds, place among all entries, and the tail of the line."""


@dataclass(slots=True)
class Runs:
    """What a sorter has put on disk, for a sorter of another process."""

    number: int
    wholes: list[Path] = field(default_factory=list)
    exacts: list[Path] = field(default_factory=list)


PackedRuns = tuple[int, list[bytes], list[bytes]]
"""Runs with the content of their files, which another machine cannot open."""


def packed_runs(runs: Runs) -> PackedRuns:
    """Return runs with their content, which the files hold compressed."""
    wholes, exacts = ([path.read_bytes() for path in p] for p in (runs.wholes, runs.exacts))
    return runs.number, wholes, exacts


def unpacked_runs(packed: PackedRuns, folder: Path) -> Runs:
    """Write the content of runs into a folder, and return them."""
    number, wholes, exacts = packed

    def written(contents: list[bytes]) -> list[Path]:
        return [_written_run(content, folder) for content in contents]

    return Runs(number, written(wholes), written(exacts))


def _written_run(content: bytes, folder: Path) -> Path:
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(content)
        return Path(file.name)


class Sorter:
    """Sorts entries by time: call `add` for each, then `lines` once, then `close`."""

    def __init__(
        self,
        folder: str | None,
        run_bytes: int = RUN_BYTES,
        first: int = 0,
        is_shared: bool = False,
    ) -> None:
        """`folder` holds the runs on disk; None is the system's temporary folder.

        `first` is the place of the first entry; entries of one instant stay in the order of their
        places. If `is_shared`, the runs have names, so that another process can adopt them. The
        methods raise OSError.
        """
        self.number = 0
        self._first = first
        self._is_shared = is_shared
        self._folder = folder
        self._run_bytes = run_bytes
        self._held_bytes = 0
        self._wholes: dict[int, list[bytes]] = {}
        self._exacts: list[_Exact] = []
        self._whole_runs: list[IO[bytes]] = []
        self._exact_runs: list[IO[bytes]] = []

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        line = encode(entry.record)
        tail = line[line.index(b",") :]
        time_us = round(entry.record.time_s * 1e6)
        if entry.is_whole_second:
            self.add_lines(time_us // 1_000_000, [tail])
        else:
            self.add_line(time_us, tail)

    def add_line(self, time_us: int, tail: bytes) -> None:
        """Add what follows the time in a line."""
        self._exacts.append((time_us, self._first + self.number, tail))
        self.number += 1
        self._hold(len(tail) + ENTRY_BYTES)

    def add_exact_lines(self, times_us: list[int], tails: list[bytes]) -> None:
        """Add what follows the times in several lines."""
        self._exacts.extend(zip(times_us, count(self._first + self.number), tails))
        self.number += len(tails)
        self._hold(sum(map(len, tails)) + ENTRY_BYTES * len(tails))

    def add_lines(self, second: int, tails: list[bytes]) -> None:
        """Add lines of which only the second is known."""
        self._wholes.setdefault(second, []).extend(tails)
        self.number += len(tails)
        self._hold(sum(map(len, tails)) + ENTRY_BYTES * len(tails))

    def lines(self) -> Iterator[tuple[float, float, bytes]]:
        """Yield Unix time of the first and the last line, and the lines, in order of time."""
        wholes = self._placed()
        exacts = self._chunks_of_exacts()
        has_wholes = bool(self._wholes or self._whole_runs)
        if has_wholes and (self._exacts or self._exact_runs):
            flat = (chain.from_iterable(chunks) for chunks in (wholes, exacts))
            yield from _written(_chunked(heapq.merge(*flat, key=itemgetter(0))))
        else:
            yield from _written(wholes if has_wholes else exacts)

    def close(self) -> None:
        """Delete the runs."""
        for run in (*self._whole_runs, *self._exact_runs):
            run.close()

    # --- several processes ---

    def given_up(self) -> Runs:
        """Put everything on disk for another process; call it last, on a shared sorter."""
        self._spill()
        wholes, exacts = (
            [Path(run.name) for run in runs] for runs in (self._whole_runs, self._exact_runs)
        )
        found = Runs(self.number, wholes, exacts)
        self.close()
        return found

    def adopt(self, runs: Runs) -> None:
        """Add what another sorter has put on disk."""
        self.number += runs.number
        for paths, files in ((runs.wholes, self._whole_runs), (runs.exacts, self._exact_runs)):
            for path in paths:
                files.append(open(path, "rb"))  # noqa: SIM115 - read when merged
                path.unlink()
        self._merge_runs()

    # --- disk ---

    def _hold(self, size_bytes: int) -> None:
        self._held_bytes += size_bytes
        if self._held_bytes >= self._run_bytes:
            self._spill()
            self._merge_runs()

    def _spill(self) -> None:
        if self._wholes:
            self._whole_runs.append(self._run(self._held_wholes()))
            self._wholes = {}
        if self._exacts:
            self._exacts.sort()
            self._exact_runs.append(self._run(_chunked(self._exacts)))
            self._exacts = []
        self._held_bytes = 0

    def _merge_runs(self) -> None:
        if len(self._whole_runs) >= MOST_RUNS:
            several, self._whole_runs = self._whole_runs, []
            self._whole_runs.append(self._run(_merged_wholes(map(_read, several))))
            _close(several)
        if len(self._exact_runs) >= MOST_RUNS:
            several, self._exact_runs = self._exact_runs, []
            merged = chain.from_iterable(_merged_exacts(map(_read, several)))
            self._exact_runs.append(self._run(_chunked(merged)))
            _close(several)

    def _run(self, chunks: Iterable[Any]) -> IO[bytes]:
        run: IO[bytes]
        if self._is_shared:
            run = tempfile.NamedTemporaryFile(dir=self._folder, delete=False)  # noqa: SIM115
        else:
            run = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - read when merged
        packing = zstandard.ZstdCompressor(level=1)
        for chunk in chunks:
            packed = packing.compress(marshal.dumps(chunk))
            run.write(_SIZE.pack(len(packed)) + packed)
        run.flush()
        return run

    def _held_wholes(self) -> Iterator[_Whole]:
        for second in sorted(self._wholes):
            tails = self._wholes[second]
            for at in range(0, len(tails), CHUNK_ENTRIES):
                yield second, len(tails), tails[at : at + CHUNK_ENTRIES]

    # --- order ---

    def _placed(self) -> Iterator[list[tuple[int, bytes]]]:
        """Yield the entries of whole seconds at even distances, as microseconds and tails."""
        current, placed = -1, 0
        sources = (*map(_read, self._whole_runs), self._held_wholes())
        for second, number, tails in _merged_wholes(sources):
            if second != current:
                current, placed = second, 0
            begin_us = second * 1_000_000
            yield [
                (begin_us + at * 1_000_000 // number, tail) for at, tail in enumerate(tails, placed)
            ]
            placed += len(tails)

    def _chunks_of_exacts(self) -> Iterator[list[tuple[int, bytes]]]:
        self._exacts.sort()
        sources = (*map(_read, self._exact_runs), _chunked(self._exacts))
        for chunk in _merged_exacts(sources):
            yield [(time_us, tail) for time_us, _, tail in chunk]


def _merged_wholes(sources: Iterable[Iterator[_Whole]]) -> Iterator[_Whole]:
    """Yield the chunks of all sources by second; those of one second in the order of the sources.

    When the first chunk of a second is due, so is that of every source which has the second.
    """
    heads: list[tuple[int, int, _Whole, Iterator[_Whole]]] = []
    for place, source in enumerate(sources):
        _advance(heads, place, source)
    while heads:
        second = heads[0][0]
        due = []
        while heads and heads[0][0] == second:
            due.append(heapq.heappop(heads))
        number = sum(chunk[1] for _, _, chunk, _ in due)
        for _, place, chunk, source in due:
            yield second, number, chunk[2]
            left = chunk[1] - len(chunk[2])
            while left:
                tails = next(source)[2]
                left -= len(tails)
                yield second, number, tails
            _advance(heads, place, source)


def _advance(
    heads: list[tuple[int, int, _Whole, Iterator[_Whole]]], place: int, source: Iterator[_Whole]
) -> None:
    chunk = next(source, None)
    if chunk is not None:
        heapq.heappush(heads, (chunk[0], place, chunk, source))


def _merged_exacts(sources: Iterable[Iterator[list[_Exact]]]) -> Iterator[list[_Exact]]:
    """Yield the entries of all sources in order, as lists.

    Everything up to the first end of a chunk is due. Sorting it at once costs a tenth of comparing
    entry by entry, because the runs of a log hardly overlap.
    """
    heads = [(chunk, source) for source in sources if (chunk := next(source, None))]
    while heads:
        bound = min(chunk[-1] for chunk, _ in heads)
        due: list[_Exact] = []
        later: list[tuple[list[_Exact], Iterator[list[_Exact]]]] = []
        for chunk, source in heads:
            at = bisect_right(chunk, bound)
            due += chunk[:at]
            rest = chunk[at:] if at < len(chunk) else next(source, None)
            if rest:
                later.append((rest, source))
        due.sort()
        yield due
        heads = later


def _chunked(entries: Iterable[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for entry in entries:
        chunk.append(entry)
        if len(chunk) == CHUNK_ENTRIES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _written(chunks: Iterator[list[tuple[int, bytes]]]) -> Iterator[tuple[float, float, bytes]]:
    for chunk in chunks:
        lines = [
            b'{"t":%d.%06d%b' % (time_us // 1_000_000, time_us % 1_000_000, tail)
            for time_us, tail in chunk
        ]
        yield chunk[0][0] / 1e6, chunk[-1][0] / 1e6, b"".join(lines)


def _read(run: IO[bytes]) -> Iterator[Any]:
    run.seek(0)
    unpacking = zstandard.ZstdDecompressor()
    while size := run.read(_SIZE.size):
        yield marshal.loads(unpacking.decompress(run.read(*_SIZE.unpack(size))))


def _close(runs: list[IO[bytes]]) -> None:
    for run in runs:
        run.close()
