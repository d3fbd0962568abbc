"""Checks what is said of sockets that nginx's workers cannot reach."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.addresses import TcpAddress, UnixAddress
from mirror.process.access import barriers, describe, group_name, intruders

OURS = os.getegid()
NOT_OURS = OURS + 1


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of our group below directories that everyone can search."""
    with tempfile.TemporaryDirectory(prefix="kagami-") as name:
        yield Path(name)


@pytest.mark.parametrize(
    ("folder_mode", "group_id", "mode", "is_reached"),
    [
        (0o755, NOT_OURS, 0o660, True),
        (0o710, OURS, 0o660, True),
        (0o710, NOT_OURS, 0o660, False),
        (0o710, OURS, 0o666, False),  # for users of any group
        (0o711, NOT_OURS, 0o666, True),
        (0o700, OURS, 0o660, False),
    ],
)
def test_every_directory_must_be_searchable(
    folder: Path, folder_mode: int, group_id: int, mode: int, is_reached: bool
) -> None:
    (folder / "run").mkdir()
    folder.chmod(folder_mode)
    found = barriers(f"{folder}/run/not yet/m.sock", group_id, mode)
    assert len(found) == (not is_reached)
    if not is_reached:
        who = "other users" if mode == 0o666 else f"group {group_name(group_id)}"
        assert found[0].startswith(f"{who} cannot search {folder} (owner ")
        assert found[0].endswith(f"mode {folder_mode:04o})")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_a_mode_for_the_owner_alone_is_named(folder: Path, mode: int) -> None:
    expected = [f"mode {mode:04o} lets only the owner connect"]
    assert barriers(f"{folder}/m.sock", OURS, mode) == expected


def test_a_link_is_followed(folder: Path) -> None:
    (folder / "real").mkdir(mode=0o700)
    (folder / "link").symlink_to("real")
    folder.chmod(0o755)
    (found,) = barriers(f"{folder}/link/m.sock", NOT_OURS, 0o660)
    assert str(folder / "real") in found


def test_a_socket_is_described_with_what_is_above_it(folder: Path) -> None:
    path = folder / "m.sock"
    address = UnixAddress(str(path))
    assert describe(address) == f"unix:{path} (No such file or directory)"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        folder.chmod(0o700)
        shown = describe(address)
    assert shown.startswith(f"unix:{path} (owner ") and "mode 0666); other users cannot" in shown
    assert describe(TcpAddress("127.0.0.1", 80)) == "127.0.0.1:80"


def test_a_group_without_a_name_is_a_number() -> None:
    assert group_name(123456789) == "123456789"


def test_a_directory_of_another_user_has_an_intruder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert intruders(folder / "m.sock") is None
    monkeypatch.setattr(os, "geteuid", lambda: 10**6)
    if folder.stat().st_uid == 0:
        os.chown(folder, 10**6 + 1, -1)
    found = intruders(folder / "m.sock")
    assert found is not None and f"{folder} belongs to another user" in found


@pytest.mark.parametrize(("group_id", "is_found"), [(OURS, False), (NOT_OURS, True)])
def test_a_group_may_write_only_where_it_is_ours(
    folder: Path, monkeypatch: pytest.MonkeyPatch, group_id: int, is_found: bool
) -> None:
    folder.chmod(0o770)
    monkeypatch.setattr(os, "getegid", lambda: group_id)
    if folder.stat().st_gid == 0:
        os.chown(folder, -1, OURS + 2 if is_found else OURS)
    assert (intruders(folder / "m.sock") is not None) is is_found
