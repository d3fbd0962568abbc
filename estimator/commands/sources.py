"""The source of the rps series: from options to a series.

This is the only module of the report that reads the clock, and keys from the environment.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from rich.markup import escape
from rich.progress import Progress, TaskID

from estimator import units
from estimator.errors import InputError, Problem
from estimator.series.access_log.files import files_of, problem_of, route_table
from estimator.series.datadog import read_datadog
from estimator.series.datadog_api import Credentials, DatadogApi, api_url_of
from estimator.series.datadog_cache import Cache
from estimator.series.datadog_query import DatadogQuery
from estimator.series.files import read_series
from estimator.series.hosts import read_hosts
from estimator.series.prometheus import QUERY, RateQuery, read_prometheus
from estimator.series.rps import RpsSeries
from mirror.formats.access_log.line_reader import FORMATS, Reading
from mirror.formats.progress import working
from mirror.formats.terminal import say

DEFAULT_SITE = "datadoghq.com"
MAX_SINCE_S = 15 * 30 * 86_400
"""Datadog keeps metrics for 15 months."""
MAX_STEP_S = 3_600

_Command = TypeVar("_Command", bound=Callable[..., Any])
_OF_ACCESS_LOG = ("route", "routes", "format_of", "fields", "time_zone", "jobs", "dask")
_OF_DATADOG = ("metric", "service", "env", "tag", "query", "site", "api_url", "no_cache")
_OF_PROMETHEUS = ("promql", "step")
_ONLY_WITH: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_OF_ACCESS_LOG, ("from_access_log",)),
    **dict.fromkeys(_OF_DATADOG, ("from_datadog",)),
    **dict.fromkeys(_OF_PROMETHEUS, ("from_prometheus",)),
    "since": ("from_datadog", "from_prometheus"),
}
"""The sources to which an option applies; names are click's."""
_SOURCES = ("from_series", "from_access_log", "from_datadog", "from_prometheus")
SECTIONS = dict.fromkeys((*_SOURCES, *_ONLY_WITH), "Series")
"""Heading in the help, by click's name of the option."""


@dataclass(frozen=True, slots=True)
class Source:
    """The options of the source, with click's names."""

    from_series: tuple[Path, ...]
    from_access_log: tuple[str, ...]
    from_datadog: bool
    from_prometheus: str | None
    route: tuple[str, ...]
    routes: Path | None
    format_of: str | None
    fields: str | None
    time_zone: str | None
    jobs: int | None
    dask: str | None
    metric: str
    service: str | None
    env: str | None
    tag: tuple[str, ...]
    query: str | None
    since: str
    site: str
    api_url: str | None
    no_cache: bool
    promql: str
    step: str

    @property
    def reading(self) -> Reading:
        """Return what the options say about the lines of logs."""
        return Reading(self.format_of, self.fields, self.time_zone)


