"""The `estimate` command: argv and environment to a series, a table and a report.

The only module here that reads the environment or the clock, prints, and decides an exit code.
"""

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import Progress

from estimator import __version__, units
from estimator.commands.table import table as table_command
from estimator.commands.verify import verify as verify_command
from estimator.errors import InputError, Problem, Refused
from estimator.model.projection import project
from estimator.model.sizing import DEFAULT_MIN_REPLICAS, DEFAULT_TARGET_UTILISATION, Policy
from estimator.report.data import to_json
from estimator.report.text import print_text
from estimator.series.datadog import DatadogQuery, read_datadog
from estimator.series.datadog_api import Credentials, DatadogApi, api_url_of
from estimator.series.files import read_series
from estimator.series.rps import RpsSeries
from estimator.table.files import EXAMPLE, read_table

EXIT_INPUT = 2
EXIT_LOW_CONFIDENCE = 3
EXIT_REFUSED = 4

DEFAULT_SITE = "datadoghq.com"
MAX_SINCE_S = 15 * 30 * 86_400
"""Datadog keeps metrics for 15 months."""

EPILOG = """\b
Examples:
  estimate --from-series series.db --table table.yaml
  estimate --from-series series.db --table table.yaml --format json > report.json
  DD_API_KEY=... DD_APP_KEY=... estimate --from-datadog --service watch --env prod \\
      --since 7d --site datadoghq.eu --table table.yaml

\b
Exit codes:
  0  the answer rests on the evidence
  2  bad input: every problem is listed on stderr
  3  low confidence: less than a day observed, more than a tenth of the time in
     gaps, or the bundled example table; the report is printed and says which
  4  refused: no rows, no traffic, or a peak outside the table; no number printed
"""

_DATADOG_ONLY = ("metric", "service", "env", "tag", "since", "site", "api_url")


def _seconds(context: click.Context, parameter: click.Parameter, value: str) -> int:
    try:
        seconds = units.parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    if seconds > MAX_SINCE_S:
        raise click.BadParameter(f"expected at most {units.format_duration(MAX_SINCE_S)}")
    return seconds


def _number(context: click.Context, parameter: click.Parameter, value: float) -> float:
    # "nan" is a float to click and compares false with both ends of its range.
    if value != value:
        raise click.BadParameter("nan is not a number")
    return value


@dataclass(frozen=True, slots=True)
class Options:
    """The options as click parsed them; the names are click's."""

    from_series: Path | None
    from_datadog: bool
    metric: str
    service: str | None
    env: str | None
    tag: tuple[str, ...]
    since: int
    site: str
    api_url: str | None
    table: str
    target_utilisation: float
    min_replicas: int
    format: str


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
    subcommand_metavar="[COMMAND]",
)
@click.option(
    "--from-series",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read the series.db that `mirror serve` writes; it may be running.",
)
@click.option("--from-datadog", is_flag=True, help="Read maxima per minute from Datadog.")
@click.option(
    "--metric", default="mirror.rps", show_default=True, help="Gauge of rps with a `route` tag."
)
@click.option("--service", metavar="S", help="Its `service` tag.")
@click.option("--env", metavar="E", help="Its `env` tag.")
@click.option("--tag", multiple=True, metavar="KEY:VALUE", help="A further tag; repeatable.")
@click.option(
    "--since",
    metavar="DURATION",
    callback=_seconds,
    default="7d",
    show_default=True,
    help="How far back to read, such as 7d, 24h or 30m.",
)
@click.option(
    "--site",
    envvar="DD_SITE",
    show_envvar=True,
    default=DEFAULT_SITE,
    show_default=True,
    help="Datadog site.",
)
@click.option(
    "--api-url",
    metavar="URL",
    help="Where the Datadog API is, if not at https://api.SITE, such as a relay in your network;"
    " it is sent the keys DD_API_KEY and DD_APP_KEY of the environment.",
)
@click.option(
    "--table",
    default="example",
    metavar="FILE",
    help="Correspondence table (YAML); without it, or with `example`, a bundled one that"
    " only shows the format.",
)
@click.option(
    "--target-utilisation",
    type=click.FloatRange(min=0, max=1, min_open=True),
    callback=_number,
    default=DEFAULT_TARGET_UTILISATION,
    show_default=True,
    help="Cpu used over cpu requested that no container may exceed at the peak.",
)
@click.option(
    "--min-replicas",
    type=click.IntRange(1, 10_000),
    default=DEFAULT_MIN_REPLICAS,
    show_default=True,
    help="Never fewer replicas than this.",
)
@click.option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Tables to read, or JSON as docs/formats.md describes it.",
)
@click.version_option(__version__, prog_name="estimate")
@click.pass_context
def main(context: click.Context, /, **given: Any) -> None:
    """Say how many replicas, how much cpu and memory every pod and gateway needs.

    Takes the peak of a recorded rps series, and from a load-test correspondence table what each
    component used at such a load. Every figure comes with its reason; what the table does not
    show is refused, not guessed.
    """
    if context.invoked_subcommand is None:
        options = Options(**given)
        set_by_user = {
            name
            for name in given
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        }
        _check_source(options, set_by_user)
        try:
            _estimate(options, set_by_user)
        except InputError as error:
            _fail("bad input", error, EXIT_INPUT)
        except Refused as error:
            _fail("refused", error, EXIT_REFUSED)


