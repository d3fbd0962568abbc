"""Checks that an upstream that is the sidecar itself is found, and no other."""

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirror.config import parse
from mirror.preflight.circle import circles


def found(listen: Any, primary: str, shadow: str = "http://192.0.2.1:80") -> list[str]:
    document = {
        "mode": "inline",
        "listen": listen,
        "primary": primary,
        "shadow": {"url": shadow},
        "admin": "127.0.0.1:9911",
    }
    return circles(parse(yaml.safe_dump(document)))


@pytest.mark.parametrize(
    ("listen", "primary"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("127.0.0.1:8080", "http://localhost:8080"),
        ("localhost:8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:8080", "http://127.0.0.9:8080"),
        (["127.0.0.1:8081", "127.0.0.1:8080"], "http://127.0.0.1:8080"),
        ("127.0.0.1:80", "http://127.0.0.1"),
        ("127.0.0.1:8080", "http://127.0.0.1:9911"),
        ("unix:run/mirror.sock", "unix:./run/../run/mirror.sock"),
    ],
)
def test_a_circle_is_found(listen: Any, primary: str) -> None:
    (problem,) = found(listen, primary)
    assert problem.startswith("primary: ")
    assert "own address" in problem


@pytest.mark.parametrize(
    ("listen", "primary"),
    [
        ("127.0.0.1:8080", "http://127.0.0.1:8081"),
        ("127.0.0.1:8080", "http://127.0.0.2:8080"),
        ("0.0.0.0:8080", "http://192.0.2.1:8080"),
        ("127.0.0.1:8080", "http://no-such-host.invalid:8080"),
        ("unix:run/mirror.sock", "unix:run/app.sock"),
        ("unix:run/mirror.sock", "http://127.0.0.1:8080"),
        ("127.0.0.1:8080", "unix:run/mirror.sock"),
    ],
)
def test_other_servers_are_no_circle(listen: Any, primary: str) -> None:
    assert found(listen, primary) == []


def test_the_shadow_may_be_no_circle_either() -> None:
    (problem,) = found("127.0.0.1:8080", "http://127.0.0.1:3000", "http://127.0.0.1:8080")
    assert problem.startswith("shadow.url: ")


def test_a_link_to_the_socket_is_the_socket(tmp_path: Path) -> None:
    link = tmp_path / "link.sock"
    link.symlink_to(tmp_path / "mirror.sock")
    assert found(f"unix:{tmp_path}/mirror.sock", f"unix:{link}")


def test_the_name_of_this_host_is_this_host() -> None:
    try:
        socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        pytest.skip("this host does not resolve its own name")
    assert found("0.0.0.0:8080", f"http://{socket.gethostname()}:8080")
