"""Samples of cpu and memory by component, pod and container, and what one replica used.

A sample belongs to one pod; where a source does not name pods, each sample is about one replica.
The mean over a bucket is first taken for each pod, then over the pods, so a pod that was scraped
more often does not count more. This module knows nothing of tables, curves and rps.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of cpu, of memory, or of both."""

    component: str
    """Empty if the source names no component."""
    pod: str
    """Empty if the source names no pod."""
    container: str
    second: float
    """Unix time."""
    cpu_millicores: float | None
    memory_bytes: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ContainerUsage:
    """All samples of one container of one component, ordered by time."""

    component: str
    container: str
    pods: tuple[str, ...]
    seconds: _Floats
    """Shape (n,), Unix time."""
    pod: NDArray[np.int64]
    """Shape (n,), index into `pods`."""
    cpu_millicores: _Floats
    """Shape (n,); NaN if a sample has no cpu."""
    memory_bytes: _Floats
    """Shape (n,); NaN if a sample has no memory."""
    cpu_limit_millicores: float | None = None
    """What the kernel lets one replica use; None if the source does not know it."""
    covers_s: tuple[float, float] = (0.0, 0.0)
    """Seconds before and after its instant that a sample of cpu is a mean over."""
    is_exact: bool = False
    """Whether cpu comes from the kernel's own account, which no window is too short for."""

    def between(self, start: float, end: float) -> "ContainerUsage":
        """Return the samples with start <= second < end; `pods` are those of the window."""
        chosen = (self.seconds >= start) & (self.seconds < end)
        present, place = np.unique(self.pod[chosen], return_inverse=True)
        return replace(
            self,
            pods=tuple(self.pods[index] for index in present),
            seconds=self.seconds[chosen],
            pod=place.astype(np.int64),
            cpu_millicores=self.cpu_millicores[chosen],
            memory_bytes=self.memory_bytes[chosen],
        )

    def wholly_between(self, start: float, end: float) -> "ContainerUsage":
        """Return the samples of which the time that they cover lies wholly in [start, end)."""
        before_s, after_s = self.covers_s
        return self.between(start + before_s, end - after_s)

    @property
    def is_averaged(self) -> bool:
        """Whether one sample is a mean over several scrapes."""
        return self.covers_s != (0.0, 0.0)

    def mean_cpu(self) -> float | None:
        """Return millicores: the mean over time of each pod, averaged; None without samples."""
        _, means = self.buckets(-np.inf, np.inf, 1)
        return None if np.isnan(means[0]) else float(means[0])

    def buckets(
        self, start: float, width_s: float, count: int
    ) -> tuple[NDArray[np.int64], _Floats]:
        """Return the number of pods with cpu samples and their mean cpu in each bucket.

        Bucket i covers [start + i width_s, start + (i + 1) width_s). Both arrays have the shape
        (count,); the mean is in millicores, and NaN if no pod has a sample.
        """
        is_known = ~np.isnan(self.cpu_millicores)
        if np.isinf(start):
            bucket = np.zeros(len(self.seconds))
        else:
            bucket = np.floor((self.seconds - start) / width_s)
        is_known &= (bucket >= 0) & (bucket < count)
        pods = max(len(self.pods), 1)
        key = bucket[is_known].astype(np.int64) * pods + self.pod[is_known]
        samples = np.bincount(key, minlength=count * pods).reshape(count, pods)
        sums = np.bincount(key, weights=self.cpu_millicores[is_known], minlength=count * pods)
        present = samples > 0
        means = sums.reshape(count, pods) / np.maximum(samples, 1)
        replicas = present.sum(axis=1)
        mean = np.where(present, means, 0).sum(axis=1) / np.maximum(replicas, 1)
        return replicas, np.where(replicas > 0, mean, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Usage:
    """All samples of one source, or of several."""

    source: str
    containers: tuple[ContainerUsage, ...]
    caveats: tuple[str, ...] = ()

    @property
    def components(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(container.component for container in self.containers))

    def of(self, component: str) -> dict[str, ContainerUsage]:
        """Return the containers of a component by name.

        Samples that name no component belong to whichever component is asked for.
        """
        name = "" if self.components == ("",) else component
        return {
            container.container: container
            for container in self.containers
            if container.component == name
        }

    def attributed(self, component: str | None) -> "Usage":
        """Return this usage with samples that name no component attributed to `component`.

        With None each of them belongs to a component with the name of its container.
        """
        return replace(
            self,
            containers=tuple(
                container
                if container.component
                else replace(container, component=component or container.container)
                for container in self.containers
            ),
        )

    @property
    def first(self) -> float:
        return float(min(container.seconds[0] for container in self.containers))

    @property
    def last(self) -> float:
        return float(max(container.seconds[-1] for container in self.containers))


def combined(usages: Sequence[Usage]) -> Usage:
    """Return the samples of several sources; of a container in two of them the last one counts."""
    containers = {
        (container.component, container.container): container
        for usage in usages
        for container in usage.containers
    }
    caveats = dict.fromkeys(caveat for usage in usages for caveat in usage.caveats)
    source = ", ".join(dict.fromkeys(usage.source for usage in usages))
    return Usage(source, tuple(containers.values()), tuple(caveats))


def usage_of(
    source: str,
    samples: Iterable[Sample],
    caveats: tuple[str, ...] = (),
    covers_s: tuple[float, float] = (0.0, 0.0),
) -> Usage:
    """Return samples, in any order, grouped by container; `covers_s` as in ContainerUsage."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.component, sample.container), []).append(sample)
    containers = (_container(*key, group) for key, group in groups.items())
    return Usage(
        source, tuple(replace(container, covers_s=covers_s) for container in containers), caveats
    )


def _container(component: str, container: str, samples: list[Sample]) -> ContainerUsage:
    samples.sort(key=lambda sample: (sample.second, sample.pod))
    pods = sorted({sample.pod for sample in samples})
    place = {pod: index for index, pod in enumerate(pods)}
    return ContainerUsage(
        component,
        container,
        tuple(pods),
        np.array([sample.second for sample in samples]),
        np.array([place[sample.pod] for sample in samples], dtype=np.int64),
        _floats(sample.cpu_millicores for sample in samples),
        _floats(sample.memory_bytes for sample in samples),
    )


def _floats(values: Iterable[float | None]) -> _Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
