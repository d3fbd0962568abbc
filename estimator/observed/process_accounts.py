"""Cpu and memory of processes from the accounts that a replay's result holds.

The kernel accounts cpu exactly, so a window needs no sampling error: the account at its two ends is
interpolated between readings, about one a second. Each window is cut into equal parts, at least two
and about as long as the interval of the readings; their plain mean is the mean of the window.

    cpu = 1000 (A(t2) - A(t1)) / (t2 - t1)

| symbol | meaning | unit |
|---|---|---|
| cpu | mean cpu from t1 to t2 | millicores |
| A(t) | cpu time of a process and its descendants, interpolated linearly | seconds |

Worked: A is 10.0, 10.5, 11.5 and 12.0 s at 0, 1, 2 and 3 s. From 0.5 to 2 s cpu is
1000 (11.5 - 10.25) / 1.5 = 833.3 millicores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from estimator.observed.usage import Sample, Usage, usage_of
from mirror.formats.replay_result import ProcessUsage

PART_S = 1.0
"""Shorter parts would show the steps of 10 ms in which some kernels account."""
MIN_PARTS = 2

Window = tuple[float, float]


def usage_of_processes(
    processes: Sequence[ProcessUsage], windows: Sequence[Window], source: str
) -> Usage:
    """Return the usage of processes in windows [start, end) of Unix time, which do not overlap.

    A container has no samples in a window that the readings of one of its processes do not enclose:
    the others alone would be fewer replicas than served the load.
    """
    containers: dict[tuple[str, str], list[ProcessUsage]] = {}
    for process in processes:
        containers.setdefault((process.component, process.container), []).append(process)
    samples: list[Sample] = []
    for replicas in containers.values():
        for window in windows:
            if all(_encloses(process, window) for process in replicas):
                for process in replicas:
                    samples += _samples(process, window)
    usage = usage_of(source, samples)
    limits = {
        key: min((p.cpu_limit_millicores for p in group if p.cpu_limit_millicores), default=None)
        for key, group in containers.items()
    }
    exact = tuple(
        replace(
            container,
            is_exact=True,
            cpu_limit_millicores=limits[container.component, container.container],
        )
        for container in usage.containers
    )
    return replace(usage, containers=exact)


def _encloses(process: ProcessUsage, window: Window) -> bool:
    readings = process.readings
    return bool(readings) and readings[0].time <= window[0] and readings[-1].time >= window[1]


def _samples(process: ProcessUsage, window: Window) -> Iterator[Sample]:
    """One sample for each part, at its middle; memory is the highest reading around the part."""
    start, end = window
    times = np.array([reading.time for reading in process.readings])
    accounts_s = np.array([reading.cpu_s for reading in process.readings])
    memory = np.array([reading.memory_bytes for reading in process.readings])
    edges = np.linspace(start, end, max(MIN_PARTS, int((end - start) / PART_S)) + 1)
    millicores = 1000 * np.diff(np.interp(edges, times, accounts_s)) / np.diff(edges)
    places = np.searchsorted(times, edges)
    for part, cpu in enumerate(millicores):
        highest = memory[places[part] : places[part + 1] + 1].max()
        middle = float(edges[part] + edges[part + 1]) / 2
        yield Sample(
            process.component,
            process.replica,
            process.container,
            middle,
            float(cpu),
            float(highest),
        )
