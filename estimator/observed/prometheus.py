"""Samples of cpu and memory from Prometheus' `query_range`.

    1000 * sum by (pod, container) (rate(container_cpu_usage_seconds_total{...}[60s]))
    max by (pod, container) (container_memory_working_set_bytes{...})

as cAdvisor exports them. A pod belongs to a component by its name: that of the component, then what
a ReplicaSet, a DaemonSet or a StatefulSet adds. Kubernetes draws those letters from an alphabet
without vowels, so `api` does not match the pods of `api-worker`. Other exporters: give queries.

`rate` looks back over its window, so the first samples after `start` are asked for a window later.
"""

import asyncio
import math
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.observed.usage import Sample, Usage, usage_of
from estimator.series.prometheus_api import PrometheusApi, Series

_LETTER = "[bcdfghjklmnpqrstvwxz2456789]"
_SELECTOR = (
    '{$namespace pod=~"$component-(' + _LETTER + "{6,10}-)?" + _LETTER + '{5}|$component-[0-9]+",'
    ' container!="", container!="POD"}'
)
CPU_QUERY = (
    "1000 * sum by (pod, container) (rate(container_cpu_usage_seconds_total"
    + _SELECTOR
    + "[${window}s]))"
)
"""Millicores."""
MEMORY_QUERY = "max by (pod, container) (container_memory_working_set_bytes" + _SELECTOR + ")"


@dataclass(frozen=True, slots=True)
class PrometheusQuery:
    """What to ask; the queries are templates with $component, $namespace and $window."""

    url: str
    namespace: str | None = None
    window_s: int = 60
    """Of rate; it needs two scrapes."""
    step_s: int = 15
    cpu: str = CPU_QUERY
    memory: str = MEMORY_QUERY
    authorization: str | None = field(default=None, repr=False)
    """Value of that header."""

    def text(self, template: str, component: str) -> str:
        """Return a query for one component."""
        values = {
            "component": re.sub(r"([.+*?^$(){}|\[\]\\])", r"\\\\\1", component),
            "namespace": f'namespace="{self.namespace}",' if self.namespace else "",
            "window": str(self.window_s),
        }
        # `$` ends a regular expression too: what is no placeholder of ours stays.
        return string.Template(template).safe_substitute(values)


def read_prometheus(
    query: PrometheusQuery, components: dict[str, tuple[str, ...]], period: tuple[float, float]
) -> Usage:
    """Return the samples of these components (with their containers) in [start, end).

    Raises InputError for what Prometheus rejects, Refused where it cannot be had or has nothing.
    """
    return asyncio.run(_read(query, components, period))


async def _read(
    query: PrometheusQuery, components: dict[str, tuple[str, ...]], period: tuple[float, float]
) -> Usage:
    start, end = period
    samples: list[Sample] = []
    caveats: list[str] = []
    async with PrometheusApi(query.url, "--prometheus-url", query.authorization) as api:
        for component, containers in components.items():
            for is_cpu, template in ((True, query.cpu), (False, query.memory)):
                text = query.text(template, component)
                first = start + query.window_s if is_cpu else start
                series = await api.range(text, first, end, query.step_s)
                if not series:
                    raise Refused([_nothing(query, component, text)])
                for each in series:
                    samples += _samples(each, component, containers, is_cpu)
        caveats += api.warnings
    source = f"Prometheus at {query.url}"
    return usage_of(source, samples, tuple(dict.fromkeys(caveats)))


def _samples(
    series: Series, component: str, containers: tuple[str, ...], is_cpu: bool
) -> Iterator[Sample]:
    container = series.metric.get("container", "")
    if not container and len(containers) == 1:
        container = containers[0]
    if not container:
        rule = "expected series with a `container` label, got " + (str(series.metric) or "none")
        raise InputError([Problem("--cpu-query or --memory-query", rule, component)])
    # Whatever tells two replicas apart, where no pod is named.
    pod = series.metric.get("pod") or series.metric.get("instance", "")
    for second, text in series.values:
        value = float(text)
        if math.isfinite(value) and value >= 0:
            pair = (value, None) if is_cpu else (None, value)
            yield Sample(component, pod, container, second, *pair)


def _nothing(query: PrometheusQuery, component: str, text: str) -> Refusal:
    return Refusal(
        f"Prometheus at {query.url}",
        f"has no series of {component} in that time for {text}",
        "Check the names, the time, and that --rate-window spans two scrapes",
    )
