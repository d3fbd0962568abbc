"""One run of a load generator, joined by time with the cpu and memory of its replicas, to a row.

Only samples of the run's steady part count (load_tools/run.py). Cpu is the mean over time and over
the replicas, memory and `cpu_max` the highest sample of any replica. What does not fit is an error
and no guess: no samples in that time, a container that is missing, another number of pods.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from estimator.errors import Problem
from estimator.observed.usage import ContainerUsage, Usage
from estimator.table.load_tools.run import Run
from estimator.table.rows import LoadPoint, Resources

MIN_SAMPLES = 2


@dataclass(frozen=True, slots=True)
class Setup:
    """What was loaded, as no result file tells."""

    component: str
    containers: tuple[str, ...]
    replicas: int
    cpu_limit_millicores: dict[str, float]
    workers: dict[str, int]


def join(run: Run, usage: Usage, setup: Setup, source: str) -> LoadPoint | list[Problem]:
    """Return the row of a run whose `start` is known, numbered 1; or all that does not fit."""
    assert run.start is not None
    start, end = run.start, run.start + run.duration_s
    found = {name: each.between(start, end) for name, each in usage.of(setup.component).items()}
    problems = [
        Problem(source, problem, setup.component)
        for container in setup.containers
        for problem in _problems(container, found.get(container), setup, usage.source)
    ]
    if problems:
        times = f"{_shown(start)} to {_shown(end)}"
        return [Problem(p.source, f"{p.rule} (run: {times})", p.component) for p in problems]
    used = {container: found[container] for container in setup.containers}
    return LoadPoint(
        row=1,
        replicas=setup.replicas,
        rps=_rounded(run.rps),
        usage={name: _resources(each) for name, each in used.items()},
        p50_ms=_rounded_or_none(run.p50_ms),
        p99_ms=_rounded_or_none(run.p99_ms),
        error_ratio=None if run.error_ratio is None else round(run.error_ratio, 9),
        rps_target=_rounded_or_none(run.rps_target),
        connections=run.connections,
        duration_s=_rounded(run.duration_s),
        tool=run.tool,
        loop=run.loop,
        cpu_max_millicores={
            name: round(float(np.nanmax(each.cpu_millicores)), 3) for name, each in used.items()
        },
        cpu_limit_millicores=setup.cpu_limit_millicores,
        workers=setup.workers,
    )


def _problems(container: str, found: ContainerUsage | None, setup: Setup, source: str) -> list[str]:
    if found is None:
        return [f"{source} has no samples of container {container}"]
    missing = [
        what
        for what, values in (("cpu", found.cpu_millicores), ("memory", found.memory_bytes))
        if np.count_nonzero(~np.isnan(values)) < MIN_SAMPLES
    ]
    if missing:
        what = " and ".join(missing)
        return [f"{source} has fewer than {MIN_SAMPLES} {what} samples of {container} in its time"]
    pods = len(found.pods)
    if found.pods != ("",) and pods != setup.replicas:
        return [
            f"{pods} pods of {container} were seen in its time, and --replicas is {setup.replicas}"
        ]
    return []


def _resources(used: ContainerUsage) -> Resources:
    mean = used.mean_cpu()
    assert mean is not None
    # A microcore is finer than any scrape.
    return Resources(round(mean, 3), int(np.nanmax(used.memory_bytes)))


def _rounded(value: float) -> float:
    return round(value, 3)


def _rounded_or_none(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _shown(second: float) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
