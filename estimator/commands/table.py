"""`estimate table`: make a correspondence table, and judge it before you size with it."""

import click

from estimator.commands.table_check import check
from estimator.commands.table_fit import fit
from estimator.commands.table_import import import_results
from estimator.commands.table_plot import plot

EPILOG = """\b
Examples:
  estimate table check table.yaml
  estimate table fit table.yaml
  estimate table plot table.yaml -o curves.html
  estimate table import replay.json -o table.yaml
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
def table() -> None:
    """Make, check, fit or plot a correspondence table."""


for command in (check, fit, plot, import_results):
    table.add_command(command)
