"""Checks that sockets open once, and that only files of ended processes are taken over."""

import contextlib
import errno
import grp
import os
import resource
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.addresses import LONGEST_SOCKET_PATH_BYTES, TcpAddress, UnixAddress
from mirror.demo.processes import free_ports
from mirror.errors import ListenError
from mirror.process import listeners
from mirror.process.listeners import check_listener, open_listener


def test_a_unix_socket_gets_its_mode_and_group_and_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "run" / "mirror.sock"
    group = grp.getgrgid(os.getgid()).gr_name
    address = UnixAddress(str(path), mode="0620", group=group)
    listener = open_listener(address)
    assert stat.S_IMODE(path.stat().st_mode) == 0o620
    assert path.group() == group
    listener.close()
    assert not path.exists()


def test_a_stale_socket_file_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sock"
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(path))
    assert path.exists()
    listener = open_listener(UnixAddress(str(path)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()


def test_a_running_sidecar_keeps_its_socket(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "mirror.sock"))
    first = open_listener(address)
    with pytest.raises(ListenError, match=f"another sidecar \\(pid {os.getpid()}\\) answers"):
        open_listener(address)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address.path)
    first.close()
    open_listener(address).close()


def test_a_stranger_keeps_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sock"
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(path))
        stranger.listen()
        for _ in range(2):
            with pytest.raises(ListenError, match="another process answers"):
                open_listener(UnixAddress(str(path)))
    assert path.exists()


def test_workers_that_outlived_their_supervisor_are_no_hindrance(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "mirror.sock"))
    killed = open_listener(address)
    assert killed.lock is not None
    os.close(killed.lock)  # the kernel does this at a kill; a worker still has the socket open
    listener = open_listener(address)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address.path)
        listener.socket.settimeout(5)
        listener.socket.accept()[0].close()
    killed.socket.close()
    listener.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mirror.sock"
    path.write_text("precious")
    with pytest.raises(ListenError, match="is not a socket"):
        open_listener(UnixAddress(str(path)))
    assert path.read_text() == "precious"


@pytest.mark.parametrize("replace", [Path.symlink_to, Path.hardlink_to])
def test_a_link_in_place_of_the_new_socket_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: Callable[[Path, Path], None]
) -> None:
    """Another user of a shared directory wins the race between the socket and its mode."""
    secret = tmp_path / "secret"
    secret.touch(0o600)
    run = tmp_path / "run"
    bind = listeners._bind

    def bind_and_lose(listener: socket.socket, path: Path) -> None:
        bind(listener, path)
        path.unlink()
        replace(path, secret)

    monkeypatch.setattr(listeners, "_bind", bind_and_lose)
    with pytest.raises(ListenError, match="another user replaced the new socket"):
        open_listener(UnixAddress(str(run / "mirror.sock"), mode="0666"))
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert names(run) == ["mirror.sock.lock"]


@pytest.mark.parametrize(("mode", "is_refused"), [(0o777, True), (0o1777, False), (0o755, False)])
def test_a_directory_that_others_may_write_is_refused(
    tmp_path: Path, mode: int, is_refused: bool
) -> None:
    shared = tmp_path / "shared"
    (shared / "run").mkdir(parents=True)
    shared.chmod(mode)
    address = UnixAddress(str(shared / "run" / "mirror.sock"))
    if not is_refused:
        check_listener(address, is_ours=False)
        open_listener(address).close()
        return
    for refuse in (open_listener, lambda address: check_listener(address, is_ours=False)):
        with pytest.raises(ListenError, match=f"other users may write {shared} .*mode 0777"):
            refuse(address)
    assert names(shared / "run") == []


def test_a_lock_that_is_a_second_name_of_a_file_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "mirror.sock.lock").hardlink_to(precious)
    with pytest.raises(ListenError, match="is not the lock of a sidecar"):
        open_listener(UnixAddress(str(tmp_path / "mirror.sock")))
    assert precious.read_text() == "precious"


def test_a_link_in_place_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mirror.sock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ListenError, match="is not a socket"):
        open_listener(UnixAddress(str(tmp_path / "mirror.sock")))


