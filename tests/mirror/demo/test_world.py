"""Starts the whole demo once with nginx and once without, and sends one request to each."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.demo import world
from mirror.demo.processes import Processes, fetch, find_program
from mirror.demo.world import start_world

pytestmark = pytest.mark.topology


@pytest.fixture
def directory() -> Iterator[Path]:
    # The name of tmp_path may be too long for a unix socket.
    with tempfile.TemporaryDirectory(prefix="kagami-") as name:
        yield Path(name)


@pytest.mark.parametrize("with_nginx", [True, False], ids=["nginx", "inline"])
def test_request_reaches_primary_and_shadow(directory: Path, with_nginx: bool) -> None:
    if with_nginx and find_program("nginx") is None:
        pytest.skip("no nginx here: apt-get install nginx-light")
    with Processes(directory) as processes:
        running = start_world(processes, directory, directory, with_nginx=with_nginx)
        assert running.mode == ("sink" if with_nginx else "inline")
        answer = fetch(running.front_port, "/watch/1")
        assert answer is not None
        assert json.loads(answer.body)["app"] == "primary-app"
        ledger = running.sidecar.settled_ledger()
    assert (ledger["seen"], ledger["outcomes"]) == (1, {"2xx": 1})
    assert running.series.is_file()


def test_without_envoy_the_app_is_the_shadow(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "find_envoy", lambda: None)
    with Processes(directory) as processes:
        running = start_world(processes, directory, directory, with_nginx=False)
        assert running.envoy is None
        # Without Envoy there is no undeclared route.
        assert fetch(running.front_port, "/") is not None
        ledger = running.sidecar.settled_ledger()
    assert ledger["outcomes"] == {"2xx": 1}
