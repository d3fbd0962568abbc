"""Cpu and memory of processes on this machine, with all their descendants, while a replay runs.

A thread reads the kernel's accounts once a second; the result carries them as they were read, and
whoever needs the cpu of a window takes the difference of two accounts. Cpu is accounted in steps of
10 ms: over a window of 20 s that is half a millicore.

Invariant: cpu of a child that has ended stays counted, because the kernel then adds it to its
parent's account of children that were waited for. Memory is the sum of the resident sets, so a page
that two processes share counts for both.
"""

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from mirror.errors import InputError
from mirror.formats.replay_result import ProcessReading, ProcessUsage
from mirror.formats.usage_source import SampledProcess

INTERVAL_S = 1.0
CGROUPS = Path("/sys/fs/cgroup")


def read_family(root: psutil.Process, at_s: float) -> ProcessReading:
    """Return the accounts of a process and its descendants, stamped `at_s` (Unix time).

    Raises psutil.NoSuchProcess if the process itself has ended.
    """
    cpu_s, memory_bytes = 0.0, 0
    family = [root]
    for process in family:  # the loop appends the children of each
        try:
            family += children_of(process)
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            if process == root:
                raise
            continue  # it ended since it was listed, so its parent's account has it now
        cpu_s += times.user + times.system + times.children_user + times.children_system
        memory_bytes += memory.rss
    return ProcessReading(at_s, cpu_s, memory_bytes)


def children_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the living children of a process. Raises psutil.NoSuchProcess.

    psutil looks at every process of the machine, which takes 9 ms among 170 of them, and the replay
    in this process sends nothing meanwhile. The kernel's list of children takes 0.02 ms.
    """
    try:
        lists = [
            Path(f"/proc/{process.pid}/task/{thread.id}/children").read_text()
            for thread in process.threads()
        ]
    except OSError:  # another system, a kernel without these lists, or a thread that just ended
        return process.children()
    children = []
    for pid in " ".join(lists).split():
        with suppress(psutil.NoSuchProcess):
            children.append(psutil.Process(int(pid)))
    return children


def cpu_limit_millicores(process: psutil.Process, cgroups: Path = CGROUPS) -> float:
    """Return the most that the kernel lets a process use: its cores, or a smaller quota (v2)."""
    cores = process.cpu_affinity()
    limits = [1000.0 * (len(cores) if cores else psutil.cpu_count() or 1)]
    try:
        lines = Path(f"/proc/{process.pid}/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("0::/"):
            inner = cgroups / line.removeprefix("0::/")
            for group in (inner, *inner.parents):
                if cgroups in (group, *group.parents):
                    limits += _quota(group / "cpu.max")
    return min(limits)


def _quota(path: Path) -> list[float]:
    try:
        quota, period = path.read_text().split()
    except (OSError, ValueError):
        return []
    return [] if quota == "max" else [1000.0 * int(quota) / int(period)]


@dataclass(slots=True)
class _Watched:
    sampled: SampledProcess
    process: psutil.Process
    cpu_limit_millicores: float
    readings: list[ProcessReading]


class ProcessSampler:
    """Reads processes once a second, from its making until `close`."""

    def __init__(self, processes: Sequence[SampledProcess]) -> None:
        """Begin to read. Raises InputError for a process that does not exist."""
        # Monotonic instants as Unix time: a step of the wall clock moves none of them.
        self._epoch_s = time.time() - time.monotonic()
        self._watched = [_watched(sampled) for sampled in processes]
        self._is_closed = threading.Event()
        self._read()
        self._thread = threading.Thread(target=self._run, name="process sampler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Read once more, so that the last second is covered, and stop."""
        self._is_closed.set()
        self._thread.join()
        self._read()

    def usage(self) -> list[ProcessUsage]:
        """Return everything that was read so far."""
        host = socket.gethostname()
        return [
            ProcessUsage(
                component=watched.sampled.component,
                container=watched.sampled.container,
                replica=f"{host}/{watched.process.pid}",
                cpu_limit_millicores=watched.cpu_limit_millicores,
                readings=list(watched.readings),
            )
            for watched in self._watched
        ]

    def _run(self) -> None:
        while not self._is_closed.wait(INTERVAL_S):
            self._read()

    def _read(self) -> None:
        for watched in self._watched:
            try:
                reading = read_family(watched.process, self._epoch_s + time.monotonic())
            except psutil.Error:
                continue  # the gap shows when a window needs this reading
            # An account never falls. A lower one has missed a child, which the kernel's list may do
            # while others of the family end.
            if not watched.readings or reading.cpu_s >= watched.readings[-1].cpu_s:
                watched.readings.append(reading)


def _watched(sampled: SampledProcess) -> _Watched:
    try:
        process = psutil.Process(sampled.pid)
        return _Watched(sampled, process, cpu_limit_millicores(process), [])
    except psutil.Error as error:
        name = f"{sampled.component}/{sampled.container}"
        raise InputError(f"process {sampled.pid} ({name}) cannot be read: {error}") from error
