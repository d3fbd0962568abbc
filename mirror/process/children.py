"""The supervisor's view of its workers: start, hear, replace, retire and stop them.

Each worker is a fresh interpreter, so no thread or loop is ever forked. A generation consists of
the workers of one configuration. After a reload the next generation starts and, once all of it is
ready, the previous one retires. Invariant: every started worker is watched until it is reaped, and
its counts are merged; only a worker of the current launch is replaced. This module knows nothing
about requests or sinks.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import time
from dataclasses import dataclass

from mirror.core.breaker import STATES
from mirror.process.control import (
    EXIT_CUT,
    EXIT_OK,
    Command,
    Retire,
    encode,
    read_report,
)
from mirror.process.merger import Merger
from mirror.process.orders import Orders
from mirror.proxy.recent_ids import set_sharers

log = logging.getLogger(__name__)

_SHORTEST_LIFE_S = 1.0
"""Workers that repeatedly live shorter are replaced after a wait, so that no crash loop spins."""
_KILL_AFTER_DRAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Launch:
    """What starts the workers of one generation."""

    text: str
    """The text of the configuration, which the worker parses again."""
    number: int
    orders: Orders
    """The first commands of each worker."""
    recent_ids: int
    """Descriptor of the table of request ids that all workers share."""
    listeners: tuple[int, ...]
    """Descriptors of the listening sockets."""


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """One worker process, seen from its parent."""

    worker_id: int
    launch: Launch
    process: asyncio.subprocess.Process
    writer: asyncio.StreamWriter
    started_at: float
    started: "asyncio.Future[bool]"
    """True once it takes requests, False if it ended before."""
    is_retiring: bool = False

    @property
    def is_ready(self) -> bool:
        return self.started.done() and self.started.result()

    def send(self, command: Command) -> None:
        """Send a command; a worker that is about to end ignores it."""
        if not self.writer.is_closing():
            self.writer.write(encode(command))

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


class Workers:
    """All workers of the sidecar; those of the current launch are wanted."""

    def __init__(self, merger: Merger, clock_offset_s: float) -> None:
        """Workers count in seconds of the monotonic clock plus `clock_offset_s`."""
        self._merger = merger
        self._clock_offset_s = clock_offset_s
        self._running: dict[int, WorkerProcess] = {}
        self._watching: set[asyncio.Task[None]] = set()
        """One task per started worker, until the worker is reaped or replaced."""
        self._launch: Launch | None = None
        self._next_id = 1
        self._early_deaths = 0
        self._ending = asyncio.Event()
        self.restarts = 0
        """Number of workers that ended unexpectedly and were replaced."""
        self.was_cut = False
        """Whether a worker had to cut requests in flight."""

    @property
    def ready(self) -> int:
        """Number of workers that accept connections."""
        return sum(w.is_ready and not w.is_retiring for w in self._running.values())

    def status(self) -> list[dict[str, object]]:
        return [self._status_of(worker) for worker in self._running.values()]

    def _status_of(self, worker: WorkerProcess) -> dict[str, object]:
        state, cause = self._merger.breaker_of(worker.worker_id)
        return {
            "id": worker.worker_id,
            "pid": worker.process.pid,
            "ready": worker.is_ready,
            "retiring": worker.is_retiring,
            "breaker": STATES[state],
            "breaker_cause": cause,
            "refused": self._merger.refusal_of(worker.worker_id),
        }

    async def start(self, launch: Launch) -> None:
        """Start the first generation; its workers become ready one after the other."""
        self._launch = launch
        for _ in range(launch.number):
            await self._start_one(launch)

    async def change(self, launch: Launch, timeout_s: float) -> bool:
        """Start another generation and retire the current one; return False if that failed.

        Then nothing has changed: the new workers, of which one ended or was not ready in time,
        are killed. Those that still retire from a change before are drained at once.
        """
        generation = [await self._start_one(launch) for _ in range(launch.number)]
        starts = asyncio.gather(*(worker.started for worker in generation))
        are_ready = False
        with contextlib.suppress(TimeoutError):
            are_ready = all(await asyncio.wait_for(starts, timeout_s))
        if not are_ready:
            for worker in generation:
                worker.signal(signal.SIGKILL)
            return False
        self._launch = launch
        for worker in self._running.values():
            if worker.is_retiring:
                worker.signal(signal.SIGTERM)
            elif worker.launch is not launch:
                self._retire(worker)
        return True

    def send(self, command: Command) -> None:
        """Send a command to every worker of the current launch, and to those that retire."""
        for worker in self._running.values():
            if worker.launch is self._launch or worker.is_retiring:
                worker.send(command)

    async def end(self, drain_s: float) -> None:
        """Let every worker finish its requests, and kill those that do not end in time."""
        self._launch = None
        self._ending.set()
        for worker in self._running.values():
            worker.signal(signal.SIGTERM)
        deadline = time.monotonic() + drain_s + _KILL_AFTER_DRAIN_S
        while self._watching and (left_s := deadline - time.monotonic()) > 0:
            await asyncio.wait(self._watching, timeout=left_s)
        if self._watching:
            self.was_cut = True
            for worker in list(self._running.values()):
                log.error("worker %d does not drain: killing it", worker.worker_id)
                worker.signal(signal.SIGKILL)
            await asyncio.wait(self._watching)

    def _retire(self, worker: WorkerProcess) -> None:
        worker.is_retiring = True
        worker.send(Retire())

    async def _start_one(self, launch: Launch) -> WorkerProcess:
        ours, theirs = socket.socketpair()
        set_sharers(launch.recent_ids, len(self._running) + 1)
        channel = theirs.fileno()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # do not import from the current directory
            "-m",
            "mirror.process.worker",
            *map(str, (channel, launch.recent_ids, self._clock_offset_s, *launch.listeners)),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(channel, launch.recent_ids, *launch.listeners),
        )
        theirs.close()
        assert process.stdin is not None
        process.stdin.write(launch.text.encode())
        process.stdin.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        started = asyncio.get_running_loop().create_future()
        worker = WorkerProcess(self._next_id, launch, process, writer, time.monotonic(), started)
        self._next_id += 1
        self._running[worker.worker_id] = worker
        self._merger.worker_started(worker.worker_id)
        for command in launch.orders.in_force():
            worker.send(command)
        watching = asyncio.create_task(self._watch(worker, reader))
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)
        if self._ending.is_set():  # the end came while this worker started
            worker.signal(signal.SIGTERM)
        return worker

    async def _watch(self, worker: WorkerProcess, reader: asyncio.StreamReader) -> None:
        """Read a worker's reports until it ends, and replace it if it ended unexpectedly."""
        with (
            contextlib.closing(worker.writer),
            contextlib.suppress(asyncio.IncompleteReadError, ConnectionError),
        ):
            while True:
                self._merger.worker_reported(worker.worker_id, await read_report(reader))
                if not worker.started.done():
                    worker.started.set_result(True)
        code = await worker.process.wait()
        del self._running[worker.worker_id]
        set_sharers(worker.launch.recent_ids, len(self._running))
        self.was_cut |= code == EXIT_CUT
        is_clean = code in (EXIT_OK, EXIT_CUT)
        second = int(time.monotonic() + self._clock_offset_s)
        self._merger.worker_ended(worker.worker_id, second, is_clean)
        if not worker.started.done():
            worker.started.set_result(False)
        if worker.launch is self._launch:
            await self._replace(worker, code)

    async def _replace(self, worker: WorkerProcess, code: int) -> None:
        self.restarts += 1
        pid = worker.process.pid
        log.error("worker %d (pid %d) ended with %d: replacing it", worker.worker_id, pid, code)
        is_early = time.monotonic() - worker.started_at < _SHORTEST_LIFE_S
        self._early_deaths = self._early_deaths + 1 if is_early else 0
        if self._early_deaths > worker.launch.number:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SHORTEST_LIFE_S):
                    await self._ending.wait()
        if worker.launch is self._launch:
            await self._start_one(worker.launch)
