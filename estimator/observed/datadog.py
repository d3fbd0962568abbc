"""Samples of cpu and memory from Datadog, one a minute, by pod and container.

    avg:kubernetes.cpu.usage.total{kube_deployment:api} by {pod_name,kube_container_name}.rollup(avg, 60)
    max:kubernetes.memory.working_set{...} by {...}.rollup(max, 60)

Cpu is in nanocores. Requests cover whole days of Unix time, as those for the rps series do, so the
next run finds them in the cache. The interval that comes back is checked, because Datadog widens it
without notice.
Source: docs.datadoghq.com, Kubernetes data collected.
"""  # noqa: E501 - a query is one line

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.observed.usage import Sample, Usage, usage_of
from estimator.series.datadog_api import DatadogApi, QueryGroup

RESOLUTION_S = 60
WINDOW_S = 86_400
CPU_METRIC = "kubernetes.cpu.usage.total"
MEMORY_METRIC = "kubernetes.memory.working_set"
NANOCORES_PER_MILLICORE = 1e6

_VALUE = re.compile(r"[a-z0-9_\-./]+", re.ASCII)
_TAG = re.compile(r"[a-z][a-z0-9_\-./]*:[a-z0-9_\-:./*]+", re.ASCII)
_BY = "by {pod_name,kube_container_name}"


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """How the pods of a component are found: by a tag whose value is the component's name."""

    tag: str = "kube_deployment"
    tags: tuple[str, ...] = ()
    """Further tags of all pods, such as kube_cluster_name:new."""
    component_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further tags by component."""

    def check(self, components: tuple[str, ...]) -> None:
        """Raise InputError for names and tags that would end the scope and begin another query."""
        tags = [*self.tags, *(tag for name in components for tag in self._tags_of(name))]
        problems = [
            Problem("Datadog", f"expected tags as KEY:VALUE, got {tag!r}")
            for tag in dict.fromkeys(tags)
            if not _TAG.fullmatch(tag)
        ]
        problems += [
            Problem("Datadog", f"{name!r} cannot be the value of a tag; rename it", name)
            for name in components
            if not _VALUE.fullmatch(name)
        ]
        if problems:
            raise InputError(problems)

    def texts(self, component: str) -> tuple[str, str]:
        """Return the queries for cpu and for memory."""
        scope = ",".join((f"{self.tag}:{component}", *self.tags, *self._tags_of(component)))
        return (
            f"avg:{CPU_METRIC}{{{scope}}} {_BY}.rollup(avg, {RESOLUTION_S})",
            f"max:{MEMORY_METRIC}{{{scope}}} {_BY}.rollup(max, {RESOLUTION_S})",
        )

    def _tags_of(self, component: str) -> tuple[str, ...]:
        return self.component_tags.get(component, ())


def read_usage_from_datadog(
    open_api: Callable[[], DatadogApi],
    query: UsageQuery,
    components: tuple[str, ...],
    period: tuple[float, float],
    say: Callable[[str], None] = lambda _: None,
) -> Usage:
    """Return the samples of these components in [start, end), widened to whole minutes.

    `say` is called with a sentence at every wait.

    Raises InputError and Refused as the API does; Refused also where Datadog has no data, or
    answers with another interval than a minute.
    """
    query.check(components)
    return asyncio.run(_read(open_api, query, components, period, say))


async def _read(
    open_api: Callable[[], DatadogApi],
    query: UsageQuery,
    components: tuple[str, ...],
    period: tuple[float, float],
    say: Callable[[str], None],
) -> Usage:
    start = int(period[0]) // RESOLUTION_S * RESOLUTION_S
    end = -(-int(period[1]) // RESOLUTION_S) * RESOLUTION_S
    samples: list[Sample] = []
    async with open_api() as api:
        for component in components:
            for is_cpu, text in zip((True, False), query.texts(component), strict=True):
                before = len(samples)
                for at in range(start // WINDOW_S * WINDOW_S, end, WINDOW_S):
                    window = (at, min(at + WINDOW_S, end))
                    window_s = (max(at, start), window[1])
                    for group in await api.query(text, window, say):
                        samples += _samples(group, component, is_cpu, window_s)
                if len(samples) == before:
                    raise Refused([_nothing(api, component, text)])
        source = f"Datadog at {api.url}"
    caveats = ("cpu and memory are of whole minutes",)
    return usage_of(source, samples, caveats, (0.0, float(RESOLUTION_S)))


def _samples(
    group: QueryGroup, component: str, is_cpu: bool, window: tuple[int, int]
) -> list[Sample]:
    tags = dict(tag.split(":", 1) for tag in group.tag_set if ":" in tag)
    container = tags.get("kube_container_name", "")
    if group.interval != RESOLUTION_S:
        reason = f"asked for one value per {RESOLUTION_S} s and got one per {group.interval} s"
        raise Refused([Refusal(f"Datadog, {component}", reason, "Ask for less time")])
    samples = []
    for milliseconds, value in group.pointlist:
        second = milliseconds / 1000
        if value is None or not container or not window[0] <= second < window[1]:
            continue
        pair = (value / NANOCORES_PER_MILLICORE, None) if is_cpu else (None, value)
        samples.append(Sample(component, tags.get("pod_name", ""), container, second, *pair))
    return samples


def _nothing(api: DatadogApi, component: str, text: str) -> Refusal:
    return Refusal(
        f"Datadog at {api.url}",
        f"found no point of {component} for {text}",
        "Check that the component is named as its deployment, the tags, the site and the time",
    )
