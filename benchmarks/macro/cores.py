"""Which core does what, and whose CPU time it was.

Owns pinning, and reading the operating system's accounting (utime + stime) of processes and of a
core. What is measured runs on one core; client and upstreams share the other.
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
    """What is started in this block runs on that core; children inherit it from us."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def before_others(number: int) -> Iterator[None]:
    """What is started in this block runs on that core, ahead of all ordinary processes (root)."""
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    with core(number):
        try:
            yield
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextmanager
def awake(*cores: int) -> Iterator[None]:
    """These cores are busy in this block, with what gives way to everybody (SCHED_IDLE).

    A virtual core that was asleep is woken by the hypervisor, and how fast it then runs depends on
    the neighbours: the same load costs another cpu and another latency in each minute. What is to
    be measured must be started `before_others`: the kernel is lazy to preempt for the rest.
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
    """Seconds of a core."""

    user_s: float
    system_s: float

    @property
    def total_s(self) -> float:
        return self.user_s + self.system_s

    def __sub__(self, other: "CpuTime") -> "CpuTime":
        return CpuTime(self.user_s - other.user_s, self.system_s - other.system_s)


def family(pids: Iterable[int]) -> list[psutil.Process]:
    """These processes and everything that they forked."""
    roots = [psutil.Process(pid) for pid in pids]
    return [process for root in roots for process in (root, *root.children(recursive=True))]


def cpu_time(pids: Iterable[int]) -> CpuTime:
    """What these processes and everything they forked have used so far."""
    times = [process.cpu_times() for process in family(pids)]
    return CpuTime(sum(found.user for found in times), sum(found.system for found in times))


def busy_core_s(number: int = CORE_UNDER_TEST) -> float:
    """Seconds that a core was not idle, whoever used it, the hypervisor included."""
    times = psutil.cpu_times(percpu=True)[number]
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)
