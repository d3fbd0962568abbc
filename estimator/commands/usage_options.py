"""Where cpu and memory were recorded: options to samples, for the commands that compare or join.

Keys come from the environment, as those of the report do (sources.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

import click

from estimator import units
from estimator.commands.sources import (
    DEFAULT_SITE,
    authorization,
    missing_keys,
    open_datadog,
    say_wait,
)
from estimator.errors import InputError, Problem
from estimator.observed.datadog import UsageQuery, read_usage_from_datadog
from estimator.observed.prometheus import CPU_QUERY, MEMORY_QUERY, PrometheusQuery, read_prometheus
from estimator.observed.usage import Usage
from estimator.observed.usage_file import read_usage
from estimator.series.datadog_api import DatadogApi
from mirror.formats.usage_source import (
    USAGE_SOURCES,
    FromCsv,
    FromDatadog,
    FromProcesses,
    FromPrometheus,
    read_usage_source,
)

_Command = TypeVar("_Command", bound=Callable[..., Any])

PROMETHEUS, DATADOG = "prometheus", "datadog"

FINE_STEP_S, COARSE_STEP_S = 15, 60
"""Seconds between samples from Prometheus; nothing is compared in less than a minute."""
FINE_PERIOD_S = 6 * 3600
"""Longest period with fine steps: a month of a hundred pods would be a hundred million samples."""

_OPTIONS = (
    click.option(
        "--prometheus-url",
        metavar="URL",
        default="http://127.0.0.1:9090",
        show_default=True,
        help="With `prometheus`: its address. PROMETHEUS_AUTHORIZATION in the environment is sent"
        " as the Authorization header.",
    ),
    click.option(
        "--namespace", metavar="NAME", help="With `prometheus`: the namespace of the pods."
    ),
    click.option(
        "--rate-window",
        metavar="DURATION",
        default="1m",
        show_default=True,
        help="With `prometheus`: what rate() looks back over; at least two scrapes.",
    ),
    click.option(
        "--cpu-query",
        metavar="PROMQL",
        default=CPU_QUERY,
        help="With `prometheus`: a query for millicores by pod and container, for other exporters"
        " than cAdvisor; $component, $pods, $namespace and $window are filled in.",
    ),
    click.option(
        "--memory-query",
        metavar="PROMQL",
        default=MEMORY_QUERY,
        help="With `prometheus`: a query for bytes by pod and container.",
    ),
    click.option(
        "--observed-tag",
        "observed_tags",
        multiple=True,
        metavar="KEY:VALUE",
        help="With `datadog`: a further tag of the pods, such as kube_cluster_name:new;"
        " repeatable.",
    ),
)


def usage_options(command: _Command) -> _Command:
    """Add the options that say how samples are read to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class UsageOptions:
    """How samples are read; the names are click's."""

    prometheus_url: str
    namespace: str | None
    rate_window: str
    cpu_query: str
    memory_query: str
    observed_tags: tuple[str, ...]
    site: str | None = None
    api_url: str | None = None
    no_cache: bool = False

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Pick these options out of all that click passes to a command."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: values[name] for name in names if name in values})

    def prometheus_query(self, period: tuple[float, float]) -> PrometheusQuery:
        """Return the query for this period. Raises InputError for a malformed window."""
        try:
            window_s = units.parse_duration(self.rate_window)
        except ValueError as error:
            raise InputError([Problem("--rate-window", str(error))]) from error
        return PrometheusQuery(
            url=self.prometheus_url,
            namespace=self.namespace,
            window_s=window_s,
            step_s=FINE_STEP_S if period[1] - period[0] <= FINE_PERIOD_S else COARSE_STEP_S,
            cpu=self.cpu_query,
            memory=self.memory_query,
            authorization=authorization(),
        )

    def datadog(self) -> Callable[[], DatadogApi]:
        """Return what opens the API. Raises InputError if a key is missing."""
        if problems := missing_keys():
            raise InputError(problems)
        return lambda: open_datadog(self.site or DEFAULT_SITE, self.api_url, self.no_cache)


Containers = Mapping[str, tuple[str, ...]]
"""Components with their containers, as far as they are known."""


def read_samples(
    text: str, options: UsageOptions, components: Containers, period: tuple[float, float]
) -> Usage:
    """Return the samples that a source has in [start, end), Unix time.

    `text` is `prometheus` or `datadog`, which are asked for these components; a source in the
    grammar of `mirror replay --sample` (mirror/formats/usage_source.py), which is asked for the
    components that it names; or else a file. Raises InputError and Refused.
    """
    source = _source(text, options, components)
    if isinstance(source, FromPrometheus):
        names = {name: components.get(name, ()) for name in source.components}
        query = replace(
            options.prometheus_query(period), url=source.url, matchers=source.components
        )
        return read_prometheus(query, names, period)
    if isinstance(source, FromDatadog):
        tags = UsageQuery(tags=options.observed_tags, component_tags=source.components)
        return read_usage_from_datadog(
            options.datadog(), tags, tuple(source.components), period, say_wait
        )
    return read_usage(Path(source.path))


def _source(
    text: str, options: UsageOptions, components: Containers
) -> FromCsv | FromPrometheus | FromDatadog:
    if text in (PROMETHEUS, DATADOG):
        if not components:
            raise InputError([Problem("--component", f"name what {text} is to be asked for")])
        if text == PROMETHEUS:
            return FromPrometheus(options.prometheus_url, dict.fromkeys(components, ""))
        return FromDatadog(dict.fromkeys(components, ()))
    if text.partition("=")[0] not in USAGE_SOURCES:
        return FromCsv(text)
    try:
        source = read_usage_source(text)
    except ValueError as error:
        raise InputError([Problem(text, str(error))]) from error
    if isinstance(source, FromProcesses):
        raise InputError([Problem(text, "only mirror replay can sample processes")])
    return source
