"""`mirror set`: change what a running sidecar does, through its admin port.

This module owns the output and the exit codes; process/supervisor.py decides what may be changed.
"""

import click

from mirror.addresses import TcpAddress
from mirror.commands.admin_client import admin_option, change, token_option
from mirror.commands.arguments import Written
from mirror.config import read_ratio_text
from mirror.formats.terminal import say


@click.group("set")
def set_group() -> None:
    """Change a running sidecar until its next reload or start."""


# Unknown options are left to RATIO, so that it says of -0.5 what is expected.
@set_group.command(context_settings={"ignore_unknown_options": True})
@click.argument("ratio", type=Written("ratio", read_ratio_text))
@admin_option
@token_option
def ratio(ratio: float, admin: TcpAddress, token: bytes | None) -> None:
    """Mirror RATIO of the requests from now on, as shadow.ratio does. This ends a ramp.

    \b
    Exit codes:
      0  changed
      2  RATIO, HOST:PORT or the token's file cannot be used
      3  no sidecar answers there
      4  the sidecar refuses, and says why

    \b
    Examples:
      mirror set ratio 0.1
      mirror set ratio 0 --admin 10.0.0.5:9911 --token-file token
    """
    answer = change(admin, "/ratio", {"ratio": ratio}, token)
    say(f"ratio was {answer['was']:g}, is {answer['ratio']:g}")
    if answer["ended_ramp"]:
        say("the ramp has ended; the next reload or start begins it again")
