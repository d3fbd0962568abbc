"""The supervisor's view of its workers: start, hear, replace, retire and stop them.

Each worker is a fresh interpreter, so no thread or loop is ever forked. A generation consists of
the workers of one configuration. After a reload the next generation starts and, once all of it has
started, it serves and the previous one retires. Invariants: every started worker is watched until
it is reaped, and its counts are merged; only a worker of the current launch is replaced; where none
is ready, the listening sockets refuse connections. This module knows nothing about requests or
sinks.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass

from mirror.core.breaker import STATES
from mirror.errors import ReloadError
from mirror.process.control import (
    EXIT_CUT,
    EXIT_OK,
    Command,
    Retire,
    Serve,
    encode,
    read_report,
)
from mirror.process.listeners import Listener
from mirror.process.merger import Merger
from mirror.process.orders import Orders
from mirror.process.starts import Starts
from mirror.proxy.recent_ids import set_sharers

log = logging.getLogger(__name__)

_SHORTEST_LIFE_S = 1.0
"""Workers that repeatedly live shorter are replaced after a wait, so that no crash loop spins."""
_KILL_AFTER_DRAIN_S = 2.0
_REAP_INTERVAL_S = 0.01
"""Interval of asking whether a worker whose channel has ended is gone, too."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What starts the workers of one generation."""

    text: str
    """The text of the configuration, which the worker parses again."""
    number: int
    orders: Orders
    """The first commands of each worker, as they are in force when it begins to serve."""
    recent_ids: int
    """Descriptor of the table of request ids that all workers share."""
    listeners: tuple[Listener, ...]


@dataclass(slots=True, eq=False)
class WorkerProcess:
    """One worker process, seen from its parent."""

    worker_id: int
    launch: Launch
    process: subprocess.Popen[bytes]
    writer: asyncio.StreamWriter
    started_at: float
    started: "asyncio.Future[bool]"
    """True once it could take requests, False if it ended before."""
    is_serving: bool = False
    is_retiring: bool = False

    @property
    def is_ready(self) -> bool:
        return self.is_serving and not self.is_retiring

    def send(self, command: Command) -> None:
        """Send a command; a worker that is about to end ignores it."""
        if not self.writer.is_closing():
            self.writer.write(encode(command))

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


