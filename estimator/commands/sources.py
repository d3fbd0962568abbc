"""Where the rps series comes from: options to a series, with progress where somebody looks on.

The only module of the report that reads keys from the environment and the clock. A long read shows
its progress on stderr, and only on a terminal.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from estimator import units
from estimator.errors import InputError, Problem
from estimator.series.datadog import DatadogQuery, read_datadog
from estimator.series.datadog_api import Credentials, DatadogApi, api_url_of
from estimator.series.files import read_series
from estimator.series.rps import RpsSeries

DEFAULT_SITE = "datadoghq.com"
MAX_SINCE_S = 15 * 30 * 86_400
"""Datadog keeps metrics for 15 months."""

_Command = TypeVar("_Command", bound=Callable[..., Any])
_DATADOG_ONLY = ("metric", "service", "env", "tag", "since", "site", "api_url")
SECTIONS = dict.fromkeys(("from_series", "from_datadog", *_DATADOG_ONLY), "Series")
"""Heading in the help, by click's name of the option."""


@dataclass(frozen=True, slots=True)
class Source:
    """The options as click gave them; the names are click's."""

    from_series: Path | None
    from_datadog: bool
    metric: str
    service: str | None
    env: str | None
    tag: tuple[str, ...]
    since: str
    site: str
    api_url: str | None


_OPTIONS = (
    click.option(
        "--from-series",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read the series.db that `mirror serve` writes; it may be running.",
    ),
    click.option("--from-datadog", is_flag=True, help="Read maxima per minute from Datadog."),
    click.option(
        "--metric", default="mirror.rps", show_default=True, help="Gauge of rps with a `route` tag."
    ),
    click.option("--service", metavar="S", help="Its `service` tag."),
    click.option("--env", metavar="E", help="Its `env` tag."),
    click.option("--tag", multiple=True, metavar="KEY:VALUE", help="A further tag; repeatable."),
    click.option(
        "--since",
        metavar="DURATION",
        default="7d",
        show_default=True,
        help="How far back to read, such as 7d, 24h or 30m.",
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
        help="Where the Datadog API is, if not at https://api.SITE, such as a relay in your"
        " network; it is sent the keys DD_API_KEY and DD_APP_KEY of the environment.",
    ),
)


def source_options(command: _Command) -> _Command:
    """Add the options that name a series to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def source_of(given: Mapping[str, Any], set_by_user: set[str]) -> Source:
    """Return the source that the options name.

    Raises click.UsageError where they name none, two, or one that nobody asked for.
    """
    source = Source(**{name: given[name] for name in SECTIONS})
    if source.from_datadog == (source.from_series is not None):
        raise click.UsageError("Give one of --from-series FILE and --from-datadog.")
    if source.from_series is not None and (wrong := set_by_user & set(_DATADOG_ONLY)):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(wrong))
        raise click.UsageError(f"Only with --from-datadog: {names}.")
    if source.from_datadog and not (source.service or source.tag):
        raise click.UsageError(
            "--from-datadog needs --service (or --tag): without one, the traffic of every service"
            " that sends this metric would be added up."
        )
    return source


def check_source(source: Source) -> None:
    """Raise InputError for what can be known to be wrong before anything is read."""
    problems: list[Problem] = []
    try:
        if units.parse_duration(source.since) > MAX_SINCE_S:
            longest = units.format_duration(MAX_SINCE_S)
            problems.append(Problem("--since", f"expected at most {longest}, got {source.since}"))
    except ValueError as error:
        problems.append(Problem("--since", str(error)))
    if source.from_datadog:
        problems += _missing_keys()
    if problems:
        raise InputError(problems)


def read_source(source: Source) -> RpsSeries:
    """Return the series. Raises InputError and Refused."""
    if source.from_series is not None:
        with working(f"Reading {source.from_series}"):
            return read_series(source.from_series, time.time())
    with working("Datadog") as (progress, task):
        return asyncio.run(_read_datadog(source, progress, task))


@contextmanager
def working(words: str) -> Iterator[tuple[Progress, TaskID]]:
    """Show on stderr, where that is a terminal, that something takes its time; leaves no trace."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress, progress.add_task(escape(words), total=None)


async def _read_datadog(source: Source, progress: Progress, task: TaskID) -> RpsSeries:
    url = api_url_of(source.site) if source.api_url is None else source.api_url
    query = DatadogQuery.of(source.metric, source.service, source.env, source.tag)
    end = int(time.time()) // query.resolution_s * query.resolution_s
    since = units.parse_duration(source.since)
    start = (end - since) // query.resolution_s * query.resolution_s
    credentials = Credentials(*(_key(name) for name in _KEYS))
    async with DatadogApi(url, credentials) as api:
        return await read_datadog(
            api,
            query,
            (start, end),
            lambda done, total, what: progress.update(
                task, completed=done, total=total, description=what
            ),
        )


_KEYS = ("DD_API_KEY", "DD_APP_KEY")


def _key(name: str) -> str:
    return os.environ.get(name, "").strip()


def _missing_keys() -> list[Problem]:
    return [
        Problem(
            name,
            "is not set in the environment; --from-datadog needs both keys, the"
            " application key with the scope timeseries_query",
        )
        for name in _KEYS
        if not _key(name)
    ]
