"""Listening sockets, opened once by the supervisor and inherited by every worker.

Invariant: a unix socket belongs to the process that holds the lock beside it (PATH.lock). The
kernel releases the lock when that process ends, however it ends. With the lock, a socket file that
was left behind is replaced in one step, by renaming, so that nginx always finds a socket that
listens. Without the lock nothing is touched. The lock file stays, because removing it could remove
another process's. Owner, group and mode are changed through a descriptor of the new file and never
by its name, which another user could have turned into a link to a file of ours.

Where no worker could accept, a listener is shut: a client is refused when it connects, before it
has sent a request that could not be repeated. A TCP socket stops listening and listens again. A
unix socket could not be made to listen again, so its file goes by another name meanwhile.
"""

import contextlib
import errno
import fcntl
import grp
import logging
import os
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mirror.addresses import Address, TcpAddress, UdpAddress, UnixAddress
from mirror.errors import ListenError
from mirror.process.access import intruders

log = logging.getLogger(__name__)

BACKLOG = 4096
ADMIN_ADVICE = (
    "; write another address as `admin:` into mirror.yaml, and give it to the other commands with"
    " --admin"
)
_TCP_STATE_LISTEN = "0A"
_OF_THE_FOLDER = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EROFS)


@dataclass(slots=True)
class Listener:
    """One open listening socket, or one that takes datagrams."""

    address: Address | UdpAddress
    socket: socket.socket
    lock: int | None = None
    """Descriptor that holds the lock of a unix socket."""
    is_shut: bool = False

    def fileno(self) -> int:
        return self.socket.fileno()

    def shut(self) -> None:
        """Refuse connections, and close those that wait. No worker may be accepting."""
        try:
            if isinstance(self.address, UnixAddress):
                if not self.is_shut:
                    path = Path(self.address.path)
                    path.rename(_hidden(path))
                    self.is_shut = True
                self._close_waiting()
            elif not self.is_shut:  # a second time would end every later connection
                self.socket.shutdown(socket.SHUT_RD)
                self.is_shut = True
        except OSError as error:
            log.error("connections to %s wait for a worker: %s", self.address, error)

    def open(self) -> None:
        """Take connections again."""
        if not self.is_shut:
            return
        try:
            if isinstance(self.address, UnixAddress):
                path = Path(self.address.path)
                _hidden(path).rename(path)
            else:
                self.socket.listen(BACKLOG)
            self.is_shut = False
        except OSError as error:
            log.error("nobody can connect to %s: %s", self.address, error)

    def _close_waiting(self) -> None:
        self.socket.setblocking(False)
        with contextlib.suppress(OSError):  # none waits, or no descriptor is free: shut again
            while True:
                self.socket.accept()[0].close()

    def close(self) -> None:
        """Close the socket, and remove the file of a unix socket."""
        self.socket.close()
        if isinstance(self.address, UnixAddress):
            path = Path(self.address.path)
            path.unlink(missing_ok=True)
            _hidden(path).unlink(missing_ok=True)
        if self.lock is not None:
            os.close(self.lock)


def open_listener(address: Address) -> Listener:
    """Open a listening socket for `address`. Raises ListenError."""
    try:
        if isinstance(address, UnixAddress):
            return _open_unix(address)
        return Listener(address, _open_tcp(address))
    except OSError as error:
        raise _refusal(address, error) from error


def open_datagrams(address: UdpAddress | UnixAddress) -> Listener:
    """Open a socket that takes datagrams at `address`. Raises ListenError."""
    try:
        if isinstance(address, UnixAddress):
            return _open_unix(address, socket.SOCK_DGRAM)
        return Listener(address, _bind_udp(address))
    except OSError as error:
        raise _refusal(address, error) from error


def check_listener(address: Address | UdpAddress, is_ours: bool) -> None:
    """Raise ListenError where opening it would; replaces nothing and leaves nothing behind.

    `is_ours` says that the running sidecar of the same configuration holds this address.
    """
    try:
        if isinstance(address, UnixAddress):
            _check_unix(address, is_ours)
        elif isinstance(address, UdpAddress):
            if not is_ours:
                _bind_udp(address).close()
        elif not is_ours:
            _bind_tcp(address).close()
    except OSError as error:
        raise _refusal(address, error) from error


def reason(error: OSError, port: int) -> str:
    """Return why a TCP port cannot be listened on, with the process that holds it."""
    if error.errno != errno.EADDRINUSE:
        return str(error)
    holder = _holder_of(port)
    return os.strerror(errno.EADDRINUSE) + (f", by {holder}" if holder else "")


def _refusal(address: Address | UdpAddress, error: OSError) -> ListenError:
    why: object = error
    if isinstance(address, TcpAddress):
        why = reason(error, address.port)
    elif isinstance(address, UnixAddress) and error.errno in _OF_THE_FOLDER:
        why = _folder_refusal(Path(address.path).absolute().parent)
    return ListenError(f"cannot listen on {address}: {why}")


def _folder_refusal(folder: Path) -> str:
    """Return why no socket can be made in `folder`, and what to do."""
    existing = next(each for each in (folder, *folder.parents) if os.path.exists(each))
    why = f"this user may not create files in {folder}"
    if existing != folder:
        why = f"{folder} does not exist, and this user may not create it in {existing}"
    return f"{why}; create it for this user, choose another path, or listen on 127.0.0.1:PORT"


def _bind_tcp(address: TcpAddress) -> socket.socket:
    family, _, _, _, resolved = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(resolved)
    except OSError:
        listener.close()
        raise
    return listener


