"""`estimate order`: which paths move first, why, and the steps of each with their rollbacks."""

import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from estimator.commands import sources
from estimator.commands.exits import end_with_doubts, endings
from estimator.commands.help_sections import SectionedCommand
from estimator.commands.report import missing_folder
from estimator.commands.sources import (
    Source,
    check_source,
    read_source,
    set_by_user,
    source_of,
    source_options,
)
from estimator.commands.switching.ended_legs import legs_of
from estimator.commands.switching.output_options import format_option
from estimator.commands.switching.requests_options import RequestsSource, requests_of
from estimator.commands.switching.routes_options import (
    OF_ASSUMPTIONS,
    OF_GATEWAY,
    assumption_options,
    gateway_options,
    read_assumed,
    read_new_routes,
)
from estimator.commands.switching.site_options import SECTIONS as SITE_SECTIONS
from estimator.commands.switching.site_options import site_options, sites_of
from estimator.errors import InputError, Problem
from estimator.migration.order.observed import Seen, seen_by_tag
from estimator.migration.order.plan import Evidence, Plan, plan
from estimator.migration.order.state import State, read_state
from estimator.report.order.data import to_json
from estimator.report.order.overview import overview
from estimator.report.order.runbook import runbook
from estimator.report.order.snippets import files_of
from estimator.report.text import print_text
from estimator.requests.asked import asked_by
from estimator.routing.table import RouteTable as NewRoutes
from estimator.series.access_log.files import route_table
from estimator.text_files import write_set, write_whole
from mirror.formats.routes import RouteTable
from mirror.formats.terminal import say, say_json

_Command = TypeVar("_Command", bound=Callable[..., Any])

EPILOG = """\b
Examples:
  estimate order --from-series series.db --routes mirror.yaml \\
      --from-capture capture/ --new-routes routes/ --markdown move.md
  estimate order --from-access-log '/var/log/nginx/access.log*' --routes mirror.yaml \\
      --new-routes routes/ --front nginx --routing http-route --snippets steps/
  estimate order --from-datadog --service watch --routes mirror.yaml \\
      --new-routes routes.yaml --format json

\b
Exit codes:
  0  confidence: ok
  2  bad input: every problem is listed on stderr
  3  confidence: low, such as less than a week observed; the order is printed with
     every reason
  4  refused: a source has no usable answer, such as a series without observed time
"""

_REQUEST_OPTIONS = (
    click.option(
        "--from-capture",
        type=click.Path(path_type=Path),
        metavar="FILE|DIR",
        help="Read methods, sessions and upgrades from a capture of `mirror serve`. Without it and"
        " --from-uris, the access logs of the series are read for methods and statuses, too.",
    ),
    click.option(
        "--from-uris",
        metavar="URL|FILE",
        help="Instead of a capture: read methods from the counts of URIs of a running sidecar, by"
        " the URL of its admin port, or saved to a file.",
    ),
    click.option(
        "--new-routes",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE|DIR",
        help="VirtualServices, HTTPRoutes and Gateways of the new cluster, as `estimate coverage"
        " --routes` reads them. Repeatable.",
    ),
)
_OUTPUT_OPTIONS = (
    format_option,
    click.option(
        "--markdown",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Also write a runbook: every path with its steps and their rollbacks.",
    ),
    click.option(
        "--snippets",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Also write every step and its rollback as a file of a new folder.",
    ),
)


SECTIONS = {
    **sources.SECTIONS,
    **dict.fromkeys(("from_capture", "from_uris"), "Requests"),
    **dict.fromkeys(("new_routes", *OF_GATEWAY, *OF_ASSUMPTIONS), "New routes"),
    **SITE_SECTIONS,
    **dict.fromkeys(("format", "markdown", "snippets"), "Output"),
}
"""Heading in the help, by click's name of the option."""


