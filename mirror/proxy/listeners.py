"""Listening sockets, opened once by the supervisor and inherited by every worker.

A unix socket file that nobody answers on is left over from a crash and is taken over; one that
answers belongs to a running process and is refused.
"""

import os
import shutil
import socket
from pathlib import Path

from mirror.addresses import Address, TcpAddress, UnixAddress
from mirror.errors import ListenError

BACKLOG = 4096


def open_listener(address: Address) -> socket.socket:
    """A listening socket for `address`; raises ListenError."""
    try:
        if isinstance(address, UnixAddress):
            return _open_unix(address)
        return _open_tcp(address)
    except (OSError, LookupError) as error:
        raise ListenError(f"cannot listen on {address}: {error}") from error


def remove_listener(address: Address, listener: socket.socket) -> None:
    """Close, and leave no socket file behind."""
    listener.close()
    if isinstance(address, UnixAddress):
        Path(address.path).unlink(missing_ok=True)


def _open_tcp(address: TcpAddress) -> socket.socket:
    family, _, _, _, resolved = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(resolved)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _open_unix(address: UnixAddress) -> socket.socket:
    path = Path(address.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _take_over(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        if address.group is not None:
            shutil.chown(path, group=address.group)
        os.chmod(path, int(address.mode, 8))
        listener.listen(BACKLOG)
    except (OSError, LookupError):
        listener.close()
        raise
    return listener


def _take_over(path: Path) -> None:
    if not path.is_socket():
        raise OSError(f"{path} exists and is not a socket; remove it or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OSError(f"another process answers on {path}; stop it first")
