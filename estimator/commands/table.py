"""`estimate table`: what a correspondence table is worth, before anything is sized with it."""

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def table() -> None:
    """Check, fit, plot or make a correspondence table."""
