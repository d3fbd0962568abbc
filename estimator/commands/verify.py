"""`estimate verify`: predicted against observed cpu and memory while traffic is mirrored."""

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def verify() -> None:
    """Compare what a table predicts with what was used."""
    raise click.UsageError("nothing to compare yet")
