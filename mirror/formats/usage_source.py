"""Where cpu and memory of components come from, in the words of `--sample` and `--samples`.

    pid=NAME:PID,…                      processes on this machine; NAME is COMPONENT or
                                        COMPONENT/CONTAINER; the same NAME again is another replica
    csv=FILE                            samples that another program writes
    prometheus=URL,COMPONENT,…          pods of a workload of that name, or, with label matchers in
                                        braces, the pods that match: COMPONENT{namespace="shop"}
    datadog=COMPONENT,…                 pods of a deployment of that name, with further tags in
                                        braces: COMPONENT{kube_cluster_name:new}

`mirror replay` and `estimate table import` share this grammar. This module reads no source.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_COMPONENT = re.compile(r"([a-z0-9][a-z0-9._-]*)(?:\{([^{}]+)\})?(?:,|$)", re.ASCII)
_URL = re.compile(r"https?://[^\s,]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class SampledProcess:
    """One process, which is a replica of a container."""

    component: str
    container: str
    pid: int


@dataclass(frozen=True, slots=True)
class FromProcesses:
    """Processes on this machine."""

    processes: tuple[SampledProcess, ...]


@dataclass(frozen=True, slots=True)
class FromCsv:
    """A file in the format of usage samples (docs/formats.md)."""

    path: str


@dataclass(frozen=True, slots=True)
class FromPrometheus:
    """A Prometheus server with cAdvisor's series."""

    url: str
    components: Mapping[str, str]
    """Label matchers of the pods by component; empty: the pods of a workload of that name."""


@dataclass(frozen=True, slots=True)
class FromDatadog:
    """The Datadog account whose keys are in the environment."""

    components: Mapping[str, tuple[str, ...]]
    """Further tags of the pods by component, beside `kube_deployment`."""


UsageSource = FromProcesses | FromCsv | FromPrometheus | FromDatadog


def read_usage_source(text: str) -> UsageSource:
    """Return the source that `text` names. Raises ValueError that says what was expected."""
    kind, _, rest = text.partition("=")
    if kind not in _READERS:
        raise ValueError(f"expected {', '.join(_READERS)} before =")
    return _READERS[kind](rest)


def _processes(text: str) -> FromProcesses:
    processes = []
    for entry in text.split(","):
        name, _, pid = entry.rpartition(":")
        component, slash, container = name.partition("/")
        is_name = component and "/" not in container and bool(slash) == bool(container)
        if not is_name or not (pid.isascii() and pid.isdigit()):
            raise ValueError("expected pid=COMPONENT:PID,… or pid=COMPONENT/CONTAINER:PID,…")
        processes.append(SampledProcess(component, container or component, int(pid)))
    return FromProcesses(tuple(processes))


def _csv(text: str) -> FromCsv:
    if not text:
        raise ValueError("expected csv=FILE")
    return FromCsv(text)


def _prometheus(text: str) -> FromPrometheus:
    url, _, names = text.partition(",")
    if not _URL.fullmatch(url):
        raise ValueError("expected prometheus=http://HOST:PORT,COMPONENT,…")
    return FromPrometheus(url, _components(names, 'COMPONENT{label="value"}'))


def _datadog(text: str) -> FromDatadog:
    components = _components(text, "COMPONENT{key:value}")
    return FromDatadog(
        {name: tuple(filter(None, tags.split(","))) for name, tags in components.items()}
    )


def _components(text: str, with_braces: str) -> dict[str, str]:
    components: dict[str, str] = {}
    place = 0
    while place < len(text) and (match := _COMPONENT.match(text, place)):
        components[match[1]] = match[2] or ""
        place = match.end()
    if not components or place < len(text):
        raise ValueError(
            f"expected components separated by commas, COMPONENT or {with_braces}, at"
            f" {text[place:]!r}"
        )
    return components


_READERS: dict[str, Callable[[str], UsageSource]] = {
    "pid": _processes,
    "csv": _csv,
    "prometheus": _prometheus,
    "datadog": _datadog,
}

USAGE_SOURCES = tuple(_READERS)
"""The words before `=`."""
