"""`estimate coverage`: which requests of production would the new routes not serve?"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from estimator import __version__
from estimator.commands.exits import end_with_doubts, endings
from estimator.commands.help_sections import SectionedCommand
from estimator.commands.quantities import Bounds, ratio
from estimator.commands.report import attempt, missing_folder
from estimator.commands.sources import flag_of
from estimator.commands.switching import requests_options, routes_options
from estimator.commands.switching.output_options import format_option
from estimator.commands.switching.requests_options import (
    RequestsSource,
    requests_of,
    requests_source_of,
)
from estimator.errors import InputError, Problem
from estimator.migration.coverage.analysis import Before, analyse
from estimator.migration.coverage.assumptions import Assumed
from estimator.migration.coverage.cross_check import cross_check
from estimator.migration.coverage.differences import Differences
from estimator.migration.coverage.result import Allowed, Coverage
from estimator.report.coverage.content import FULL, PAGE, SHORT, document_of, doubts_of
from estimator.report.coverage.data import to_json
from estimator.report.html import to_html
from estimator.report.text import print_text
from estimator.requests.asked import asked_by
from estimator.requests.compared import observations_of_examples, read_compared
from estimator.routing.files import Routes
from estimator.routing.ingress_nginx.routes import read_ingresses
from estimator.text_files import write_whole
from mirror.formats.progress import working
from mirror.formats.terminal import say_json

EPILOG = """\b
Examples:
  estimate coverage --routes routes.yaml --from-access-log '/var/log/nginx/*.log*'
  estimate coverage --routes k8s/ --gateway shop/web --port 443 --html coverage.html \\
      --from-access-log access.log
  estimate coverage --routes new/ --ingress old/ --from-access-log access.log
  estimate coverage --routes k8s/ --from-uris http://127.0.0.1:9911 \\
      --compared http://127.0.0.1:9911
  estimate coverage --routes k8s/ --from-access-log access.log --max-rejected 0.01% \\
      --format json                                                     # in CI

\b
Exit codes:
  0  the new routes serve what production serves
  2  bad input: every problem is listed on stderr
  3  confidence: low, such as requests that depend on a header that nobody recorded,
     or a part of the routes that is not judged
  4  refused: the source holds no request
  5  more requests than --max-rejected would be rejected or sent elsewhere
"""
SECTIONS = {
    **dict.fromkeys(("routes", *routes_options.OF_GATEWAY), "The new routes"),
    "ingress": "The routes of today",
    **requests_options.SECTIONS,
    "compared": "Cross-check",
    **dict.fromkeys(routes_options.OF_ASSUMPTIONS, "What the source does not record"),
    **dict.fromkeys(("max_rejected", "max_undecided"), "What is allowed"),
    **dict.fromkeys(("format", "full", "html"), "Output"),
}
_SHARES = Bounds(0.0, 1.0)


@click.command(
    cls=SectionedCommand,
    sections=SECTIONS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--routes",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="VirtualServices, HTTPRoutes and their Gateways: a YAML file, or a directory of them."
    " Repeatable.",
)
@routes_options.gateway_options
@click.option(
    "--ingress",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="The Ingresses by which ingress-nginx serves production today: another service or"
    " path than today is then elsewhere, and the report says why the two differ. Repeatable.",
)
@requests_options.requests_options
@click.option(
    "--compared",
    multiple=True,
    metavar="URL|FILE",
    help="Also check the routes by what a sidecar compared: its admin port, or its saved"
    " /comparison. Where the live Envoy routes otherwise than these objects, the confidence is low."
    " Repeatable.",
)
@routes_options.assumption_options
@click.option(
    "--max-rejected",
    metavar="SHARE",
    default="0",
    show_default=True,
    help="Most requests that may be rejected or sent elsewhere, as a share of those that production"
    " served: 0.001 or 0.1%.",
)
@click.option(
    "--max-undecided",
    metavar="SHARE",
    default="0",
    show_default=True,
    help="Most requests that may be undecided, likewise.",
)
@format_option
@click.option(
    "--full",
    is_flag=True,
    help="Print complete tables and all YAML, which JSON has in any event.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write one page that opens offline and prints.",
)
def coverage(**options: Any) -> None:
    """Say which requests of production the new routes would reject or send elsewhere.

    Judges every request that production received by the VirtualServices or HTTPRoutes that are to
    serve it, as Envoy would. For what would be lost: the rule that took it, the nearest rule, and
    the YAML to add.
    """
    with endings():
        source = requests_source_of(options)
        allowed, assumed = _read(options)
        answer = _answer(options, source, assumed)
        if options["html"] is not None:
            document = document_of(answer, allowed, __version__, PAGE)
            write_whole(options["html"], to_html(document))
    if options["format"] == "json":
        say_json(to_json(answer, allowed), nl=False)
    else:
        extent = FULL if options["full"] else SHORT
        print_text(document_of(answer, allowed, __version__, extent), sys.stdout)
    is_text = options["format"] == "text"
    end_with_doubts(doubts_of(answer, allowed), is_text, answer.is_lossy(allowed))


def _read(options: dict[str, Any]) -> tuple[Allowed, Assumed]:
    """Return what is allowed and what is assumed, and check the place of the page.

    Raises InputError with every problem.
    """
    problems: list[Problem] = []
    shares = {}
    for name in ("max_rejected", "max_undecided"):
        try:
            shares[name] = ratio(_SHARES)(options[name])
        except ValueError as error:
            problems.append(Problem(flag_of(name), str(error)))
    assumed = routes_options.read_assumed(options, problems)
    problems += missing_folder("--html", options["html"])
    if problems:
        raise InputError(problems)
    allowed = Allowed(shares["max_rejected"], shares["max_undecided"])
    return allowed, assumed


def _answer(options: dict[str, Any], source: RequestsSource, assumed: Assumed) -> Coverage:
    routes, before = _read_routes(options)
    compared = {name: read_compared(name) for name in options["compared"]}
    asked = asked_by(rule.conditions for table in routes.tables for rule in table.rules())
    observations = assumed.completed(requests_of(source, asked), asked)
    with working(f"Judging {len(observations.items):,} different requests") as bar:
        answer = analyse(routes, observations, before, bar)
    for name, document in compared.items():
        examples = assumed.completed(observations_of_examples(document, name, asked), asked)
        check = cross_check(routes.tables, document, examples.items, answer)
        answer = replace(
            answer,
            notes=(*answer.notes, *check.notes),
            doubts=(*answer.doubts, *check.doubts),
        )
    return answer


def _read_routes(options: dict[str, Any]) -> tuple[Routes, Before | None]:
    """Return the new routes, and those of today where they are given.

    Raises InputError with every problem of both.
    """
    problems: list[Problem] = []
    paths, today = options["routes"], options["ingress"]
    routes = attempt(lambda: routes_options.read_new_routes(paths, options), problems)
    ingresses = attempt(lambda: read_ingresses(today), problems) if today else None
    if routes is None or problems:
        raise InputError(problems)
    if ingresses is None:
        return routes, None
    explain = Differences(ingresses, routes.tables).explain
    return routes, Before(ingresses.decide, explain, ingresses.warnings, ingresses.left_out)