def _bind_udp(address: UdpAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.bind((address.host, address.port))
    except OSError:
        bound.close()
        raise
    return bound


def _open_tcp(address: TcpAddress) -> socket.socket:
    listener = _bind_tcp(address)
    try:
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _open_unix(address: UnixAddress, kind: socket.SocketKind = socket.SOCK_STREAM) -> Listener:
    path = Path(address.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _refuse_shared(path)
    lock = _lock(path)
    listener = socket.socket(socket.AF_UNIX, kind)
    fresh = path.with_name(f".{os.getpid()}")
    try:
        _refuse_other_file(path)
        fresh.unlink(missing_ok=True)
        _bind(listener, fresh)
        file = os.open(fresh, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _grant(file, address, stat.S_ISSOCK)
        finally:
            os.close(file)
        if kind == socket.SOCK_STREAM:
            listener.listen(BACKLOG)
        fresh.rename(path)
        _hidden(path).unlink(missing_ok=True)
    except OSError:
        fresh.unlink(missing_ok=True)
        listener.close()
        os.close(lock)
        raise
    return Listener(address, listener, lock)


def _hidden(path: Path) -> Path:
    """Return the name of a unix socket's file while the socket is shut."""
    return path.with_name(f".{path.name}.shut")


def _bind(listener: socket.socket, path: Path) -> None:
    """Bind to `path`, which may be longer than a client could use."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def _check_unix(address: UnixAddress, is_ours: bool) -> None:
    path = Path(address.path)
    _refuse_other_file(path)
    if not is_ours:
        _refuse_held(path)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    _refuse_shared(folder / path.name)
    trial = folder / f".{os.getpid()}"
    file = os.open(trial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        _grant(file, address, stat.S_ISREG)
    finally:
        os.close(file)
        trial.unlink()


def _refuse_other_file(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(f"{path} exists and is not a socket; remove it or choose another path")


def _refuse_shared(path: Path) -> None:
    if (why := intruders(path)) is not None:
        raise OSError(
            f"{why}, so others could put a socket of theirs in place of ours; choose a directory "
            "that only its owner may write, such as /run/mirror, or listen on loopback"
        )


def _refuse_held(path: Path) -> None:
    """Raise OSError while another process has the socket; takes its lock for an instant only."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        _refuse_stranger(path)
        return
    try:
        _take(lock, path, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def _refuse_stranger(path: Path) -> None:
    if _answers(path):
        raise OSError(f"another process answers on {path}; stop it first")


def _grant(file: int, address: UnixAddress, is_expected: Callable[[int], bool]) -> None:
    """Give the file behind a descriptor, which must be ours and have one name, group and mode."""
    state = os.fstat(file)
    if not is_expected(state.st_mode) or state.st_uid != os.geteuid() or state.st_nlink != 1:
        raise OSError("another user replaced the new socket")
    path = f"/proc/self/fd/{file}"  # O_PATH takes no fchmod; this name leads to the file itself
    if address.group is not None:
        try:
            group_id = grp.getgrnam(address.group).gr_gid
        except KeyError:
            raise OSError(
                f"there is no group {address.group}: expected one that exists and that nginx's "
                "workers are in, such as www-data on Debian"
            ) from None
        try:
            os.chown(path, -1, group_id)
        except PermissionError:
            raise OSError(
                f"this user is no member of the group {address.group} and may not give it the "
                "socket: choose a `group` of this user that nginx's workers are in, too, or listen "
                "on 127.0.0.1:PORT"
            ) from None
    os.chmod(path, int(address.mode, 8))


def _lock(path: Path) -> int:
    """The lock of the socket at `path`; raises OSError while another process holds it.

    Where the lock is free and its file was there, whoever still answers on the socket are workers
    whose supervisor was killed: they drain, and the address is free. Where there was none, what
    answers is not ours.
    """
    lock_path = Path(f"{path}.lock")
    is_new = not lock_path.exists()
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    lock = os.open(lock_path, flags, 0o600)
    try:
        state = os.fstat(lock)
        if not stat.S_ISREG(state.st_mode) or state.st_nlink != 1:
            raise OSError(f"{lock_path} is not the lock of a sidecar; remove it")
        _take(lock, path, fcntl.LOCK_EX)
        if is_new:
            try:
                _refuse_stranger(path)
            except OSError:
                lock_path.unlink()
                raise
        os.ftruncate(lock, 0)
        os.write(lock, b"%d\n" % os.getpid())
    except OSError:
        os.close(lock)
        raise
    return lock


def _take(lock: int, path: Path, kind: int) -> None:
    """Lock the descriptor of a lock file; raises OSError while another process holds it."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode("ascii", "replace").strip()
        raise OSError(f"another sidecar (pid {holder}) answers on {path}; stop it first") from None


def _answers(path: Path) -> bool:
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        # A full queue also belongs to a listener, and EPROTOTYPE to a socket for datagrams;
        # ECONNREFUSED means that nobody listens.
        return probe.connect_ex(str(path)) in (0, errno.EAGAIN, errno.EPROTOTYPE)


def _holder_of(port: int) -> str:
    """Return who listens on a TCP port, as far as /proc shows it to this user; else empty."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        inodes |= {
            row[9]
            for row in rows
            if row[3] == _TCP_STATE_LISTEN and int(row[1].rpartition(":")[2], 16) == port
        }
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if not stat.S_ISSOCK(descriptor.stat().st_mode):
                continue
            inode = str(descriptor.stat().st_ino)
            if inode in inodes:
                pid = descriptor.parts[2]
                return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (pid {pid})"
        except OSError:
            continue
    return ""
