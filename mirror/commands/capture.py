"""`mirror capture`: switches the recording of a running sidecar on for a while, or off.

This module owns what a person sees; the configuration of the sidecar says where it records to and
what it redacts.
"""

from datetime import UTC, datetime

import click

from mirror.addresses import TcpAddress
from mirror.commands.admin_client import admin_option, change, token_option
from mirror.commands.arguments import Written
from mirror.formats.terminal import say
from mirror.spans import read_span_s


@click.group()
def capture() -> None:
    """Switch the recording of production requests on or off.

    The configuration applies again when the sidecar reloads or starts.

    \b
    Exit codes:
      0  switched
      2  an argument cannot be used
      3  no sidecar answers at the address
      4  the sidecar refuses and says why, for example without capture.path

    \b
    Examples:
      mirror capture on --for 10m
      mirror capture off --admin 10.0.0.5:9911 --token-file token
    """


@capture.command()
@click.option(
    "--for",
    "for_s",
    required=True,
    metavar="SPAN",
    type=Written("span", read_span_s),
    help="For how long, such as 90s or 10m.",
)
@admin_option
@token_option
def on(for_s: float, admin: TcpAddress, token: bytes | None) -> None:
    """Record from now on, for SPAN."""
    answer = change(admin, "/capture", {"for_s": for_s}, token)
    until = datetime.fromtimestamp(answer["until"], UTC).isoformat(timespec="seconds")
    say(f"recording to {answer['path']} until {until}")


@capture.command()
@admin_option
@token_option
def off(admin: TcpAddress, token: bytes | None) -> None:
    """Stop recording."""
    answer = change(admin, "/capture", {"for_s": 0}, token)
    say(f"no longer recording to {answer['path']}")
