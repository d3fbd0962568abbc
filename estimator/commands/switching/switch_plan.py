"""`estimate switch-plan`: the steps of the day, with the replicas that each one needs.

Every problem that is visible before the series is read is reported at once, as by `estimate`. Files
are written only after all of them are made.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from estimator.commands import policy_options, sources
from estimator.commands.exits import end_with_doubts, endings
from estimator.commands.help_sections import SectionedCommand
from estimator.commands.report import attempt, check_paths, missing_folder, table_of
from estimator.commands.sources import check_source, read_source, source_of
from estimator.commands.switching import plan_options, site_options
from estimator.commands.switching.ended_legs import legs_of
from estimator.commands.switching.output_options import format_option
from estimator.errors import InputError, Problem
from estimator.migration.order.moves import Front
from estimator.migration.switch_plan.plan import SwitchPlan, plan_switch
from estimator.report.manifests import check_names
from estimator.report.markdown import to_markdown
from estimator.report.switch_plan.content import plan_document
from estimator.report.switch_plan.data import plan_json
from estimator.report.switch_plan.files import plan_files
from estimator.report.switch_plan.runbook import runbook_of
from estimator.report.text import print_text
from estimator.text_files import write_set, write_whole
from mirror.formats.progress import working
from mirror.formats.terminal import say_json

EPILOG = """\b
Examples:
  estimate switch-plan --from-series series.db --table table.yaml
  estimate switch-plan --from-series series.db --table table.yaml --paths '/watch/{id}' \\
      --at 2026-12-01T10:00 --zone Europe/Berlin --markdown runbook.md
  estimate switch-plan --from-series series.db --table table.yaml --steps 1,10,50,100 \\
      --hold 1h --pod-start 90s --format json
  estimate switch-plan --from-series series.db --table table.yaml --phase 2 \\
      --swarm 10.0.0.7:8080 --ingressgateway 10.0.1.9:30081 --output switch/

\b
Exit codes:
  0  confidence: ok
  2  bad input: every problem is listed on stderr
  3  confidence: low, such as less than a week observed; the plan is printed with
     every reason
  4  refused: no rows, no traffic, or a load too far outside the table; no plan
"""
_DAY = policy_options.policy_options_but(*plan_options.NOT_OF_A_DAY)
_OUTPUT = ("format", "markdown", "output")
SECTIONS = {
    **plan_options.SECTIONS,
    **sources.SECTIONS,
    "table": "Evidence and targets",
    **{
        field: heading
        for field, heading in policy_options.SECTIONS.items()
        if field not in plan_options.NOT_OF_A_DAY
    },
    **dict.fromkeys(_OUTPUT, "Output"),
    **dict.fromkeys(site_options.NAMES, "Snippets of --output"),
}


@click.command("switch-plan", cls=SectionedCommand, sections=SECTIONS, epilog=EPILOG)
@plan_options.plan_options
@sources.source_options
@click.option(
    "--table",
    default="example",
    metavar="FILE",
    help="Correspondence table (YAML or CSV). The default `example` is a bundled table that only"
    " shows the format.",
)
@_DAY
@site_options.site_options
@format_option
@click.option(
    "--markdown",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the whole plan for the people who do it, as Markdown.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write a new folder with the commands, HPA patches and snippets of every step.",
)
@click.pass_context
def switch_plan(context: click.Context, /, **options: Any) -> None:
    """Plan the day on which requests move to the new side, step by step.

    Before each step: the replicas that its share of the load needs at that hour of the week,
    minReplicas raised to them, and the mirror as warm-up. During it: what stops it, and the way
    back. After the last one: when to lower the minima again. The steps are simulated over the
    recorded weeks, with the raised minima and with the HPA alone.
    """
    named = sources.set_by_user(context)
    source = source_of(options, named)
    # --front also says what the sidecar sees.
    if options["output"] is None and (useless := named & set(site_options.NAMES) - {"front"}):
        shown = ", ".join(map(sources.flag_of, sorted(useless)))
        raise click.UsageError(f"{shown}: only the snippets of --output DIR show it.")
    with endings():
        plan, moves = _planned(source, options)
        _write_files(plan, moves, options)
    if options["format"] == "json":
        say_json(plan_json(plan), nl=False)
    else:
        print_text(plan_document(plan), sys.stdout)
    end_with_doubts(plan.low_confidence, options["format"] == "text")


def _planned(
    source: sources.Source, options: dict[str, Any]
) -> tuple[SwitchPlan, plan_options.Moves]:
    """Return the plan and how each path moves. Raises InputError and Refused."""
    problems: list[Problem] = []
    policy = attempt(lambda: policy_options.read_policy(options), problems)
    sites = attempt(lambda: site_options.sites_of(options, ()), problems)
    percents = None if sites is None else sites.percents
    wanted = attempt(lambda: plan_options.read_wanted(options, percents, policy), problems)
    table = attempt(lambda: table_of(options["table"]), problems)
    attempt(lambda: check_source(source), problems)
    moves: plan_options.Moves | None = ()
    if options["output"] is not None and policy and sites and table:
        paths, templates, phase = options["paths"], table.templates, policy.phase
        moves = attempt(lambda: plan_options.read_moves(paths, templates, sites, phase), problems)
    problems += _places(options["markdown"], options["output"])
    if problems or policy is None or wanted is None or table is None or moves is None:
        raise InputError(problems)
    # The sidecar is beside nginx: where that divides the requests, it sees all of them.
    wanted = replace(wanted, sees_all=policy.phase == 2 and options["front"] == Front.NGINX)
    series = read_source(source, table.templates)
    check_paths(policy, series)
    plan_options.check_already(wanted, series)
    with working(f"Planning {len(wanted.percents)} steps"):
        return plan_switch(series, table, policy, wanted, legs_of(source)), moves


def _places(markdown: Path | None, output: Path | None) -> list[Problem]:
    problems = missing_folder("--markdown", markdown)
    if output is not None and output.is_dir() and any(output.iterdir()):
        rule = "is not empty; a plan gets a folder of its own, without steps of another one"
        problems.append(Problem("--output", f"{output} {rule}"))
    return problems


def _write_files(plan: SwitchPlan, moves: plan_options.Moves, options: dict[str, Any]) -> None:
    # Make every file before writing the first, so that a failure leaves nothing behind.
    markdown, output = options["markdown"], options["output"]
    runbook = None
    if markdown is not None:
        check_names(plan.projection)  # they are part of its commands
        runbook = to_markdown(runbook_of(plan, moves))
    folders = {} if output is None else plan_files(plan, moves)
    if markdown is not None and runbook is not None:
        write_whole(markdown, runbook)
    for folder, files in folders.items():
        write_set(output / folder, files)
