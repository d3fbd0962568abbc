"""Where cpu and memory were recorded: options to samples, shared by the commands that read them.

The keys come from the environment, as those of the report do (sources.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

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

_Command = TypeVar("_Command", bound=Callable[..., Any])

PROMETHEUS, DATADOG = "prometheus", "datadog"

FINE_STEP_S, COARSE_STEP_S = 15, 60
"""Between samples asked of Prometheus; nothing is compared in less than a minute."""
FINE_PERIOD_S = 6 * 3600
"""Beyond it a month of a hundred pods would be a hundred million samples."""

_OPTIONS = (
    click.option(
        "--prometheus-url",
        metavar="URL",
        default="http://127.0.0.1:9090",
        show_default=True,
        help="With `prometheus`: where it is.",
    ),
    click.option("--namespace", metavar="NAME", help="With `prometheus`: of the pods."),
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
        help="With `prometheus`: millicores by pod and container, where cAdvisor's series are not"
        " there; $component, $namespace and $window are filled in.",
    ),
    click.option(
        "--memory-query",
        metavar="PROMQL",
        default=MEMORY_QUERY,
        help="With `prometheus`: bytes by pod and container.",
    ),
    click.option(
        "--observed-tag",
        "observed_tags",
        multiple=True,
        metavar="KEY:VALUE",
        help="With `datadog`: a further tag of the pods, such as kube_cluster_name:new.",
    ),
)


def usage_options(command: _Command) -> _Command:
    """Add the options that say how samples are read to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class UsageSource:
    """The options as click gave them."""

    where: str
    """A file, `prometheus` or `datadog`."""
    given: Mapping[str, Any]

    def read(self, components: dict[str, tuple[str, ...]], period: tuple[float, float]) -> Usage:
        """Return the samples of these components and containers in [start, end).

        Raises InputError and Refused.
        """
        if self.where == PROMETHEUS:
            return read_prometheus(self._prometheus(period), components, period)
        if self.where == DATADOG:
            query = UsageQuery(tags=tuple(self.given["observed_tags"]))
            return read_usage_from_datadog(
                self._datadog(), query, tuple(components), period, say_wait
            )
        return read_usage(Path(self.where))

    def _prometheus(self, period: tuple[float, float]) -> PrometheusQuery:
        try:
            window_s = units.parse_duration(self.given["rate_window"])
        except ValueError as error:
            raise InputError([Problem("--rate-window", str(error))]) from error
        return PrometheusQuery(
            url=self.given["prometheus_url"],
            namespace=self.given["namespace"],
            window_s=window_s,
            step_s=FINE_STEP_S if period[1] - period[0] <= FINE_PERIOD_S else COARSE_STEP_S,
            cpu=self.given["cpu_query"],
            memory=self.given["memory_query"],
            authorization=authorization(),
        )

    def _datadog(self) -> Callable[[], DatadogApi]:
        if problems := missing_keys():
            raise InputError(problems)
        site, url = self.given.get("site") or DEFAULT_SITE, self.given.get("api_url")
        return lambda: open_datadog(site, url, bool(self.given.get("no_cache")))
