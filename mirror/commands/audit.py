"""`mirror audit`: was anything counted twice, and was anything forgotten?

This module owns the arguments and the exit code; mirror/audit reads and judges.
"""

import sys
import time
from glob import glob
from pathlib import Path

import click

from mirror.audit.audit import Audit, Sources, run_audit
from mirror.audit.judgement import Judgement, judge
from mirror.audit.report import as_json, heading, route_table, table
from mirror.audit.sidecar import common_span
from mirror.audit.window import MOST_WINDOW_S, Window
from mirror.commands.arguments import Written, read_instant, read_share
from mirror.config import load
from mirror.errors import ConfigError, InputError
from mirror.formats.access_log.line_reader import LineReader, Reading
from mirror.formats.foreign_text import visible
from mirror.formats.progress import working
from mirror.formats.rich_console import visible_console
from mirror.formats.routes import RouteTable
from mirror.formats.terminal import say, say_json
from mirror.preflight.findings import as_text
from mirror.spans import read_span_s

EXIT_UNUSABLE = 2
DEFAULT_S = 3600.0
DEFAULT_UNEXPLAINED = "0.1%"


HELP = """Compare production's log, the sidecar, the gateway's log and Envoy for a window of time.

A request is counted twice where its id stands in two places, or where the gateway's log holds
the mark of a copy (X-Mirror-Leg); numbers alone prove nothing. A request without a copy is
explained by what nginx logged, or is unexplained. docs/audit.md describes every finding, and
the log formats that make ids and marks visible.

\b
Exit codes:
  0  nothing is counted twice, and nothing is missing without a reason, in the logs that were given
  2  a source or an option cannot be used
  3  something could not be judged; the findings say what
  4  requests are counted twice
  5  more requests than --max-unexplained are missing without a reason

\b
Examples:
  mirror audit --access-log '/var/log/nginx/access.log*' --series series.db --last 1h
  mirror audit --access-log access.log --series series.db --gateway-log gateway.log \\
    --envoy-log envoy.log --from 2026-11-26T09:00:00Z --until 2026-11-26T10:00:00Z
"""


def _refuse_envoy_admin(context: click.Context, option: click.Parameter, given: str | None) -> None:
    if given is not None:
        raise click.UsageError(
            "--envoy-admin is an option of `mirror canary`. An audit compares two readings of what"
            f" {visible(given).rstrip('/')}/stats answers, at the begin and the end of the window:"
            " --envoy-stats BEFORE AFTER"
        )


