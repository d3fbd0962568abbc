"""The client of the admin port, for the commands that change a running sidecar.

They all exit with 3 where no sidecar answers, and with 4 where it refuses.
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


admin_option = click.option(
    "--admin",
    type=_AdminAddress(),
    default="127.0.0.1:9911",
    show_default=True,
    metavar="HOST:PORT",
    help="The sidecar's admin port.",
)


def change(admin: TcpAddress, path: str, body: dict[str, object]) -> dict[str, Any]:
    """POST `body` as JSON and return the answer; print the reason and exit if there is none."""
    connection = http.client.HTTPConnection(admin.host, admin.port, timeout=_TIMEOUT_S)
    headers = {"Content-Type": "application/json"}
    try:
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        click.echo(f"mirror: no sidecar answers on {admin}: {error}", err=True)
        sys.exit(EXIT_UNREACHABLE)
    finally:
        connection.close()
    if response.status != 200:
        click.echo(f"mirror: {admin} refuses: {answer.get('error')}", err=True)
        sys.exit(EXIT_REFUSED)
    return answer
