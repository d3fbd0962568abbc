"""Usage of pods from Datadog, by pod and container.

    avg:kubernetes.cpu.usage.total{kube_deployment:api} by {pod_name,kube_container_name}
    max:kubernetes.memory.working_set{...} by {...}

Cpu is in nanocores. Only intervals that lie wholly in the window count, whichever length Datadog
gives them: it widens what was asked for without a word.
Source: docs.datadoghq.com, Kubernetes data collected.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from mirror.errors import SamplingError
from mirror.sampling.json_api import ask
from mirror.sampling.usage import Part, Samples, Usage, Window

INTERVAL_S = 20
"""Asked for; the Agent's own interval for a kubelet."""
NANOCORES_PER_MILLICORE = 1e6


@dataclass(frozen=True, slots=True)
class Account:
    """Where to ask, and the keys, which are in no repr and no message."""

    url: str
    """https://api.<site>"""
    api_key: str = field(repr=False)
    app_key: str = field(repr=False)


class DatadogSampler:
    def __init__(self, account: Account, components: tuple[str, ...]) -> None:
        """A component is named as its deployment."""
        self._account = account
        self._components = components

    def close(self) -> None:
        pass

    def usage(self, window: Window) -> Mapping[Part, Usage]:
        samples = Samples()
        for component in self._components:
            pods = f"{{kube_deployment:{component}}} by {{pod_name,kube_container_name}}"
            cpu = f"avg:kubernetes.cpu.usage.total{pods}.rollup(avg, {INTERVAL_S})"
            for part, pod, value in self._ask(cpu, component, window):
                samples.add_cpu(part, pod, value / NANOCORES_PER_MILLICORE)
            memory = f"max:kubernetes.memory.working_set{pods}.rollup(max, {INTERVAL_S})"
            for part, pod, value in self._ask(memory, component, window):
                samples.add_memory(part, pod, value)
        return samples.usage(self._components, f"Datadog at {self._account.url}")

    def _ask(self, query: str, component: str, window: Window) -> Iterator[tuple[Part, str, float]]:
        parameters = {
            "query": query,
            "from": str(int(window.start_s)),
            "to": str(int(window.end_s) + 1),
        }
        keys = {
            "DD-API-KEY": self._account.api_key,
            "DD-APPLICATION-KEY": self._account.app_key,
        }
        answer = ask(f"{self._account.url}/api/v1/query", parameters, keys)
        try:
            for series in answer["series"]:
                tags = dict(tag.split(":", 1) for tag in series["tag_set"] if ":" in tag)
                part = Part(component, tags["kube_container_name"])
                for milliseconds, value in series["pointlist"]:
                    start_s = milliseconds / 1000
                    is_inside = window.start_s <= start_s <= window.end_s - series["interval"]
                    if is_inside and value is not None:
                        yield part, tags["pod_name"], float(value)
        except (KeyError, TypeError, ValueError) as error:
            raise SamplingError(
                f"Datadog at {self._account.url} answered what is no series by pod and container"
            ) from error
