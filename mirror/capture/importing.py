"""Imports files into a sorter: one after the other, or several at once by several processes.

`import_file` is a function of a file alone. Its counts add up, and the entries of one instant stay
in the order of the files, so any number of processes writes the same capture.
"""

import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import cast

from mirror.capture import goreplay, har
from mirror.capture.access_log import LogImport
from mirror.capture.entries import Item, LeftOut
from mirror.capture.redaction import Redaction
from mirror.capture.sorter import (
    RUN_BYTES,
    PackedRuns,
    Runs,
    Sorter,
    packed_runs,
    unpacked_runs,
)
from mirror.errors import InputError
from mirror.formats.access_log.blocks import open_log
from mirror.formats.access_log.line_reader import LineReader, Reading
from mirror.formats.access_log.tally import NotALog, Tally
from mirror.formats.dask_cluster import ClusterError, run_on_cluster

SHOWN = 5
_PEEKED_BYTES = 4096
_PLACES_OF_A_FILE = 1 << 40


@dataclass(slots=True)
class ImportCounts:
    """What the files hold."""

    methods: Counter[str] = field(default_factory=Counter)
    tally: Tally = field(default_factory=Tally)
    """The lines of all access logs."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Entries that never were requests to a server, by reason."""
    lost_bodies: int = 0
    """Bodies of which a file that holds bodies has only the length."""
    unusable: int = 0
    shown: list[str] = field(default_factory=list)
    """The first unusable entries of recordings with their reasons."""
    secrets: Counter[str] = field(default_factory=Counter)
    """Values that were removed, by place."""
    doubtful: Counter[str] = field(default_factory=Counter)
    """Values that were kept although they look random, by place."""

    hidden_bodies: int = 0
    """Bodies that were left out because they may hold secrets."""

    def add(self, other: "ImportCounts") -> None:
        """Add the counts of another file, which comes after this one."""
        self.methods.update(other.methods)
        self.tally.add(other.tally)
        self.left_out.update(other.left_out)
        self.lost_bodies += other.lost_bodies
        self.unusable += other.unusable
        self.shown = (self.shown + other.shown)[:SHOWN]
        self.secrets.update(other.secrets)
        self.doubtful.update(other.doubtful)
        self.hidden_bodies += other.hidden_bodies


@dataclass(frozen=True, slots=True)
class Importing:
    """How files are imported."""

    reading: Reading = field(default_factory=Reading)
    host: str | None = None
    keeps_secrets: bool = False
    keeps_bodies: bool = False
    run_bytes: int = RUN_BYTES


@dataclass(frozen=True, slots=True)
class ImportWorkers:
    """Who reads the files."""

    jobs: int = 1
    """Processes on this machine."""
    scheduler: str | None = None
    """Address of a Dask scheduler; its workers read the files instead."""


def import_files(
    names: Sequence[str],
    importing: Importing,
    sorter: Sorter,
    folder: str | None,
    workers: ImportWorkers,
) -> ImportCounts:
    """Add all entries of the files to the sorter. Raises InputError.

    `folder` holds the runs of the processes; None is the system's temporary folder.
    """
    total = ImportCounts()
    try:
        is_remote = workers.scheduler is not None
        if is_remote and "-" in names:
            raise ClusterError("standard input cannot be read by other machines")
        if not is_remote and (min(workers.jobs, len(names)) < 2 or "-" in names):
            for name in names:
                total.add(import_file(name, importing, sorter))
            return total
        with tempfile.TemporaryDirectory(prefix=".mirror-import-", dir=folder) as shared:
            for counts, runs in _at_once(names, importing, shared, workers):
                total.add(counts)
                sorter.adopt(runs)
    except OSError as error:
        raise InputError(f"cannot sort on disk: {error}") from error
    return total


def import_file(name: str, importing: Importing, sorter: Sorter) -> ImportCounts:
    """Add the entries of one file to the sorter. Raises InputError and OSError."""
    counts = ImportCounts()
    redaction = None if importing.keeps_secrets else Redaction(importing.keeps_bodies)
    with open_log(name) as stream:
        start = cast(BufferedReader, stream).peek(_PEEKED_BYTES)[:_PEEKED_BYTES]
        if har.START.match(start):
            _collect(har.read_har(stream, name), name, sorter, counts, redaction)
        elif goreplay.START.match(start):
            entries = goreplay.read_goreplay(stream, importing.host)
            _collect(entries, name, sorter, counts, redaction)
        else:
            reader = LineReader(importing.reading)
            log = LogImport(name, reader, importing.host, redaction)
            try:
                log.read(stream, sorter)
            except NotALog as error:
                raise InputError(f"{name}: {error}") from error
            if (problem := log.tally.wrong_unit()) and not reader.names_duration:
                raise InputError(f"{name}: {problem}")
            counts.tally, counts.methods = log.tally, log.methods
    if redaction is not None:
        counts.secrets, counts.doubtful = redaction.redactor.places, redaction.redactor.doubtful
        counts.hidden_bodies = redaction.bodies
    return counts


def _at_once(
    names: Sequence[str], importing: Importing, shared: str, workers: ImportWorkers
) -> Iterator[tuple[ImportCounts, Runs]]:
    if workers.scheduler is not None:
        remote = [(place, name, importing) for place, name in enumerate(names)]
        for arrived in run_on_cluster(workers.scheduler, _import_elsewhere, remote):
            if isinstance(arrived, str):
                raise InputError(arrived)
            counts, packed = arrived
            yield counts, unpacked_runs(packed, Path(shared))
        return
    # A process that was forked would share the random state and the open files of this one.
    context = multiprocessing.get_context("spawn")
    tasks = [(place, name, importing, shared) for place, name in enumerate(names)]
    with ProcessPoolExecutor(min(workers.jobs, len(names)), context) as pool:
        try:
            for found in pool.map(_import_alone, tasks):
                if isinstance(found, str):
                    raise InputError(found)
                yield found
        except BrokenProcessPool as error:
            problem = "a process that read a file ended, perhaps for want of memory: try --jobs 1"
            raise InputError(problem) from error


def _import_alone(task: tuple[int, str, Importing, str]) -> tuple[ImportCounts, Runs] | str:
    """Return what a file holds, or what is wrong with it: not every exception can be sent."""
    place, name, importing, shared = task
    first = place * _PLACES_OF_A_FILE
    sorter = Sorter(shared, importing.run_bytes, first, is_shared=True)
    try:
        return import_file(name, importing, sorter), sorter.given_up()
    except InputError as error:
        return str(error)


def _import_elsewhere(
    task: tuple[int, str, Importing],
) -> tuple[ImportCounts, PackedRuns] | str:
    """Return what a file holds, with its entries, to another machine."""
    place, name, importing = task
    with tempfile.TemporaryDirectory(prefix="mirror-import-") as folder:
        found = _import_alone((place, name, importing, folder))
        return found if isinstance(found, str) else (found[0], packed_runs(found[1]))


def _collect(
    items: Iterator[Item],
    source: str,
    sorter: Sorter,
    counts: ImportCounts,
    redaction: Redaction | None,
) -> None:
    for item in items:
        if isinstance(item, str):
            counts.unusable += 1
            if len(counts.shown) < SHOWN:
                counts.shown.append(f"{source}:{item}")
        elif isinstance(item, LeftOut):
            counts.left_out[item.reason] += 1
        else:
            counts.lost_bodies += bool(item.record.body_bytes)
            counts.methods[item.record.method] += 1
            if redaction is not None:
                item.record = redaction.redacted(item.record)
            sorter.add(item)
