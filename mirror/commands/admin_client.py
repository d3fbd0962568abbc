"""The client of the admin port, for the commands that ask or change a running sidecar.

What changes a sidecar exits with 3 where none answers, and with 4 where it refuses. A token comes
from a file only: everybody on the host can read a command line, and many can read an environment.
"""

import http.client
import json
import sys
from typing import Any

import click

from mirror.addresses import TcpAddress, read_tcp_address
from mirror.admin.token_file import read_token
from mirror.errors import ConfigError
from mirror.formats.terminal import say

EXIT_UNREACHABLE = 3
EXIT_REFUSED = 4
_TIMEOUT_S = 10.0
MOST_ANSWER_BYTES = 4 << 20
_NEXT = "Is it running? Its address is `admin:` of mirror.yaml; name another one with --admin"


class AdminAddress(click.ParamType[TcpAddress]):
    """The address of an admin port on a command line."""

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
    type=AdminAddress(),
    default="127.0.0.1:9911",
    show_default=True,
    metavar="HOST:PORT",
    help="The sidecar's admin port.",
)


class TokenFile(click.ParamType[bytes | None]):
    """A file with the token of `admin_token_file`, read with the same care as the sidecar does."""

    name = "file"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes | None:
        if isinstance(value, bytes):
            return value
        try:
            return read_token(value)
        except ConfigError as error:
            self.fail("\n".join(error.problems), param, ctx)


token_option = click.option(
    "--token-file",
    "token",
    type=TokenFile(),
    envvar="MIRROR_ADMIN_TOKEN_FILE",
    show_envvar=True,
    metavar="FILE",
    help="File with the token of admin_token_file, for an admin port that asks for it.",
)


class NoSidecarError(Exception):
    """No sidecar answers; the message names the address and the reason."""


def fetch_status(admin: TcpAddress) -> dict[str, Any]:
    """Return the answer of /status. Raises NoSidecarError."""
    status, answer = _exchange(admin, "GET", "/status")
    if status != 200 or not isinstance(answer.get("ledger"), dict):
        raise NoSidecarError(f"no sidecar answers on {admin}: it answers something else. {_NEXT}")
    return answer


def change(
    admin: TcpAddress, path: str, body: dict[str, object], token: bytes | None = None
) -> dict[str, Any]:
    """POST `body` as JSON and return the answer; print the reason and exit if there is none."""
    try:
        status, answer = _exchange(admin, "POST", path, json.dumps(body), token)
    except NoSidecarError as error:
        say(f"mirror: {error}", err=True)
        sys.exit(EXIT_UNREACHABLE)
    if status != 200:
        say(f"mirror: {admin} refuses: {answer.get('error')}", err=True)
        sys.exit(EXIT_REFUSED)
    return answer


def fetch(
    admin: TcpAddress, path: str, most_bytes: int, token: bytes | None = None
) -> tuple[int, bytes]:
    """Return the status and at most so many bytes of what a GET brings. Raises NoSidecarError."""
    return _ask(admin, "GET", path, None, most_bytes, token)


def _exchange(
    admin: TcpAddress, method: str, path: str, body: str | None = None, token: bytes | None = None
) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON object of an answer. Raises NoSidecarError."""
    status, page = _ask(admin, method, path, body, MOST_ANSWER_BYTES, token)
    try:
        answer = json.loads(page)
        if not isinstance(answer, dict):
            raise ValueError("expected a JSON object")
    except (ValueError, RecursionError) as error:
        raise NoSidecarError(f"no sidecar answers on {admin}: {error}. {_NEXT}") from error
    return status, answer


def _ask(
    admin: TcpAddress,
    method: str,
    path: str,
    body: str | None,
    most_bytes: int,
    token: bytes | None,
) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token.decode('ascii')}"
    connection = http.client.HTTPConnection(admin.host, admin.port, timeout=_TIMEOUT_S)
    try:
        connection.request(method, path, body, headers)
        with connection.getresponse() as response:
            return response.status, response.read(most_bytes)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise NoSidecarError(f"no sidecar answers on {admin}: {why}. {_NEXT}") from error
    finally:
        connection.close()
