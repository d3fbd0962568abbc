"""Usage of pods from Prometheus, as cAdvisor exports it; two instant queries for each component.

    1000 * sum by (pod, container) (rate(container_cpu_usage_seconds_total{...}[60s]))
    max by (pod, container) (max_over_time(container_memory_working_set_bytes{...}[60s]))

at the end of the window, over its whole length: `rate` needs two scrapes in it. A pod belongs to a
component by its name (that of the component, then what a ReplicaSet, a DaemonSet or a StatefulSet
adds; Kubernetes draws those letters from an alphabet without vowels), or by a selector.
"""

import math
import re
from collections.abc import Iterator, Mapping

from mirror.errors import SamplingError, without_user
from mirror.sampling.json_api import ask
from mirror.sampling.usage import Part, Samples, Usage, Window

_LETTER = "[bcdfghjklmnpqrstvwxz2456789]"


def default_selector(component: str) -> str:
    """Return the matchers of the pods that a workload of this name makes."""
    name = re.sub(r"([.+*?^$(){}|\[\]\\])", r"\\\\\1", component)
    return f'pod=~"{name}-({_LETTER}{{6,10}}-)?{_LETTER}{{5}}|{name}-[0-9]+"'


class PrometheusSampler:
    def __init__(self, url: str, components: Mapping[str, str | None]) -> None:
        """`components`: by name the label matchers of its pods, None for those of its name."""
        self._url = url.rstrip("/")
        self._components = components

    def close(self) -> None:
        pass

    def usage(self, window: Window) -> Mapping[Part, Usage]:
        span = f"[{max(1, math.floor(window.length_s))}s]"
        samples = Samples()
        for component, selector in self._components.items():
            matchers = selector or default_selector(component)
            pods = f'{{{matchers},container!="",container!="POD"}}'
            cpu = (
                "1000 * sum by (pod, container)"
                f" (rate(container_cpu_usage_seconds_total{pods}{span}))"
            )
            for part, pod, value in self._ask(cpu, component, window):
                samples.add_cpu(part, pod, value)
            memory = (
                "max by (pod, container)"
                f" (max_over_time(container_memory_working_set_bytes{pods}{span}))"
            )
            for part, pod, value in self._ask(memory, component, window):
                samples.add_memory(part, pod, value)
        return samples.usage(self._components, f"Prometheus at {without_user(self._url)}")

    def _ask(self, query: str, component: str, window: Window) -> Iterator[tuple[Part, str, float]]:
        parameters = {"query": query, "time": f"{window.end_s:.3f}"}
        answer = ask(f"{self._url}/api/v1/query", parameters)
        try:
            for series in answer["data"]["result"]:
                labels, value = series["metric"], float(series["value"][1])
                if math.isfinite(value):
                    yield Part(component, labels["container"]), labels["pod"], value
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise SamplingError(
                f"Prometheus at {without_user(self._url)} answered what is no vector by pod"
                " and container"
            ) from error
