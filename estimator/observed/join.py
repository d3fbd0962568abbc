"""One run of a load generator, joined by time with the usage of its replicas, becomes a row.

Only samples that lie wholly in the run's steady part count (load_tools/run.py): a sample that is a
mean over a minute must not reach into the step before or after. Cpu is the mean over time and over
the replicas; memory and `cpu_max` are the highest sample of any replica. What does not fit is a
problem and never a guess: no samples in that time, a missing or an unknown container, another
number of pods.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from estimator.errors import Problem
from estimator.observed.usage import ContainerUsage, Usage
from estimator.table.load_tools.run import LoadRun
from estimator.table.rows import LoadPoint, Resources

MIN_SAMPLES = 2
"""Fewest samples of a row, unless each of them is a mean over several scrapes already."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What was loaded, which no result file says."""

    component: str
    containers: tuple[str, ...]
    """The containers of its requests; empty: those that have samples."""
    replicas: int | None
    """None: as many as there were pods."""
    cpu_limit_millicores: dict[str, float]
    """By container, perhaps of another component too; overrides what the samples state."""
    workers: dict[str, int]
    """By container, as above."""


def join(run: LoadRun, usage: Usage, setup: Setup, source: str) -> LoadPoint | list[Problem]:
    """Return the row of a run whose `start` is known, numbered 1, or everything that does not fit.

    `source` names the result file in problems. A row of exact accounts states no `duration_s`: the
    shortest duration is a rule for samples.
    """
    assert run.start is not None
    start, end = run.start, run.start + run.duration_s
    within = {
        name: samples.wholly_between(start, end)
        for name, samples in usage.of(setup.component).items()
    }
    measured = {name: samples for name, samples in within.items() if len(samples.seconds)}
    containers = setup.containers or tuple(sorted(measured))
    rules = _rules(containers, measured, setup, usage.source)
    if rules:
        times = f"(run: {_shown(start)} to {_shown(end)})"
        return [Problem(source, f"{rule} {times}", setup.component) for rule in rules]
    used = {container: measured[container] for container in containers}
    limits = {
        name: limit
        for name, samples in used.items()
        if (limit := setup.cpu_limit_millicores.get(name, samples.cpu_limit_millicores)) is not None
    }
    is_exact = all(samples.is_exact for samples in used.values())
    return LoadPoint(
        row=1,
        replicas=setup.replicas or len(used[containers[0]].pods),
        rps=_rounded(run.rps),
        usage={name: _resources(samples) for name, samples in used.items()},
        p50_ms=_rounded_or_none(run.p50_ms),
        p99_ms=_rounded_or_none(run.p99_ms),
        error_ratio=None if run.error_ratio is None else round(run.error_ratio, 9),
        rps_target=_rounded_or_none(run.rps_target),
        connections=run.connections,
        duration_s=None if is_exact else _rounded(run.duration_s),
        tool=run.tool,
        loop=run.loop,
        # A single sample is the mean: a highest one beside it would say more than is known.
        cpu_max_millicores={
            name: round(float(np.nanmax(samples.cpu_millicores)), 3)
            for name, samples in used.items()
            if np.count_nonzero(~np.isnan(samples.cpu_millicores)) > len(samples.pods)
        },
        cpu_limit_millicores=limits,
        workers={name: n for name, n in setup.workers.items() if name in used},
    )


def _rules(
    containers: tuple[str, ...], measured: dict[str, ContainerUsage], setup: Setup, source: str
) -> list[str]:
    """Return everything that keeps these samples from being a row, in words."""
    if not containers:
        return [f"{source} has no samples of it in its time"]
    rules = [
        rule
        for container in containers
        for rule in _container_rules(container, measured.get(container), setup, source)
    ]
    rules += [
        f"container {container} was measured, and the requests of the component lack it"
        for container in sorted(measured.keys() - set(containers))
    ]
    counts = {name: len(samples.pods) for name, samples in measured.items() if name in containers}
    if not rules and setup.replicas is None:
        if any(samples.pods == ("",) for samples in measured.values()):
            rules.append(f"{source} names no pods: give --replicas")
        elif len(set(counts.values())) > 1:
            counted = ", ".join(f"{count} of {name}" for name, count in sorted(counts.items()))
            rules.append(f"the containers were seen in different numbers of pods: {counted}")
    return rules


def _container_rules(
    container: str, used: ContainerUsage | None, setup: Setup, source: str
) -> list[str]:
    counts = {"cpu": 0, "memory": 0}
    if used is not None:
        counts["cpu"] = int(np.count_nonzero(~np.isnan(used.cpu_millicores)))
        counts["memory"] = int(np.count_nonzero(~np.isnan(used.memory_bytes)))
    needed = 1 if used is not None and used.is_averaged else MIN_SAMPLES
    if missing := [resource for resource, count in counts.items() if count < needed]:
        resources = " and ".join(missing)
        return [f"{source} has fewer than {needed} {resources} samples of {container} in its time"]
    assert used is not None
    pods = len(used.pods)
    if setup.replicas is not None and used.pods != ("",) and pods != setup.replicas:
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
