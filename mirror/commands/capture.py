"""`mirror capture`: switch the recording of a running sidecar on for a while, or off.

Owns what a person sees; where it records to and what it redacts stand in its configuration.
"""

from datetime import UTC, datetime

import click

from mirror.addresses import TcpAddress
from mirror.commands.admin_client import admin_option, change
from mirror.commands.arguments import Written, read_span_s


@click.group()
def capture() -> None:
    """Record production requests, until the sidecar's next reload or start.

    \b
    Exit codes:
      0  switched
      2  an argument cannot be used
      3  no sidecar answers there
      4  the sidecar refuses, and says why: without capture.path it does not know where to

    \b
    Examples:
      mirror capture on --for 10m
      mirror capture off --admin 127.0.0.1:9911
    """


@capture.command()
@click.option(
    "--for",
    "for_s",
    required=True,
    metavar="SPAN",
    type=Written("span", read_span_s),
    help="How long: 90s, 10m.",
)
@admin_option
def on(for_s: float, admin: TcpAddress) -> None:
    """Record from now on, for SPAN."""
    answer = change(admin, "/capture", {"for_s": for_s})
    until = datetime.fromtimestamp(answer["until"], UTC).isoformat(timespec="seconds")
    click.echo(f"recording to {answer['path']} until {until}")


@capture.command()
@admin_option
def off(admin: TcpAddress) -> None:
    """Record no more."""
    answer = change(admin, "/capture", {"for_s": 0})
    click.echo(f"no longer recording to {answer['path']}")
