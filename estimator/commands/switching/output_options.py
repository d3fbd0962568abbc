"""The output option that the commands of the switch share."""

import click

format_option = click.option(
    "--format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format: text to read, or JSON as in docs/formats.md.",
)
