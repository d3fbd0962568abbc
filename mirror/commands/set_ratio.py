"""`mirror set`: change what a running sidecar does, through its admin port.

Owns what a person sees and the exit codes; what may be changed is proxy/supervisor.py's.
"""

import http.client
import json
import sys
from typing import Any

import click

from mirror.addresses import TcpAddress, read_tcp_address

EXIT_UNREACHABLE = 3
EXIT_REFUSED = 4
_TIMEOUT_S = 10.0


class _AdminAddress(click.ParamType[TcpAddress]):
    name = "address"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> TcpAddress:
        try:
            return value if isinstance(value, TcpAddress) else read_tcp_address(value)
        except ValueError as error:
            self.fail(f"expected {error}", param, ctx)


@click.group("set")
def set_group() -> None:
    """Change what a running sidecar does, until its next reload or start."""


@set_group.command()
@click.argument("ratio", type=click.FloatRange(0, 10))
@click.option(
    "--admin",
    type=_AdminAddress(),
    default="127.0.0.1:9911",
    show_default=True,
    metavar="HOST:PORT",
    help="The sidecar's admin port.",
)
def ratio(ratio: float, admin: TcpAddress) -> None:
    """Mirror RATIO of the requests from now on, as shadow.ratio would; it ends a ramp.

    \b
    Exit codes:
      0  changed
      2  RATIO or HOST:PORT cannot be used
      3  no sidecar answers there
      4  the sidecar refuses, and says why

    \b
    Examples:
      mirror set ratio 0.1
      mirror set ratio 0 --admin 127.0.0.1:9911
    """
    connection = http.client.HTTPConnection(admin.host, admin.port, timeout=_TIMEOUT_S)
    headers = {"Content-Type": "application/json"}
    try:
        connection.request("POST", "/ratio", json.dumps({"ratio": ratio}), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        click.echo(f"mirror: no sidecar answers on {admin}: {error}", err=True)
        sys.exit(EXIT_UNREACHABLE)
    finally:
        connection.close()
    if response.status != 200:
        click.echo(f"mirror: {admin} refuses: {answer.get('error')}", err=True)
        sys.exit(EXIT_REFUSED)
    click.echo(f"ratio was {answer['was']:g}, is {answer['ratio']:g}")
    if answer["ended_ramp"]:
        click.echo("the ramp has ended; the next reload or start begins it anew")
