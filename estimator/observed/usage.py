"""Samples of cpu and memory by component, pod and container, and what they say of one replica.

A sample belongs to one pod; a source that does not tell pods apart gives samples of one replica.
The mean over a bucket is first of each pod, then over the pods: a pod that was scraped more often
does not count more. Knows nothing of tables, curves and rps.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of each resource, or of one of them."""

    component: str
    """Empty where the source does not say."""
    pod: str
    container: str
    second: float
    """Unix time."""
    cpu_millicores: float | None
    memory_bytes: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ContainerUsage:
    """All samples of one container of one component, in the order of time."""

    component: str
    container: str
    pods: tuple[str, ...]
    seconds: _Floats
    """Shape (n,), Unix time."""
    pod: NDArray[np.int64]
    """Shape (n,), place in `pods`."""
    cpu_millicores: _Floats
    """Shape (n,); NaN where a sample has none."""
    memory_bytes: _Floats

    def between(self, start: float, end: float) -> "ContainerUsage":
        """Return the samples with start <= second < end; `pods` are those of the window."""
        chosen = (self.seconds >= start) & (self.seconds < end)
        present, place = np.unique(self.pod[chosen], return_inverse=True)
        return ContainerUsage(
            self.component,
            self.container,
            tuple(self.pods[index] for index in present),
            self.seconds[chosen],
            place.astype(np.int64),
            self.cpu_millicores[chosen],
            self.memory_bytes[chosen],
        )

    def mean_cpu(self) -> float | None:
        """Return the mean over time of each pod, averaged over the pods; None without samples."""
        _, means = self.buckets(-np.inf, np.inf, 1)
        return None if np.isnan(means[0]) else float(means[0])

    def buckets(
        self, start: float, width_s: float, count: int
    ) -> tuple[NDArray[np.int64], _Floats]:
        """Return for each bucket the pods with cpu samples and the mean cpu of one of them.

        Shapes (count,); the mean is NaN where no pod has a sample.
        """
        known = ~np.isnan(self.cpu_millicores)
        if np.isinf(start):
            bucket = np.zeros(len(self.seconds))
        else:
            bucket = np.floor((self.seconds - start) / width_s)
        known &= (bucket >= 0) & (bucket < count)
        pods = max(len(self.pods), 1)
        key = bucket[known].astype(np.int64) * pods + self.pod[known]
        samples = np.bincount(key, minlength=count * pods).reshape(count, pods)
        sums = np.bincount(key, weights=self.cpu_millicores[known], minlength=count * pods)
        present = samples > 0
        means = sums.reshape(count, pods) / np.maximum(samples, 1)
        replicas = present.sum(axis=1)
        mean = np.where(present, means, 0).sum(axis=1) / np.maximum(replicas, 1)
        return replicas, np.where(replicas > 0, mean, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Usage:
    """Everything that a source had."""

    source: str
    containers: tuple[ContainerUsage, ...]
    caveats: tuple[str, ...] = ()

    @property
    def components(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.component for each in self.containers))

    def of(self, component: str) -> dict[str, ContainerUsage]:
        """Return the containers of a component by name; where none is named, of the only one."""
        name = "" if self.components == ("",) else component
        return {each.container: each for each in self.containers if each.component == name}

    @property
    def first(self) -> float:
        return float(min(each.seconds[0] for each in self.containers))

    @property
    def last(self) -> float:
        return float(max(each.seconds[-1] for each in self.containers))


def usage_of(source: str, samples: Iterable[Sample], caveats: tuple[str, ...] = ()) -> Usage:
    """Return samples, given in any order, by container."""
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.component, sample.container), []).append(sample)
    return Usage(source, tuple(_container(*key, group) for key, group in groups.items()), caveats)


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