LOG_OPTIONS = (
    click.option(
        "--format-of",
        type=click.Choice(FORMATS),
        help="With an access log: the one format to read. [default: each line is recognised]",
    ),
    click.option(
        "--fields",
        metavar="MEANING=KEY,...",
        help="With JSON logs: their keys, such as time=ts,target=url.path,status=code.",
    ),
    click.option(
        "--time-zone",
        metavar="ZONE",
        help="With an access log: zone of times without an offset (HAProxy), such as UTC, +09:00 or"
        " Europe/Berlin.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(1),
        metavar="N",
        help="With several access logs: read N of them at once. [default: one for each core]",
    ),
)
"""The options that say how to read access logs."""
_FILE_OPTIONS = (
    click.option(
        "--from-series",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help="Read the series.db that `mirror serve` writes (it may be running), CSV or Parquet."
        " Repeatable: the files of several hosts are added up second by second.",
    ),
    click.option(
        "--from-access-log",
        multiple=True,
        metavar="FILE",
        help="Count requests in access logs: those of nginx, Apache, Envoy, Istio, HAProxy,"
        " Traefik, Caddy, ingress-nginx, AWS, or JSON lines, also as Docker, Kubernetes and syslog"
        " pass them on; plain, gzip or zstd; `-` is standard input. Repeatable; a quoted pattern"
        " such as '/var/log/nginx/access.log*' names several files.",
    ),
    click.option(
        "--route",
        multiple=True,
        metavar="TEMPLATE",
        help="With an access log, or with `estimate order`: a route such as '/watch/{id}' or"
        " '/api/*' (repeatable). [default: the routes of the table]",
    ),
    click.option(
        "--routes",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="With an access log, or with `estimate order`: read the `routes` of a mirror.yaml.",
    ),
    *LOG_OPTIONS,
    click.option(
        "--dask",
        metavar="ADDRESS",
        help="With access logs: count them on the workers of this Dask scheduler, such as"
        " tcp://scheduler:8786. Files are then what the workers see: URLs such as s3://bucket/*.gz,"
        " or paths of a shared disk.",
    ),
)
_DATADOG_OPTIONS = (
    click.option(
        "--from-datadog",
        is_flag=True,
        help="Read maxima per minute from Datadog, and the seconds around the highest ones.",
    ),
    click.option(
        "--metric", default="mirror.rps", show_default=True, help="Gauge of rps with a `route` tag."
    ),
    click.option("--service", metavar="S", help="Its `service` tag."),
    click.option("--env", metavar="E", help="Its `env` tag."),
    click.option("--tag", multiple=True, metavar="KEY:VALUE", help="A further tag; repeatable."),
    click.option(
        "--query",
        metavar="QUERY",
        help="Instead of the four options above: any metric and filter, such as"
        " 'sum:istio.mesh.request.count{env:prod} by {route}.as_count()'.",
    ),
    click.option(
        "--site",
        envvar="DD_SITE",
        show_envvar=True,
        default=DEFAULT_SITE,
        show_default=True,
        help="Datadog site.",
    ),
    click.option(
        "--api-url",
        metavar="URL",
        help="URL of the Datadog API, if it is not https://api.SITE, such as a relay in your"
        " network. It gets the keys DD_API_KEY and DD_APP_KEY of the environment.",
    ),
    click.option(
        "--no-cache",
        is_flag=True,
        help="Neither read nor write the cache of Datadog's answers.",
    ),
)
_PROMETHEUS_OPTIONS = (
    click.option(
        "--from-prometheus",
        metavar="URL",
        help="Read rates from Prometheus or VictoriaMetrics. The environment variable"
        " PROMETHEUS_AUTHORIZATION becomes the Authorization header.",
    ),
    click.option(
        "--promql",
        default=QUERY,
        show_default=True,
        metavar="PROMQL",
        help="Expression for rps with a `route` label; $window becomes the step in seconds.",
    ),
    click.option(
        "--step",
        default="1m",
        show_default=True,
        metavar="DURATION",
        help="With Prometheus: step of the series; at least two scrapes.",
    ),
    click.option(
        "--since",
        metavar="DURATION",
        default="7d",
        show_default=True,
        help="With Datadog and Prometheus: how far back to read, such as 7d, 24h or 30m.",
    ),
)


def source_options(command: _Command) -> _Command:
    """Add the options that name a series to a command."""
    for option in reversed((*_FILE_OPTIONS, *_DATADOG_OPTIONS, *_PROMETHEUS_OPTIONS)):
        command = option(command)
    return command


def set_by_user(context: click.Context) -> set[str]:
    """Return click's names of the options that stand on the command line."""
    source = context.get_parameter_source
    return {name for name in context.params if source(name) is ParameterSource.COMMANDLINE}


def source_of(options: Mapping[str, Any], named: set[str]) -> Source:
    """Return the source that the options name; `named` are those that the user set.

    Raises click.UsageError if they name none or two, or an option does not apply to the source.
    """
    source = Source(**{name: options[name] for name in SECTIONS})
    chosen = [name for name in _SOURCES if options[name]]
    if len(chosen) != 1:
        names = ", ".join(flag_of(name) for name in _SOURCES)
        raise click.UsageError(f"Give exactly one of {names}.")
    wrong = [
        f"{flag_of(name)} applies only to {' or '.join(flag_of(other) for other in only_with)}"
        for name, only_with in _ONLY_WITH.items()
        if name in named and chosen[0] not in only_with
    ]
    if wrong:
        raise click.UsageError(f"{'; '.join(wrong)}.")
    if source.query is not None and (others := named & {"metric", "service", "env", "tag"}):
        names = ", ".join(flag_of(name) for name in sorted(others))
        raise click.UsageError(f"--query names its own metric and filter: leave out {names}.")
    if source.from_datadog and not (source.service or source.tag or source.query):
        raise click.UsageError(
            "--from-datadog needs --service (or --tag): otherwise it would add up the traffic of"
            " every service that sends this metric."
        )
    return source


