"""Pins processes to cores and reads their CPU time.

The CPU time is the operating system's account (utime + stime) of processes or of a core. The
programs under test run on one core; client and upstreams share the other.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil

CORE_UNDER_TEST, CORE_OF_CLIENT = 0, 1

SPINNER = f"import os\nwhile os.getppid() == {os.getpid()}:\n    sum(range(10_000))"


@contextmanager
def core(number: int) -> Iterator[None]:
    """Run everything that is started in this block on that core; children inherit the setting."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def before_others(number: int) -> Iterator[None]:
    """Like `core`, with priority over all ordinary processes (requires root)."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    with core(number):
        try:
            yield
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextmanager
def awake(*cores: int) -> Iterator[None]:
    """Keep these cores busy in this block with processes of the lowest priority (SCHED_IDLE).

    The hypervisor wakes a sleeping virtual core, and its speed then depends on other guests: the
    same load has a different CPU time and latency each minute. Start the programs to be measured
    with `before_others`, because the kernel preempts SCHED_IDLE late for ordinary processes.
    """
    spinners = []
    try:
        for number in cores:
            spinner = subprocess.Popen([sys.executable, "-c", SPINNER])
            spinners.append(spinner)
            os.sched_setscheduler(spinner.pid, os.SCHED_IDLE, os.sched_param(0))
            os.sched_setaffinity(spinner.pid, {number})
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


@dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU time in seconds."""

    user_s: float
    system_s: float

    @property
    def total_s(self) -> float:
        return self.user_s + self.system_s

    def __sub__(self, other: "CpuTime") -> "CpuTime":
        return CpuTime(self.user_s - other.user_s, self.system_s - other.system_s)


def family(pids: Iterable[int]) -> list[psutil.Process]:
    """Return these processes and all their descendants."""
    roots = [psutil.Process(pid) for pid in pids]
    return [process for root in roots for process in (root, *root.children(recursive=True))]


def cpu_time(pids: Iterable[int]) -> CpuTime:
    """Return the CPU time that these processes and their descendants have used so far."""
    times = [process.cpu_times() for process in family(pids)]
    return CpuTime(sum(found.user for found in times), sum(found.system for found in times))


def busy_core_s(number: int = CORE_UNDER_TEST) -> float:
    """Return the seconds for which a core was not idle, including time of the hypervisor."""
    times = psutil.cpu_times(percpu=True)[number]
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