def test_the_longest_path_that_can_be_reached_is_listened_on(tmp_path: Path) -> None:
    room = LONGEST_SOCKET_PATH_BYTES - len(f"{tmp_path}//m")
    path = tmp_path / ("f" * room) / "m"
    listener = open_listener(UnixAddress(str(path)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["m.lock"]


def test_an_unknown_group_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ListenError, match="there is no group no-such-group: expected one that exists"
    ):
        open_listener(UnixAddress(str(tmp_path / "mirror.sock"), group="no-such-group"))


def test_a_taken_port_is_named() -> None:
    first = open_listener(TcpAddress("127.0.0.1", 0))
    port = first.socket.getsockname()[1]
    with pytest.raises(ListenError, match=rf"127.0.0.1:{port}: .*by .*pid {os.getpid()}\)"):
        open_listener(TcpAddress("127.0.0.1", port))
    first.close()


def test_ipv6_is_listened_on() -> None:
    listener = open_listener(TcpAddress("::1", 0))
    assert listener.socket.family == socket.AF_INET6
    listener.close()


# --- the check without opening ---


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    for path in (tmp_path / "m.sock", tmp_path / "not/yet/m.sock"):
        check_listener(UnixAddress(str(path), group=group), is_ours=False)
    check_listener(TcpAddress("127.0.0.1", 0), is_ours=False)
    assert names(tmp_path) == []


def test_a_check_leaves_a_running_sidecar_alone(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "m.sock"))
    running = open_listener(address)
    before = (tmp_path / "m.sock").stat()
    with pytest.raises(ListenError, match=f"another sidecar \\(pid {os.getpid()}\\) answers"):
        check_listener(address, is_ours=False)
    check_listener(address, is_ours=True)
    assert (tmp_path / "m.sock").stat() == before
    assert names(tmp_path) == ["m.sock", "m.sock.lock"]
    running.close()
    check_listener(address, is_ours=False)
    open_listener(address).close()  # the check holds no lock any more


def test_a_check_finds_what_a_start_would_refuse(tmp_path: Path) -> None:
    path = tmp_path / "m.sock"
    for is_ours in (False, True):
        with pytest.raises(
            ListenError, match="there is no group no-such-group: expected one that exists"
        ):
            check_listener(UnixAddress(str(path), group="no-such-group"), is_ours)
    assert names(tmp_path) == []
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(path))
        stranger.listen()
        with pytest.raises(ListenError, match="another process answers"):
            check_listener(UnixAddress(str(path)), is_ours=False)
    path.unlink()
    path.write_text("precious")
    with pytest.raises(ListenError, match="is not a socket"):
        check_listener(UnixAddress(str(path)), is_ours=False)
    with pytest.raises(ListenError, match="this user may not create files in /proc; create it"):
        check_listener(UnixAddress("/proc/m.sock"), is_ours=False)
    with pytest.raises(ListenError, match="/proc/a does not exist, and this user may not create "):
        open_listener(UnixAddress("/proc/a/m.sock"))


def test_a_group_of_others_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may give a file to any group, so the kernel's refusal is played."""

    def refuse(path: object, user: int, group: int) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(path))

    monkeypatch.setattr(os, "chown", refuse)
    address = UnixAddress(str(tmp_path / "m.sock"), group=grp.getgrgid(os.getegid()).gr_name)
    for attempt in (open_listener, lambda given: check_listener(given, is_ours=False)):
        with pytest.raises(ListenError, match="is no member of the group .* 127.0.0.1:PORT"):
            attempt(address)


def test_a_check_names_who_holds_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = TcpAddress("127.0.0.1", server.getsockname()[1])
        with pytest.raises(ListenError, match=rf"{address}: .*by .*pid {os.getpid()}\)"):
            check_listener(address, is_ours=False)
        check_listener(address, is_ours=True)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_shut_listener_refuses_until_it_is_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mirror.sock"
    address = UnixAddress(str(path)) if kind == "unix" else TcpAddress("127.0.0.1", *free_ports(1))
    target = str(path) if isinstance(address, UnixAddress) else (address.host, address.port)
    family = socket.AF_UNIX if kind == "unix" else socket.AF_INET
    listener = open_listener(address)
    with socket.socket(family) as waiting, socket.socket(family) as late:
        waiting.connect(target)
        waiting.settimeout(5.0)
        for _ in range(2):
            listener.shut()
            with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
                late.connect(target)
        with contextlib.suppress(ConnectionResetError):
            assert waiting.recv(1) == b""
    for _ in range(2):
        listener.open()
        with socket.socket(family) as client:
            client.connect(target)
            accepted, _ = listener.socket.accept()
            accepted.setblocking(False)
            with accepted, pytest.raises(BlockingIOError):
                accepted.recv(1)  # it would return at once where the connection had ended
    listener.shut()
    listener.close()
    assert {name.name for name in tmp_path.iterdir()} <= {"mirror.sock.lock"}


def test_a_socket_that_was_shut_by_a_killed_supervisor_is_replaced(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "mirror.sock"))
    killed = open_listener(address)
    killed.shut()
    killed.socket.close()
    assert killed.lock is not None
    os.close(killed.lock)
    again = open_listener(address)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(address.path)
    assert {name.name for name in tmp_path.iterdir()} == {"mirror.sock", "mirror.sock.lock"}
    again.close()


def test_a_socket_is_shut_and_opened_again_without_a_free_descriptor(tmp_path: Path) -> None:
    address = UnixAddress(str(tmp_path / "mirror.sock"))
    listener = open_listener(address)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket(socket.AF_UNIX) as waiting, socket.socket(socket.AF_UNIX) as client:
        waiting.connect(address.path)
        waiting.settimeout(5.0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            listener.shut()
            with pytest.raises(FileNotFoundError):
                client.connect(address.path)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        listener.shut()
        assert waiting.recv(1) == b"", "it is closed once that is possible"
        listener.open()
        client.connect(address.path)
    listener.close()