def _check_source(options: Options, set_by_user: set[str]) -> None:
    if options.from_datadog == (options.from_series is not None):
        raise click.UsageError("Give one of --from-series FILE and --from-datadog.")
    if options.from_series is not None and (wrong := set_by_user & set(_DATADOG_ONLY)):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(wrong))
        raise click.UsageError(f"Only with --from-datadog: {names}.")
    if options.from_datadog and not (options.service or options.tag):
        raise click.UsageError(
            "--from-datadog needs --service (or --tag): without one, the traffic of every service"
            " that sends this metric would be added up."
        )


def _estimate(options: Options, set_by_user: set[str]) -> None:
    policy = Policy(
        options.target_utilisation,
        options.min_replicas,
        defaulted=frozenset({"target_utilisation", "min_replicas"} - set_by_user),
    )
    # The table first: it costs nothing, and its problems should not wait for an hour of queries.
    table = read_table(EXAMPLE if options.table == "example" else Path(options.table))
    if options.from_series is not None:
        series = read_series(options.from_series)
    else:
        series = asyncio.run(_read_datadog(options))
    projection = project(series, table, policy)
    if options.format == "json":
        click.echo(to_json(projection), nl=False)
    else:
        print_text(projection, sys.stdout)
    if projection.low_confidence:
        # The text says so itself; whoever sent the report into a file or a program is told here.
        if options.format == "json" or not sys.stdout.isatty():
            for reason in projection.low_confidence:
                click.echo(f"estimate: low confidence: {reason}", err=True)
        sys.exit(EXIT_LOW_CONFIDENCE)


async def _read_datadog(options: Options) -> RpsSeries:
    credentials = _credentials()
    url = api_url_of(options.site) if options.api_url is None else options.api_url
    query = DatadogQuery.of(options.metric, options.service, options.env, options.tag)
    end = int(time.time()) // query.resolution_s * query.resolution_s
    start = (end - options.since) // query.resolution_s * query.resolution_s
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Datadog", total=None)
        async with DatadogApi(url, credentials) as api:
            return await read_datadog(
                api,
                query,
                (start, end),
                lambda done, total, what: progress.update(
                    task, completed=done, total=total, description=what
                ),
            )


def _credentials() -> Credentials:
    keys = {name: os.environ.get(name, "").strip() for name in ("DD_API_KEY", "DD_APP_KEY")}
    problems = [
        Problem(
            name,
            "is not set in the environment; --from-datadog needs both keys, the"
            " application key with the scope timeseries_query",
        )
        for name, value in keys.items()
        if not value
    ]
    if problems:
        raise InputError(problems)
    return Credentials(keys["DD_API_KEY"], keys["DD_APP_KEY"])


def _fail(what: str, error: Exception, code: int) -> NoReturn:
    for line in str(error).splitlines():
        click.echo(f"estimate: {what}: {line}", err=True)
    sys.exit(code)


main.add_command(table_command)
main.add_command(verify_command)


if __name__ == "__main__":
    main()
