"""Cpu and memory of processes on this machine, with everything they fork.

A thread reads the kernel's accounts once a second; cpu of a window is the difference of two
readings, interpolated at its ends. A container is told by its main process.
Keeps: what a child used stays counted when it has ended, because the kernel then adds it to its
parent's account of children that were waited for. Memory is the sum of resident sets, so pages that
processes share count for each.

Accounts come in steps of 10 ms: over a window of 20 s that is half a millicore.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from mirror.errors import SamplingError
from mirror.sampling.usage import Part, Usage, Window

INTERVAL_S = 1.0
CGROUPS = Path("/sys/fs/cgroup")


class Reading(NamedTuple):
    """Accounts of a process and its descendants at an instant."""

    at_s: float
    cpu_s: float
    """User and system, since the process began."""
    memory_bytes: int


def read_family(root: psutil.Process, at_s: float) -> Reading:
    """Read a process and its descendants. Raises psutil.NoSuchProcess where the root is gone."""
    cpu_s, memory_bytes = 0.0, 0
    family = [root]
    for process in family:  # grows by the children of each
        try:
            family += children_of(process)
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            if process == root:
                raise
            continue  # ended since it was listed: in its parent's account from now on
        cpu_s += times.user + times.system + times.children_user + times.children_system
        memory_bytes += memory.rss
    return Reading(at_s, cpu_s, memory_bytes)


def children_of(process: psutil.Process) -> list[psutil.Process]:
    """Return its living children. Raises psutil.NoSuchProcess.

    psutil's own way looks at every process of the machine: 9 ms among 170 of them, during which the
    replay beside us could send nothing. The kernel's list of a thread's children takes 0.02 ms.
    """
    try:
        lists = [
            Path(f"/proc/{process.pid}/task/{thread.id}/children").read_text()
            for thread in process.threads()
        ]
    except OSError:  # another system, another kernel, or a thread that ended just now
        return process.children()
    found = []
    for pid in " ".join(lists).split():
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(int(pid)))
    return found


def usage_between(readings: Sequence[Reading], window: Window) -> tuple[float, float, int]:
    """Return mean and highest millicores and highest memory of a window that readings enclose."""
    inside = [each for each in readings if window.start_s < each.at_s < window.end_s]
    first, last = (_at(readings, instant) for instant in window)
    edges = [first, *inside, last]
    mean = (last.cpu_s - first.cpu_s) / window.length_s
    # A sliver at an end would hold one step of the account and look like a burst.
    rates = [
        (after.cpu_s - before.cpu_s) / (after.at_s - before.at_s)
        for before, after in zip(edges, edges[1:], strict=False)
        if after.at_s - before.at_s >= INTERVAL_S / 2
    ]
    highest = max([mean, *rates])
    return mean * 1000, highest * 1000, max(each.memory_bytes for each in edges)


def _at(readings: Sequence[Reading], at_s: float) -> Reading:
    """Interpolate between the two readings around an instant; memory is the later one's."""
    place = bisect_left(readings, at_s, key=lambda reading: reading.at_s)
    if place == len(readings) or readings[0].at_s > at_s:
        raise SamplingError("was not read during the whole step: it ended, or could not be read")
    before, after = readings[max(place - 1, 0)], readings[place]
    span_s = after.at_s - before.at_s
    share = (at_s - before.at_s) / span_s if span_s > 0 else 0.0
    cpu_s = before.cpu_s + share * (after.cpu_s - before.cpu_s)
    return Reading(at_s, cpu_s, after.memory_bytes)


def cpu_limit_millicores(process: psutil.Process, cgroups: Path = CGROUPS) -> float:
    """What the kernel lets a process use: the cores it may run on, and its cgroups' quotas (v2)."""
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
    part: Part
    process: psutil.Process
    readings: list[Reading]


class ProcessSampler:
    """Reads these processes from now on until it is closed; a container may have several."""

    def __init__(self, pids: Sequence[tuple[Part, int]]) -> None:
        """Raises SamplingError for a process that is not there."""
        # Instants of the steady clock told as Unix time: a wall clock that jumps moves none.
        self._epoch_s = time.time() - time.monotonic()
        try:
            self._watched = [_Watched(part, psutil.Process(pid), []) for part, pid in pids]
            self._limits = [cpu_limit_millicores(each.process) for each in self._watched]
        except psutil.Error as error:
            raise SamplingError(f"cannot read process {error.pid}: {error}") from error  # type: ignore[attr-defined]
        self._is_closed = threading.Event()
        self._read()
        self._thread = threading.Thread(target=self._run, name="process sampler", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_closed.set()
        self._thread.join()
        self._read()

    def usage(self, window: Window) -> Mapping[Part, Usage]:
        found: dict[Part, list[tuple[float, float, int]]] = {}
        limits: dict[Part, float] = {}
        for each, limit in zip(self._watched, self._limits, strict=True):
            try:
                used = usage_between(each.readings, window)
            except SamplingError as error:
                raise SamplingError(f"process {each.process.pid} ({each.part}) {error}") from error
            found.setdefault(each.part, []).append(used)
            limits[each.part] = min(limit, limits.get(each.part, limit))
        return {
            part: Usage(
                cpu_millicores=sum(cpu for cpu, _, _ in replicas) / len(replicas),
                cpu_max_millicores=max(highest for _, highest, _ in replicas),
                memory_bytes=max(memory for _, _, memory in replicas),
                replicas=len(replicas),
                cpu_limit_millicores=limits[part],
                is_exact=True,
            )
            for part, replicas in found.items()
        }

    def _run(self) -> None:
        while not self._is_closed.wait(INTERVAL_S):
            self._read()

    def _read(self) -> None:
        for each in self._watched:
            try:
                reading = read_family(each.process, self._epoch_s + time.monotonic())
            except psutil.Error:
                continue  # the gap is seen when a window asks for it
            # An account never falls: a child was missed, which the kernel's list may do while
            # others of the family end.
            if not each.readings or reading.cpu_s >= each.readings[-1].cpu_s:
                each.readings.append(reading)
