"""Runs a function on the workers of a Dask cluster, one task for each file.

The function is sent by its name, so each worker runs its own installed copy of it: all must be of
one version. A task whose worker is lost runs again on another one, from its beginning, so nothing
is lost or counted twice.

Dask is imported only here, because it is an optional part of the installation (`kagami[dask]`).
The connection is Dask's own: whoever may connect to the scheduler may run any code on its workers.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, TypeVar

from mirror.errors import InputError

CONNECT_TIMEOUT_S = 10
MOST_RETRIES = 2
"""How often a task is repeated that failed, such as for an error of the storage."""
TASKS_PER_THREAD = 3
"""Results that nobody has taken stay in the memory of the workers, so there are at most this many
unfinished or waiting tasks for each of their threads."""


class ClusterError(InputError):
    """The cluster cannot do the work; the message names the option, and `reason` does not."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"--dask: {reason}")
        self.reason = reason


_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def run_on_cluster(
    scheduler: str, function: Callable[[_Task], _Result], tasks: Sequence[_Task]
) -> Iterator[_Result]:
    """Yield the result of each task, in the order of the tasks.

    `function` is one of a module, and `scheduler` an address such as tcp://scheduler:8786. Raises
    ClusterError, and what the function raises.
    """
    try:
        from distributed import Client, KilledWorker
        from distributed.comm.core import CommClosedError
    except ImportError as error:
        raise ClusterError(f"needs Dask: pip install 'kagami[dask]' ({error})") from error
    try:
        client = Client(scheduler, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError, CommClosedError) as error:
        problem = f"no Dask scheduler answers at {scheduler}: {error}"
        raise ClusterError(problem) from error
    with client:
        try:
            versions = client.run(_version)
        except ImportError as error:
            problem = f"the workers of {scheduler} need kagami: {error}"
            raise ClusterError(problem) from error
        _check_versions(versions, scheduler)
        futures: deque[Any] = deque()
        waiting = iter(tasks)
        try:
            for _ in tasks:
                threads = client.nthreads()
                most = TASKS_PER_THREAD * max(1, sum(threads.values()))
                while len(futures) < most and (task := next(waiting, None)) is not None:
                    future = client.submit(function, task, pure=False, retries=MOST_RETRIES)
                    futures.append(future)
                # Taken from the queue, so that the workers forget what has arrived.
                yield futures.popleft().result()
        except KilledWorker as error:
            problem = f"a file ended several workers, perhaps for want of memory: {error}"
            raise ClusterError(problem) from error


def _version() -> str:
    return version("kagami")


def _check_versions(versions: dict[str, str], scheduler: str) -> None:
    """Refuse workers that read by other rules. Raises ClusterError."""
    if not versions:
        raise ClusterError(f"the scheduler {scheduler} has no worker")
    own = _version()
    others = {worker: found for worker, found in versions.items() if found != own}
    if others:
        worker, found = min(others.items())
        raise ClusterError(
            f"worker {worker} has kagami {found}, and this is {own}: install one version"
        )
