"""Checks what is found on this host that `mirror serve` would refuse, and what nginx would meet."""

import grp
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirror.config import Config, parse
from mirror.demo.processes import free_ports
from mirror.preflight.host import closed_sockets, idle_timeout, obstacles, risks, unwritable


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder below directories that everyone can search."""
    with tempfile.TemporaryDirectory(prefix="kagami-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def configured(folder: Path, **keys: Any) -> Config:
    listen, admin = free_ports(2)
    document = {
        "listen": f"127.0.0.1:{listen}",
        "shadow": {"url": "http://127.0.0.1:1"},
        "admin": f"127.0.0.1:{admin}",
        "series": {"path": f"{folder}/series.db"},
        **keys,
    }
    return parse(yaml.safe_dump(document))


def test_a_host_that_has_everything_is_no_obstacle(folder: Path) -> None:
    capture = {"path": f"{folder}/not/yet"}
    config = configured(folder, listen=f"unix:{folder}/run/m.sock", capture=capture)
    assert obstacles(config, ()) == []
    assert list(folder.iterdir()) == []


def test_every_obstacle_is_listed_with_its_key(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = f"127.0.0.1:{server.getsockname()[1]}"
        config = configured(
            folder,
            listen=[{"path": f"{folder}/m.sock", "group": "no-such-group"}, f"{taken}"],
            admin=taken.replace("127.0.0.1", "127.0.0.2"),
        )
        found = obstacles(config, ())
        assert obstacles(config, {taken}) == [found[0]]
    assert found[0] == (
        f"listen: cannot listen on unix:{folder}/m.sock: there is no group no-such-group: "
        "expected one that exists and that nginx's workers are in, such as www-data on Debian"
    )
    assert found[1].startswith(f"listen: cannot listen on {taken}: Address already in use, by ")


def test_folders_that_cannot_be_written_are_warnings(folder: Path) -> None:
    """The sidecar serves without them, so they are no obstacle."""
    series, capture = {"path": f"{folder}/missing/series.db"}, {"path": "/proc/capture"}
    config = configured(folder, series=series, capture=capture)
    found = unwritable(config)
    assert [(finding.code, finding.where) for finding in found] == [
        ("host.folder", "series.path"),
        ("host.folder", "capture.path"),
    ]
    assert found[0].what.startswith(f"The folder {folder}/missing cannot be written: ")
    assert found[1].what.startswith("The folder /proc cannot be written: ")
    assert obstacles(config, ()) == unwritable(configured(folder)) == []


def test_root_and_tls_without_a_check_are_risks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert risks(configured(folder)) == []
    shadow = {"url": "https://h", "tls": {"verify": False}}
    primary = {"primary": "https://h", "primary_tls": {"verify": False}}
    config = configured(folder, mode="inline", shadow=shadow, **primary)
    found = risks(config)
    assert [finding.where for finding in found] == ["shadow.tls.verify", "primary_tls.verify"]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert [finding.code for finding in risks(config)] == [
        "host.root",
        "host.tls_not_verified",
        "host.tls_not_verified",
    ]


def test_nginx_must_not_keep_connections_longer(folder: Path) -> None:
    assert idle_timeout(configured(folder)) == []
    (finding,) = idle_timeout(configured(folder, timeouts={"idle": 60}))
    assert finding.code == "host.idle_timeout" and "timeouts.idle is 1m:" in finding.what


def test_a_taken_admin_port_is_an_obstacle(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        admin = f"127.0.0.1:{server.getsockname()[1]}"
        config = configured(folder, admin=admin)
        (found,) = obstacles(config, ())
        assert found.startswith(f"admin: cannot listen on {admin}: Address already in use")
        assert found.endswith("and give it to the other commands with --admin")
        assert obstacles(config, {admin}) == []


def test_a_series_that_is_off_needs_no_folder(folder: Path) -> None:
    off = {"enabled": False, "path": "/proc/series.db"}
    assert obstacles(configured(folder, series=off), ()) == []


@pytest.mark.parametrize(
    ("keys", "folder_mode", "words"),
    [
        ({"mode": "0660", "group": "root"}, 0o755, []),
        ({"mode": "0666"}, 0o755, []),
        ({"mode": "0660"}, 0o755, ["without `group` only members of "]),
        ({"mode": "0600", "group": "root"}, 0o755, ["lets only the owner connect"]),
        ({"mode": "0660", "group": "root"}, 0o700, ["group root cannot search "]),
        ({"mode": "0666"}, 0o750, ["other users cannot search "]),
        ({"mode": "0660"}, 0o700, ["without `group` only members of ", " cannot search "]),
    ],
)
def test_a_socket_that_nginx_cannot_reach_is_warned_of(
    folder: Path, keys: dict[str, str], folder_mode: int, words: list[str]
) -> None:
    if keys.get("group") == "root":
        keys = keys | {"group": grp.getgrgid(os.getegid()).gr_name}
        words = [word.replace("root", keys["group"]) for word in words]
    config = configured(folder, listen=[{"path": f"{folder}/m.sock", **keys}, "127.0.0.1:1"])
    folder.chmod(folder_mode)
    found = closed_sockets(config)
    assert len(found) == bool(words)
    for word in words:
        assert word in found[0].what
        assert found[0].where == f"listen unix:{folder}/m.sock"


def test_the_socket_of_the_log_is_one_that_nginx_must_reach(folder: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        log = f"udp://127.0.0.1:{other.getsockname()[1]}"
        config = configured(folder, comparison={"access_log": log})
        (problem,) = obstacles(config, ())
        assert problem.startswith(f"comparison.access_log: cannot listen on {log}: ")
        assert obstacles(config, {log}) == []
    closed = {"path": f"{folder}/log.sock", "mode": "0600"}
    config = configured(folder, comparison={"access_log": closed})
    (finding,) = closed_sockets(config)
    assert finding.where == f"comparison.access_log unix:{folder}/log.sock"
    assert "mode 0600 lets only the owner connect" in finding.what
    assert obstacles(config, ()) == []
    switched_off = {"access_log": closed, "enabled": False}
    assert closed_sockets(configured(folder, comparison=switched_off)) == []