class Workers:
    """All workers of the sidecar; those of the current launch are wanted."""

    def __init__(self, merger: Merger, clock_offset_s: float) -> None:
        """Workers count in seconds of the monotonic clock plus `clock_offset_s`."""
        self._merger = merger
        self._clock_offset_s = clock_offset_s
        self._running: dict[int, WorkerProcess] = {}
        self._watching: set[asyncio.Task[None]] = set()
        """One task per wanted or started worker, until the worker is reaped or replaced."""
        self._launch: Launch | None = None
        self._next_id = 1
        self._early_deaths = 0
        self._ending = asyncio.Event()
        self._starts = Starts(self._ending)
        self.restarts = 0
        """Number of workers that ended unexpectedly."""
        self.was_cut = False
        """Whether a worker had to cut requests in flight."""

    @property
    def ready(self) -> int:
        """Number of workers that accept connections."""
        return sum(worker.is_ready for worker in self._running.values())

    @property
    def start_error(self) -> str | None:
        """Why a missing worker cannot be started; None where no start is being repeated."""
        return self._starts.error

    def readiness(self) -> tuple[bool, str]:
        """Return whether a worker is ready, and that in words, with what is wrong."""
        if self.start_error is not None:
            words = "ready, but not complete" if self.ready else "no worker is ready"
            return self.ready > 0, f"{words}: cannot start a worker: {self.start_error}"
        if self.ready:
            return True, "ready"
        return False, f"no worker is ready; {self.restarts} have ended and were replaced"

    def status(self) -> list[dict[str, object]]:
        return [self._status_of(worker) for worker in self._running.values()]

    def _status_of(self, worker: WorkerProcess) -> dict[str, object]:
        state, cause = self._merger.breaker_of(worker.worker_id)
        return {
            "id": worker.worker_id,
            "pid": worker.process.pid,
            "ready": worker.is_serving,
            "retiring": worker.is_retiring,
            "breaker": STATES[state],
            "breaker_cause": cause,
            "refused": self._merger.refusal_of(worker.worker_id),
        }

    def start(self, launch: Launch) -> None:
        """Start the first generation; its workers become ready one after the other."""
        self._launch = launch
        self._refuse_unless_ready(launch)
        for _ in range(launch.number):
            self._keep(self._start_wanted(launch))

    async def prepare(self, launch: Launch, timeout_s: float) -> None:
        """Start another generation, which takes no request before `switch`.

        Raises ReloadError where one of it cannot be started, ended, or was not ready in time. Then
        all of it is killed, and nothing has changed.
        """
        generation: list[WorkerProcess] = []
        try:
            while len(generation) < launch.number:
                generation.append(await self._start_one(launch))
            starts = asyncio.gather(*(worker.started for worker in generation))
            are_started = all(await asyncio.wait_for(starts, timeout_s))
            if not are_started or not all(w.worker_id in self._running for w in generation):
                raise ReloadError("a new worker ended before it was ready; the log says why")
        except BaseException as error:
            for worker in generation:
                worker.signal(signal.SIGKILL)
            if isinstance(error, TimeoutError):
                raise ReloadError(f"a new worker was not ready after {timeout_s:g} s") from error
            if isinstance(error, OSError):
                raise ReloadError(f"cannot start a new worker: {error}") from error
            raise

    def switch(self, launch: Launch) -> None:
        """Let the prepared generation serve, and retire the current one.

        Those that still retire from a change before are drained at once.
        """
        self._launch = launch
        for worker in list(self._running.values()):
            if worker.launch is launch:
                self._serve(worker)
            elif worker.is_retiring:
                worker.signal(signal.SIGTERM)
            else:
                self._retire(worker)

    def send(self, command: Command) -> None:
        """Send a command to every worker that serves, and to those that retire."""
        for worker in self._running.values():
            if worker.is_serving:
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

    def _keep(self, task: Coroutine[None, None, None]) -> None:
        watching = asyncio.create_task(task)
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)

    def _serve(self, worker: WorkerProcess) -> None:
        for listener in worker.launch.listeners:
            listener.open()
        for command in (*worker.launch.orders.in_force(), Serve()):
            worker.send(command)
        worker.is_serving = True

    def _retire(self, worker: WorkerProcess) -> None:
        worker.is_retiring = True
        worker.send(Retire())

    async def _start_wanted(self, launch: Launch) -> None:
        """Start a worker of the current launch, however often that fails."""

        async def start() -> None:
            try:
                worker = await self._start_one(launch)
            except OSError:
                self._refuse_unless_ready(launch)
                raise
            if launch is not self._launch:  # it was replaced while this worker started
                self._retire(worker)

        await self._starts.repeat(start, lambda: launch is self._launch)

    async def _start_one(self, launch: Launch) -> WorkerProcess:
        """Start a worker. Raises OSError, and then nothing is left of the attempt."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            try:
                process = self._spawn(launch, theirs.fileno())
            except OSError:
                writer.close()
                raise
        # Nothing is awaited since `_spawn`: whoever counts `_running` counts this worker, too.
        started = asyncio.get_running_loop().create_future()
        worker = WorkerProcess(self._next_id, launch, process, writer, time.monotonic(), started)
        self._next_id += 1
        self._running[worker.worker_id] = worker
        self._merger.worker_started(worker.worker_id)
        self._keep(self._watch(worker, reader))
        if self._ending.is_set():  # the end came while this worker started
            worker.signal(signal.SIGTERM)
        return worker

    def _spawn(self, launch: Launch, channel: int) -> subprocess.Popen[bytes]:
        """Start the process; asyncio's way would need a thread for each, which can fail as well."""
        inherited = (channel, launch.recent_ids, *(item.fileno() for item in launch.listeners))
        arguments = (channel, launch.recent_ids, self._clock_offset_s, *inherited[2:])
        # `-P`: do not import from the current directory.
        command = [sys.executable, "-P", "-m", "mirror.process.worker", *map(str, arguments)]
        set_sharers(launch.recent_ids, len(self._running) + 1)
        try:
            with open(os.memfd_create("configuration"), "w+b") as text:
                text.write(launch.text.encode())
                text.seek(0)
                return subprocess.Popen(command, stdin=text, pass_fds=inherited)
        except OSError:
            set_sharers(launch.recent_ids, len(self._running))
            raise

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
                    if worker.launch is self._launch:
                        self._serve(worker)
        while (code := worker.process.poll()) is None:
            await asyncio.sleep(_REAP_INTERVAL_S)
        del self._running[worker.worker_id]
        set_sharers(worker.launch.recent_ids, len(self._running))
        self.was_cut |= code == EXIT_CUT
        is_clean = code in (EXIT_OK, EXIT_CUT)
        second = int(time.monotonic() + self._clock_offset_s)
        self._merger.worker_ended(worker.worker_id, second, is_clean)
        if not worker.started.done():
            worker.started.set_result(False)
        if worker.launch is self._launch:
            self._refuse_unless_ready(worker.launch)
            await self._replace(worker, code)

    def _refuse_unless_ready(self, launch: Launch) -> None:
        """Keep no connection waiting where no worker could take it."""
        if launch is self._launch and not self.ready:
            for listener in launch.listeners:
                listener.shut()

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
        await self._start_wanted(worker.launch)
