"""Addresses as people write them: where to listen, where an upstream or the Agent is.

Owns their types and their spelling. Nothing is resolved here and no socket is opened.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

_HOST = re.compile(r"[A-Za-z0-9._:%-]+")

Text = Annotated[str, Meta(min_length=1, description="a non-empty string")]
FileMode = Annotated[
    str, Meta(pattern=r"^0[0-7]{3}$", description='a quoted octal mode such as "0660"')
]


@dataclass(frozen=True, slots=True)
class TcpAddress:
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: Text
    mode: FileMode = "0660"
    """Permissions of the socket file: nginx usually runs as another user."""
    group: Text | None = None
    """Group that owns the socket file; None leaves the process's own."""

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress
AgentAddress = Annotated[Address, "a datagram socket"]


@dataclass(frozen=True, slots=True)
class Url:
    """Origin of an upstream, without a path."""

    host: str
    """Name or address; for a unix socket its path."""
    port: int
    """0 for a unix socket."""
    is_tls: bool = False

    def __str__(self) -> str:
        if not self.port:
            return f"unix:{self.host}"
        scheme = "https" if self.is_tls else "http"
        return f"{scheme}://{TcpAddress(self.host, self.port)}"


def _split_port(text: str, expected: str) -> TcpAddress:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    is_port = port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536
    if not (colon and is_port and _HOST.fullmatch(host)):
        raise ValueError(expected)
    return TcpAddress(host, int(port))


def read_tcp_address(got: object) -> TcpAddress:
    expected = "an address such as 127.0.0.1:9911"
    if not isinstance(got, str) or got.startswith("unix:"):
        raise ValueError(expected)
    return _split_port(got, expected)


def read_listen_address(got: object) -> Address:
    expected = "an address such as 127.0.0.1:8080 or unix:run/mirror.sock"
    if not isinstance(got, str):
        raise ValueError(expected)
    if got.startswith("unix:"):
        if not (path := got.removeprefix("unix:")):
            raise ValueError(expected)
        return UnixAddress(path)
    return _split_port(got, expected)


def read_url(got: object) -> Url:
    """The URL of an upstream; raises ValueError that says what was expected."""
    expected = "a URL such as http://127.0.0.1:3000 or unix:PATH, without path, query or user"
    if not isinstance(got, str):
        raise ValueError(expected)
    if got.startswith("unix:"):
        if not (path := got.removeprefix("unix:").removeprefix("//")):
            raise ValueError(expected)
        return Url(path, 0)
    try:
        parts = urlsplit(got)
        is_tls = parts.scheme == "https"
        port = (443 if is_tls else 80) if parts.port is None else parts.port
    except ValueError:
        raise ValueError(expected) from None
    extra = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    is_http = is_tls or parts.scheme == "http"
    if not is_http or not port or extra or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError(expected)
    assert parts.hostname is not None
    return Url(parts.hostname, port, is_tls)


def read_agent_address(got: object) -> Address:
    expected = "udp://IP:PORT or unix:///path/to/dsd.socket"
    if not isinstance(got, str):
        raise ValueError(expected)
    if got.startswith("unix:///"):
        return UnixAddress(got.removeprefix("unix://"))
    if not got.startswith("udp://"):
        raise ValueError(expected)
    address = _split_port(got.removeprefix("udp://"), expected)
    try:
        ipaddress.ip_address(address.host)
    except ValueError:
        # A name would be looked up again after each refused datagram, on the sending thread.
        raise ValueError(f"{expected} (an IP, not a name)") from None
    return address