def _order_options(command: _Command) -> _Command:
    for option in reversed(_OUTPUT_OPTIONS):
        command = option(command)
    command = gateway_options(assumption_options(site_options(command)))
    for option in reversed(_REQUEST_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class _Requests:
    """What was read about requests."""

    seen: Mapping[str, Seen] | None = None
    state: Mapping[str, State] | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@click.command(
    cls=SectionedCommand,
    sections=SECTIONS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@_order_options
@source_options
@click.pass_context
def order(context: click.Context, /, **options: Any) -> None:
    """Say which paths move first, why, and by which steps.

    A path is a route of the series; --routes or --route name its template, whatever the source.
    The paths are in three groups: those that can switch now, those to be mirrored first, and those
    that need work. Each has its reasons, and for each step of phases 1 to 2 and 2 to 3 the text for
    Apache, nginx, Istio or Gateway API, with its rollback.
    """
    named = set_by_user(context)
    # Every source needs the templates here: a route tag alone is no path.
    source = source_of(options, named - {"route", "routes"})
    if options["from_capture"] and options["from_uris"]:
        raise click.UsageError("Give one of --from-capture and --from-uris.")
    with endings():
        _check(source, options)
        templates = route_table(source.route, source.routes, ())
        new_routes = _new_routes(options, named)
        sites = sites_of(options, new_routes)
        check_source(source)
        series = read_source(source, ())
        requests = _requests(source, options, templates, new_routes)
        evidence = Evidence(
            series,
            templates,
            requests.seen,
            requests.state,
            legs_of(source),
            bool(new_routes),
            requests.notes,
            requests.doubts,
        )
        result = plan(evidence, sites)
        _write(result, options["markdown"], options["snippets"])
    if options["format"] == "json":
        say_json(to_json(result), nl=False)
    else:
        print_text(overview(result), sys.stdout)
    end_with_doubts(result.doubts, options["format"] == "text")


def _check(source: Source, options: Mapping[str, Any]) -> None:
    """Raise InputError for every problem that is visible before anything is read."""
    problems: list[Problem] = []
    if not (source.route or source.routes):
        rule = "expected the templates of the paths: --routes mirror.yaml, or --route TEMPLATE"
        problems.append(Problem("--routes", rule))
    read_assumed(options, problems)
    markdown, snippets = options["markdown"], options["snippets"]
    problems += missing_folder("--markdown", markdown)
    if snippets is not None and snippets.exists() and not snippets.is_dir():
        rule = f"expected a directory, got the file {snippets}"
        problems.append(Problem("--snippets", rule))
    elif snippets is not None and snippets.is_dir() and any(snippets.iterdir()):
        rule = f"{snippets} is not empty; the steps get a folder of their own, without other steps"
        problems.append(Problem("--snippets", rule))
    if problems:
        raise InputError(problems)


def _new_routes(options: Mapping[str, Any], named: Container[str]) -> tuple[NewRoutes, ...]:
    """Return the tables of the new routes, none without --new-routes. Raises InputError."""
    paths = options["new_routes"]
    if not paths:
        useless = [name for name in (*OF_GATEWAY, *OF_ASSUMPTIONS) if name in named]
        if useless:
            rule = "applies only to --new-routes"
            raise InputError([Problem(f"--{name}", rule) for name in useless])
        return ()
    routes = read_new_routes(paths, options)
    if not routes.tables:
        shown = ", ".join(map(str, paths))
        raise InputError([Problem("--new-routes", f"no gateway with routes in {shown}")])
    for warning in routes.warnings:
        say(f"estimate: {warning}", err=True)
    return routes.tables


def _requests(
    source: Source,
    options: Mapping[str, Any],
    templates: RouteTable,
    new_routes: Sequence[NewRoutes],
) -> _Requests:
    """Read what was observed of the requests, from the access logs of the series by default."""
    capture, uris = options["from_capture"], options["from_uris"]
    # Standard input was read for the series, and cannot be read again.
    is_readable = not (capture or uris or "-" in source.from_access_log)
    logs = source.from_access_log if is_readable else ()
    if not (capture or uris or logs):
        return _Requests()
    requests_source = RequestsSource(
        logs,
        capture,
        (),
        uris,
        source.format_of,
        source.fields,
        source.time_zone,
        source.jobs,
    )
    assumed = read_assumed(options, [])
    asked = asked_by(rule.conditions for table in new_routes for rule in table.rules())
    observations = assumed.completed(requests_of(requests_source, asked), asked)
    left_out = [f"{count:,} {reason}" for reason, count in observations.left_out.items()]
    notes = [f"left out of {observations.source}: {', '.join(left_out)}"] if left_out else []
    return _Requests(
        seen_by_tag(observations.items, templates, new_routes),
        None if capture is None else read_state(capture, templates),
        (*notes, *observations.notes),
        observations.doubts,
    )


def _write(result: Plan, markdown: Path | None, snippets: Path | None) -> None:
    # Make every text before the first file, so that a failure leaves nothing behind.
    page = None if markdown is None else runbook(result)
    folders = {} if snippets is None else files_of(result)
    if markdown is not None and page is not None:
        write_whole(markdown, page)
    for folder, files in folders.items():
        assert snippets is not None
        write_set(snippets / folder, files)