def flag_of(name: str) -> str:
    """Return an option as it is typed, by click's name of it."""
    return f"--{name.replace('_', '-')}"


def check_source(source: Source) -> None:
    """Raise InputError for every problem that is visible before anything is read."""
    problems: list[Problem] = []
    for option, words, most in (
        ("--since", source.since, MAX_SINCE_S),
        ("--step", source.step, MAX_STEP_S),
    ):
        try:
            if not 0 < units.parse_duration(words) <= most:
                rule = f"expected at most {units.format_duration(most)}, got {words}"
                problems.append(Problem(option, rule))
        except ValueError as error:
            problems.append(Problem(option, str(error)))
    problems += problem_of(source.reading)
    if source.from_datadog:
        problems += missing_keys()
    if problems:
        raise InputError(problems)


def read_source(source: Source, templates: Iterable[str]) -> RpsSeries:
    """Return the series; `templates` are the table's routes, for a log without --route.

    Raises InputError and Refused.
    """
    now = time.time()
    if source.from_series:
        with working(f"Reading {', '.join(map(str, source.from_series))}"):
            return read_hosts(source.from_series, lambda path: read_series(path, now))
    if source.from_access_log:
        # Imported here, because no other source needs the reader of logs.
        from estimator.series.access_log.total import read_access_logs
        from estimator.series.access_log.workers import Workers

        names = files_of(source.from_access_log)
        routes = route_table(source.route, source.routes, templates)
        with working("Reading access logs") as bar:
            workers = Workers(source.jobs, source.dask, bar)
            return read_access_logs(names, routes, now, source.reading, workers)
    if source.from_prometheus is not None:
        query = RateQuery(
            source.from_prometheus,
            source.promql,
            units.parse_duration(source.step),
            authorization(),
        )
        with working("Prometheus"):
            return asyncio.run(read_prometheus(query, _period(source, now), now))
    with working("Datadog") as bar:
        return asyncio.run(_read_datadog(source, now, _DatadogProgress(bar.progress, bar.task)))


def _period(source: Source, now: float) -> tuple[int, int]:
    end = int(now) // 60 * 60
    return (end - units.parse_duration(source.since)) // 60 * 60, end


class _DatadogProgress:
    """Shows the progress of reading from Datadog: a bar, or a line for every wait."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def __call__(self, done: int, total: int, what: str) -> None:
        self._progress.update(self._task, completed=done, total=total, description=escape(what))
        if self._progress.disable and "waiting" in what:
            say_wait(f"{what} ({done} of {total} done)")


def say_wait(what: str) -> None:
    """Report a wait on stderr."""
    say(f"estimate: {what}", err=True)


async def _read_datadog(source: Source, now: float, shown: _DatadogProgress) -> RpsSeries:
    if source.query is not None:
        query = DatadogQuery.parse(source.query)
    else:
        query = DatadogQuery.of(source.metric, source.service, source.env, source.tag)
    async with open_datadog(source.site, source.api_url, source.no_cache) as api:
        return await read_datadog(api, query, _period(source, now), shown)


def open_datadog(site: str, api_url: str | None, no_cache: bool) -> DatadogApi:
    """Return a session with the keys of the environment. Raises InputError."""
    if problems := missing_keys():
        raise InputError(problems)
    url = api_url_of(site) if api_url is None else api_url
    cache = None if no_cache else Cache(_cache_folder(), time.time)
    return DatadogApi(url, Credentials(*(_key(name) for name in _KEYS)), cache=cache)


def authorization() -> str | None:
    """Return the Authorization header for Prometheus; None if the environment has none."""
    return os.environ.get("PROMETHEUS_AUTHORIZATION") or None


def _cache_folder() -> Path:
    # XDG: a relative path is invalid and ignored.
    cache_home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache_home) if os.path.isabs(cache_home) else Path.home() / ".cache"
    return base / "kagami" / "datadog"


_KEYS = ("DD_API_KEY", "DD_APP_KEY")


def _key(name: str) -> str:
    return os.environ.get(name, "").strip()


def missing_keys() -> list[Problem]:
    """Return a problem for each key of Datadog that the environment lacks."""
    return [
        Problem(
            name,
            "is not set in the environment; reading from Datadog needs both keys, the"
            " application key with the scope timeseries_query",
        )
        for name in _KEYS
        if not _key(name)
    ]
