"""Samples of cpu and memory from Prometheus' `query_range`, in cAdvisor's series.

    1000 * sum by (pod, container) (rate(container_cpu_usage_seconds_total{...}[60s]))
    max by (pod, container) (container_memory_working_set_bytes{...})

A pod belongs to a component by its name: the component's name, then what a ReplicaSet, a DaemonSet
or a StatefulSet appends. Kubernetes draws those letters from an alphabet without vowels, so `api`
does not match the pods of `api-worker`. Label matchers can replace the name; for other exporters
than cAdvisor, the queries themselves can be replaced.

`rate` looks back over its window, so the first cpu samples are taken one window after `start`.
"""

import asyncio
import math
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.observed.usage import Sample, Usage, usage_of
from estimator.series.prometheus_api import LabelledSeries, PrometheusApi

_LETTER = "[bcdfghjklmnpqrstvwxz2456789]"
_SELECTOR = '{$namespace $pods, container!="", container!="POD"}'
CPU_QUERY = (
    "1000 * sum by (pod, container) (rate(container_cpu_usage_seconds_total"
    + _SELECTOR
    + "[${window}s]))"
)
"""Millicores."""
MEMORY_QUERY = "max by (pod, container) (container_memory_working_set_bytes" + _SELECTOR + ")"


@dataclass(frozen=True, slots=True)
class PrometheusQuery:
    """What to ask; the queries are templates.

    Placeholders: $pods (label matchers of the component's pods), $namespace (a matcher with a
    comma behind it, or nothing), $component (the name, escaped) and $window (seconds).
    """

    url: str
    namespace: str | None = None
    window_s: int = 60
    """What rate() looks back over; it needs two scrapes."""
    step_s: int = 15
    cpu: str = CPU_QUERY
    memory: str = MEMORY_QUERY
    matchers: Mapping[str, str] = field(default_factory=dict)
    """Label matchers by component, which replace the pods of its name."""
    authorization: str | None = field(default=None, repr=False)
    """Value of the Authorization header."""

    def text(self, template: str, component: str) -> str:
        """Return a query for one component."""
        escaped = re.sub(r"([.+*?^$(){}|\[\]\\])", r"\\\\\1", component)
        workload = f"({_LETTER}{{6,10}}-)?{_LETTER}{{5}}"
        by_name = f'pod=~"{escaped}-{workload}|{escaped}-[0-9]+"'
        values = {
            "component": escaped,
            "pods": self.matchers.get(component) or by_name,
            "namespace": f'namespace="{self.namespace}",' if self.namespace else "",
            "window": str(self.window_s),
        }
        # `$` also ends a regular expression: whatever is no placeholder stays as it is.
        return string.Template(template).safe_substitute(values)


def read_prometheus(
    query: PrometheusQuery, components: dict[str, tuple[str, ...]], period: tuple[float, float]
) -> Usage:
    """Return the samples of these components, with their containers, in [start, end).

    Raises InputError for what Prometheus rejects, Refused if it has no series or no answer.
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
                for sampled in series:
                    samples += _samples(sampled, component, containers, is_cpu)
        caveats += api.warnings
    source = f"Prometheus at {query.url}"
    covers_s = (float(query.window_s), 0.0)
    return usage_of(source, samples, tuple(dict.fromkeys(caveats)), covers_s)


def _samples(
    series: LabelledSeries, component: str, containers: tuple[str, ...], is_cpu: bool
) -> Iterator[Sample]:
    container = series.metric.get("container", "")
    if not container and len(containers) == 1:
        container = containers[0]
    if not container:
        rule = "expected series with a `container` label, got " + (str(series.metric) or "none")
        raise InputError([Problem("--cpu-query or --memory-query", rule, component)])
    # Without a pod label, the instance tells replicas apart.
    pod = series.metric.get("pod") or series.metric.get("instance", "")
    for second, value in zip(series.seconds.tolist(), series.values.tolist(), strict=True):
        if math.isfinite(value) and value >= 0:
            pair = (value, None) if is_cpu else (None, value)
            yield Sample(component, pod, container, second, *pair)


def _nothing(query: PrometheusQuery, component: str, text: str) -> Refusal:
    return Refusal(
        f"Prometheus at {query.url}",
        f"has no series of {component} in that time for {text}",
        "Check the names, the time, and that --rate-window spans two scrapes",
    )
