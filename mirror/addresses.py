"""Addresses as users write them: of listeners, upstreams and the Datadog Agent.

This module owns their types and their notation. It resolves no name and opens no socket.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta

LONGEST_SOCKET_PATH_BYTES = 107
"""The kernel's sun_path without its final NUL; a longer path can neither be bound nor reached."""

_HOST = re.compile(r"[A-Za-z0-9._:%-]+")

Text = Annotated[str, Meta(min_length=1, description="a non-empty string")]
SocketPath = Annotated[str, "the path of a unix socket, relative or absolute"]
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
    path: SocketPath
    mode: FileMode = "0660"
    """Permissions of the socket file: nginx usually runs as another user."""
    group: Text | None = None
    """Group that owns the socket file; None keeps the group of the process."""

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress
AgentAddress = Annotated[Address, "a datagram socket"]


@dataclass(frozen=True, slots=True)
class UdpAddress:
    host: str
    """An IP address."""
    port: int

    def __str__(self) -> str:
        return f"udp://{TcpAddress(self.host, self.port)}"


@dataclass(frozen=True, slots=True)
class FileAddress:
    path: Text

    def __str__(self) -> str:
        return f"file:{self.path}"


LogAddress = Annotated[
    UdpAddress | UnixAddress | FileAddress, "where nginx's access log comes from"
]


@dataclass(frozen=True, slots=True)
class Url:
    """The origin of an upstream; it never has a path."""

    host: str
    """Host name or IP address, or the path of a unix socket."""
    port: int
    """TCP port, or 0 for a unix socket."""
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


def read_socket_path(value: object) -> str:
    """Read the path of a unix socket; raises ValueError whose message says what is expected."""
    if not isinstance(value, str) or not value:
        raise ValueError("a non-empty string")
    if (length := len(value.encode(errors="replace"))) > LONGEST_SOCKET_PATH_BYTES:
        raise ValueError(
            f"the path of a socket to have at most {LONGEST_SOCKET_PATH_BYTES} bytes, not {length}"
        )
    return value


def read_tcp_address(value: object) -> TcpAddress:
    """Read HOST:PORT; raises ValueError whose message says what is expected."""
    expected = "an address such as 127.0.0.1:9911"
    if not isinstance(value, str) or value.startswith("unix:"):
        raise ValueError(expected)
    return _split_port(value, expected)


def read_listen_address(value: object) -> Address:
    """Read HOST:PORT or unix:PATH; raises ValueError whose message says what is expected."""
    expected = "an address such as 127.0.0.1:8080 or unix:run/mirror.sock"
    if not isinstance(value, str):
        raise ValueError(expected)
    if value.startswith("unix:"):
        if not (path := value.removeprefix("unix:")):
            raise ValueError(expected)
        return UnixAddress(read_socket_path(path))
    return _split_port(value, expected)


def read_url(value: object) -> Url:
    """Read the URL of an upstream; raises ValueError whose message says what is expected."""
    expected = "a URL such as http://127.0.0.1:3000 or unix:PATH, without path, query or user"
    if not isinstance(value, str):
        raise ValueError(expected)
    if value.startswith("unix:"):
        if not (path := value.removeprefix("unix:").removeprefix("//")):
            raise ValueError(expected)
        return Url(read_socket_path(path), 0)
    try:
        parts = urlsplit(value)
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


def read_log_address(value: object) -> UdpAddress | UnixAddress | FileAddress:
    """Read where an access log comes from; raises ValueError that says what is expected."""
    expected = "udp://IP:PORT, unix:PATH or file:PATH"
    if not isinstance(value, str):
        raise ValueError(expected)
    scheme, _, rest = value.partition(":")
    path = rest.removeprefix("//")
    if scheme == "unix" and path:
        return UnixAddress(read_socket_path(path))
    if scheme == "file" and path:
        return FileAddress(path)
    address = _read_udp(value, expected)
    return UdpAddress(address.host, address.port)


def read_agent_address(value: object) -> Address:
    """Read the Agent's address; raises ValueError whose message says what is expected."""
    expected = "udp://IP:PORT or unix:///path/to/dsd.socket"
    if not isinstance(value, str):
        raise ValueError(expected)
    if value.startswith("unix:///"):
        return UnixAddress(read_socket_path(value.removeprefix("unix://")))
    # The client would resolve a name again after each refused datagram, on the sending thread.
    return _read_udp(value, expected)


def _read_udp(value: str, expected: str) -> TcpAddress:
    """Read udp://IP:PORT; raises ValueError that says what is expected."""
    if not value.startswith("udp://"):
        raise ValueError(expected)
    address = _split_port(value.removeprefix("udp://"), expected)
    try:
        ipaddress.ip_address(address.host)
    except ValueError:
        raise ValueError(f"{expected} (an IP, not a name)") from None
    return address
