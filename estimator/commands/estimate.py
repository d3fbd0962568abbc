"""The `estimate` command: the group, its options and its help.

Without a subcommand it makes the report (report.py).
"""

from typing import Any

import click

from estimator import __version__
from estimator.commands import policy_options, report, sources
from estimator.commands.exits import endings
from estimator.commands.help_sections import SectionedGroup

COMMANDS = {
    "coverage": "estimator.commands.switching.coverage:coverage",
    "order": "estimator.commands.switching.order:order",
    "switch-plan": "estimator.commands.switching.switch_plan:switch_plan",
    "table": "estimator.commands.table:table",
    "verify": "estimator.commands.verify:verify",
}
"""Subcommand -> module and name of its click command. A report loads none of them."""

EPILOG = """\b
Examples:
  estimate --from-series series.db --table table.yaml
  estimate --from-series series.db --table table.yaml --html report.html
  estimate --from-series series.db --table table.yaml --growth 3%/month --event 2.5x \\
      --slo-p99 250ms --zones 3 --nodes nodes.yaml --manifests k8s/
  estimate --from-series series.db --table table.yaml --explain watch
  estimate --from-series series.db --table table.yaml --against k8s/    # in CI
  DD_API_KEY=... DD_APP_KEY=... estimate --from-datadog --service watch --env prod \\
      --since 7d --site datadoghq.eu --table table.yaml
  estimate --from-prometheus https://prometheus.example.com --since 7d --table table.yaml
  estimate --from-access-log '/var/log/nginx/access.log*' --table table.yaml

\b
Exit codes:
  0  confidence: ok
  2  bad input: every problem is listed on stderr
  3  confidence: low, such as less than a week observed, or more than a tenth of
     the time in gaps; the report is printed with every reason
  4  refused: no rows, no traffic, or a peak too far outside the table; no number
     printed
  5  the manifests of --against differ from what the report asks for
"""


@click.group(
    cls=SectionedGroup,
    lazy=COMMANDS,
    sections=sources.SECTIONS | policy_options.SECTIONS | report.SECTIONS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
    subcommand_metavar="[COMMAND]",
)
@sources.source_options
@report.evidence_options
@policy_options.policy_options
@report.output_options
@click.version_option(__version__, prog_name="estimate")
@click.pass_context
def main(context: click.Context, /, **options: Any) -> None:
    """Compute how many replicas, and how much CPU and memory, every pod and gateway needs.

    Combines the peak of a recorded rps series with a load-test correspondence table, which says
    what each component used at a given load. Every figure comes with its reason. Where the table
    has no evidence, estimate refuses to answer.
    """
    if context.invoked_subcommand is None:
        named = sources.set_by_user(context)
        with endings():
            report.run(
                sources.source_of(options, named),
                report.output_of(options),
                {name: options[name] for name in policy_options.SECTIONS},
            )
