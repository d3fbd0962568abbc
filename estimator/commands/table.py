"""`estimate table`: what a correspondence table is worth, before anything is sized with it."""

import click

from estimator.commands.table_import import import_results


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def table() -> None:
    """Check, fit, plot or make a correspondence table."""


table.add_command(import_results)
