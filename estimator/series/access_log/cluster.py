"""Counts logs on the workers of a Dask cluster: each worker runs `count_log` on whole files.

Only the counts travel: what a worker sends back grows with the seconds of a log and not with its
lines. A task whose worker is lost runs again on another one, from the beginning of its file, so no
line is lost or counted twice.

Dask is imported only here, because it is an optional part of the installation (`kagami[dask]`).
The connection is Dask's own: whoever may connect to the scheduler may run any code on its workers.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from estimator import __version__
from estimator.errors import InputError, Problem
from estimator.series.access_log.counts import LogCounts, LogTask, Progress, count_task

CONNECT_TIMEOUT_S = 10
MOST_RETRIES = 2
"""How often a task is repeated that failed, such as for an error of the storage."""


def counted_by_cluster(
    scheduler: str, tasks: Sequence[LogTask], progress: Progress
) -> Iterator[LogCounts]:
    """Yield the counts of each log, in the order of the tasks. Raises InputError."""
    try:
        from distributed import Client, KilledWorker
        from distributed.comm.core import CommClosedError
    except ImportError as error:
        rule = f"needs Dask: pip install 'kagami[dask]' ({error})"
        raise InputError([Problem("--dask", rule)]) from error
    try:
        client = Client(  # type: ignore[no-untyped-call]
            scheduler, timeout=CONNECT_TIMEOUT_S, set_as_default=False
        )
    except (OSError, ValueError, CommClosedError) as error:
        rule = f"no Dask scheduler answers at {scheduler}: {error}"
        raise InputError([Problem("--dask", rule)]) from error
    with client:
        try:
            versions = client.run(_version)
        except ImportError as error:
            rule = f"the workers of {scheduler} need kagami: {error}"
            raise InputError([Problem("--dask", rule)]) from error
        _check_versions(versions, scheduler)
        futures = deque(client.map(count_task, tasks, pure=False, retries=MOST_RETRIES))
        try:
            while futures:
                # Taken from the queue, so that the workers forget what has arrived.
                yield futures.popleft().result()
                progress(len(tasks) - len(futures), len(tasks))
        except KilledWorker as error:
            rule = f"a log ended several workers, perhaps for want of memory: {error}"
            raise InputError([Problem("--dask", rule)]) from error


def _version() -> str:
    return __version__


def _check_versions(versions: dict[str, str], scheduler: str) -> None:
    """Refuse workers that count by other rules. Raises InputError."""
    if not versions:
        raise InputError([Problem("--dask", f"the scheduler {scheduler} has no worker")])
    others = {worker: found for worker, found in versions.items() if found != __version__}
    if others:
        worker, found = min(others.items())
        rule = f"worker {worker} has kagami {found}, and this is {__version__}: install one version"
        raise InputError([Problem("--dask", rule)])
