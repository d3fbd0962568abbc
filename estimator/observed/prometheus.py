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
from dataclasses import dataclass

import aiohttp
import msgspec

from estimator.errors import InputError, Problem, Refusal, Refused
from estimator.observed.usage import Sample, Usage, usage_of

MAX_POINTS = 10_000
"""Of one series in one answer; Prometheus refuses more than 11,000."""

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

    def text(self, template: str, component: str) -> str:
        """Return a query for one component."""
        values = {
            "component": re.sub(r"([.+*?^$(){}|\[\]\\])", r"\\\\\1", component),
            "namespace": f'namespace="{self.namespace}",' if self.namespace else "",
            "window": str(self.window_s),
        }
        # `$` ends a regular expression too: what is no placeholder of ours stays.
        return string.Template(template).safe_substitute(values)


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct):
    result: list[_Series]
    kind: str = msgspec.field(name="resultType", default="matrix")


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str | None = None
    warnings: list[str] = []


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
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
        client = _Client(session, query)
        for component, containers in components.items():
            for is_cpu, template in ((True, query.cpu), (False, query.memory)):
                text = query.text(template, component)
                first = start + query.window_s if is_cpu else start
                series = await client.range(text, first, end)
                if not series:
                    raise Refused([_nothing(query, component, text)])
                for each in series:
                    samples += _samples(each, component, containers, is_cpu)
        caveats += client.warnings
    source = f"Prometheus at {query.url}"
    return usage_of(source, samples, tuple(dict.fromkeys(caveats)))


def _samples(
    series: _Series, component: str, containers: tuple[str, ...], is_cpu: bool
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


class _Client:
    """Range queries in pieces that Prometheus answers."""

    def __init__(self, session: aiohttp.ClientSession, query: PrometheusQuery) -> None:
        self._session = session
        self._query = query
        self.warnings: list[str] = []

    async def range(self, text: str, start: float, end: float) -> list[_Series]:
        found: dict[frozenset[tuple[str, str]], _Series] = {}
        piece_s = self._query.step_s * MAX_POINTS
        while start < end:
            # The end is included by Prometheus and not by us.
            last = min(start + piece_s, end) - 0.001
            for series in await self._ask(text, start, last):
                key = frozenset(series.metric.items())
                found.setdefault(key, _Series(series.metric, [])).values.extend(series.values)
            start += piece_s
        return list(found.values())

    async def _ask(self, text: str, start: float, end: float) -> list[_Series]:
        url = f"{self._query.url.rstrip('/')}/api/v1/query_range"
        data = {"query": text, "start": f"{start:.3f}", "end": f"{end:.3f}"}
        try:
            async with self._session.post(
                url, data=data | {"step": str(self._query.step_s)}, allow_redirects=False
            ) as response:
                status, body = response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            what = f"cannot be asked: {error or type(error).__name__}"
            raise Refused([Refusal(self._name, what, "Check --prometheus-url")]) from error
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except msgspec.DecodeError as error:
            what = f"answered {status} with what is no answer of its API: {error}"
            raise Refused([Refusal(self._name, what, "Check --prometheus-url")]) from error
        if answer.status != "success" or answer.data is None:
            rule = f"rejects the query {text!r}: {answer.error or status}"
            raise InputError([Problem(self._name, rule)])
        self.warnings += answer.warnings
        return answer.data.result

    @property
    def _name(self) -> str:
        return f"Prometheus at {self._query.url}"


def _nothing(query: PrometheusQuery, component: str, text: str) -> Refusal:
    return Refusal(
        f"Prometheus at {query.url}",
        f"has no series of {component} in that time for {text}",
        "Check the names, the time, and that --rate-window spans two scrapes",
    )
