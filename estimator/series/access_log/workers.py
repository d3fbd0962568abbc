"""Reads several access logs at once: in processes of this machine, or on the workers of a cluster.

What is done with a log is a function of a task alone, so it may run in whichever process.
"""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeVar

from estimator.errors import InputError, Problem
from mirror.formats.access_log.blocks import STDIN, jobs_for
from mirror.formats.dask_cluster import ClusterError, run_on_cluster

Progress = Callable[[int, int], None]
"""Called with how many logs are read, and how many there are."""

_Task = TypeVar("_Task")
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Workers:
    """Who reads the logs."""

    jobs: int | None = None
    """Processes on this machine; None means one for each core, if that is worth it."""
    scheduler: str | None = None
    """Address of a Dask scheduler, such as tcp://scheduler:8786; its workers read instead."""
    progress: Progress = lambda done, total: None

    def each(
        self, read: Callable[[_Task], _Read], names: Sequence[str], tasks: Sequence[_Task]
    ) -> Iterator[_Read]:
        """Yield what `read` returns for the task of each log, in their order. Raises InputError.

        `read` and the tasks must be picklable.
        """
        for done, of_one_log in enumerate(self._all(read, names, tasks), start=1):
            yield of_one_log
            self.progress(done, len(tasks))

    def _all(
        self, read: Callable[[_Task], _Read], names: Sequence[str], tasks: Sequence[_Task]
    ) -> Iterable[_Read]:
        if self.scheduler is not None:
            yield from self._on_cluster(self.scheduler, read, names, tasks)
            return
        jobs = min(self.jobs or jobs_for(names), len(names))
        if jobs < 2 or STDIN in names:
            yield from map(read, tasks)
            return
        # A fork would copy the threads of the progress display in whatever state they are.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context) as pool:
            try:
                yield from pool.map(read, tasks)
            except BrokenProcessPool as error:
                rule = "a process that read a log ended, perhaps for want of memory; try --jobs 1"
                raise InputError([Problem("access logs", rule)]) from error

    def _on_cluster(
        self,
        scheduler: str,
        read: Callable[[_Task], _Read],
        names: Sequence[str],
        tasks: Sequence[_Task],
    ) -> Iterable[_Read]:
        if STDIN in names:
            rule = "standard input cannot be read by other machines"
            raise InputError([Problem("--dask", rule)])
        try:
            yield from run_on_cluster(scheduler, read, tasks)
        except ClusterError as error:
            raise InputError([Problem("--dask", error.reason)]) from error


class Beginnings:
    """Refuses a log that is given twice: it begins with the same bytes."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}

    def add(self, name: str, beginning: bytes) -> None:
        """Remember a log. Raises InputError if an earlier one begins as it does."""
        first = self._names.setdefault(beginning, name)
        if beginning and first is not name:
            rule = f"begins exactly as {first} does: the same log twice would count twice"
            raise InputError([Problem(name, rule)])


def source_name(names: Sequence[str]) -> str:
    """Return the source that several logs are: `access log a, b, c and 2 more`."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"access log {', '.join(names[:3])}{more}"