@click.command(help=HELP)
@click.option(
    "--access-log",
    "access_log",
    multiple=True,
    required=True,
    metavar="FILE",
    help="Production's log: a file, a quoted glob such as 'access.log*', a URL, or - for standard"
    " input; gzip and zstd too.  [repeatable]",
)
@click.option(
    "--series",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="series.db of a sidecar, or a quoted glob such as 'sidecar/*.db'.  [repeatable]",
)
@click.option(
    "--capture",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Capture of every request, for its ids: a file, or a directory of segments.  [repeatable]",
)
@click.option(
    "--gateway-log",
    multiple=True,
    metavar="FILE",
    help="Log of the nginx in the gateway's Pod, where no copy may be. A glob may match nothing"
    " where its folder is empty, as before the switch.  [repeatable]",
)
@click.option(
    "--envoy-log",
    multiple=True,
    metavar="FILE",
    help="Envoy's access log; a glob may match nothing, too.  [repeatable]",
)
@click.option(
    "--envoy-stats",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="BEFORE AFTER",
    help="Two readings of Envoy's /stats, at the begin and the end of the window.",
)
@click.option(
    "--envoy-admin", hidden=True, expose_value=False, callback=_refuse_envoy_admin, metavar="URL"
)
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="mirror.yaml, whose routes are compared one by one.",
)
@click.option(
    "--unmirrored",
    multiple=True,
    metavar="TAG",
    help="Route whose requests have no copy on purpose, as the series names it; needs --config."
    "  [repeatable]",
)
@click.option("--from", "first", type=Written("TIME", read_instant), help="Begin of the window.")
@click.option(
    "--until",
    "end",
    type=Written("TIME", read_instant),
    help="End of the window, which it does not contain.  [default: the newest second of --series,"
    " or now]",
)
@click.option(
    "--last",
    "last_s",
    type=Written("SPAN", read_span_s),
    help="Length of the window before --until, such as 15m or 24h.  [default: 1h, or since --series"
    " begins]",
)
@click.option(
    "--max-unexplained",
    type=Written("SHARE", read_share),
    default=DEFAULT_UNEXPLAINED,
    show_default=True,
    help="Share of requests that may miss without a reason.",
)
@click.option("--fields", metavar="MEANING=KEY,...", help="Keys of a JSON log, as `mirror import`.")
@click.option("--time-zone", "zone", metavar="ZONE", help="Zone of times without an offset.")
@click.option(
    "--format",
    "output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
)
def audit(
    access_log: tuple[str, ...],
    series: tuple[Path, ...],
    capture: tuple[Path, ...],
    gateway_log: tuple[str, ...],
    envoy_log: tuple[str, ...],
    envoy_stats: tuple[Path, Path] | None,
    config: Path | None,
    unmirrored: tuple[str, ...],
    first: float | None,
    end: float | None,
    last_s: float | None,
    max_unexplained: float,
    fields: str | None,
    zone: str | None,
    output: str,
) -> None:
    reading = Reading(None, fields, zone)
    try:
        LineReader(reading)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    # A glob without a match stays, and is then named as a file that does not exist.
    series = tuple(Path(name) for at in series for name in sorted(glob(str(at))) or [str(at)])
    try:
        routes = _routes(config, unmirrored)
        sources = Sources(
            access_log,
            *(series, capture, gateway_log, envoy_log, envoy_stats, reading),
            *(routes, frozenset(unmirrored)),
        )
        window = _window(series, first, end, last_s)
        with working("Reading") as bar:
            result = run_audit(sources, window, bar.say)
    except (InputError, ConfigError) as error:
        say(f"mirror: {error}", err=True)
        sys.exit(EXIT_UNUSABLE)
    judgement = judge(result, max_unexplained)
    _print(result, judgement, output)
    sys.exit(judgement.exit_code)


def _routes(config: Path | None, unmirrored: tuple[str, ...]) -> tuple[str, ...]:
    """Return the templates of a configuration. Raises ConfigError and click.UsageError."""
    routes = () if config is None else load(config).routes
    tags = RouteTable(routes).tags if routes else ()
    for tag in unmirrored:
        if tag not in tags:
            known = ", ".join(tags) or "none without --config"
            raise click.UsageError(f"--unmirrored {tag}: expected one of {known}")
    return routes


def _print(result: Audit, judgement: Judgement, output: str) -> None:
    if output == "json":
        say_json(as_json(result, judgement))
        return
    say(heading(result, judgement))
    if (shown := table(result)) is not None:
        say("")
        visible_console().print(shown)
    if (shown := route_table(result)) is not None:
        say("")
        visible_console().print(shown)
    if judgement.findings:
        say("")
        say(as_text(judgement.findings))


def _window(
    series: tuple[Path, ...], first: float | None, end: float | None, last_s: float | None
) -> Window:
    """Return the window in whole seconds. Raises click.UsageError and InputError."""
    if first is not None and last_s is not None:
        raise click.UsageError("--from and --last exclude each other")
    oldest, newest = common_span(series) if series else (0, int(time.time()) - 1)
    if end is None:
        end = newest + 1
    begin = end - (last_s or DEFAULT_S) if first is None else first
    # A sidecar that was started a minute ago is judged for that minute, unless somebody asks for
    # a time of which it knows nothing.
    is_young = first is None and last_s is None and begin < oldest < end
    window = Window(int(oldest if is_young else begin), int(end), is_young)
    if not 0 < len(range(window.first, window.end)) <= MOST_WINDOW_S:
        raise click.UsageError(
            f"expected a window of 1 s to {MOST_WINDOW_S:,} s, got {window.end - window.first} s"
        )
    return window
