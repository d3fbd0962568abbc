"""Checks that a canary finds the deliberate mistakes of a real topology."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from mirror.__main__ import main
from tests.topology.conftest import wait_for
from tests.topology.mistakes import World, running_world

pytestmark = pytest.mark.topology

GATEWAYS = {
    "correct": "gateway_correct",
    "mirrored_twice": "gateway_mirrored_twice",
    "to_log_nginx": "log_nginx",
}
Found = tuple[int, dict[str, Any], dict[str, str]]
"""The exit code, the document, and what was found by code."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running_world() as found:
        for name, gateway in GATEWAYS.items():
            accepted = {"accept_server": ["nginx"]} if gateway == "log_nginx" else {}
            found.launch(name, found.config(name, "sink", gateway, shadow=accepted))
        found.wait_for_sidecars()
        yield found


def admin(world: World, name: str) -> str:
    return f"127.0.0.1:{world.sidecars[name].admin_port}"


def canary(world: World, name: str, *more: object) -> Found:
    logs = ("--access-log", world.log_path(name), "--gateway-log", world.log_path("log_nginx"))
    words = ("canary", f"{world.url(name)}/watch/1", "--admin", admin(world, name), *logs, *more)
    # Found at once where it is found; a loaded machine needs longer.
    done = CliRunner().invoke(main, [*map(str, words), "--wait", "60s", "--format", "json"])
    assert done.exit_code != 2, done.output
    document = json.loads(done.stdout)
    return done.exit_code, document, {f["code"]: f["what"] for f in document["findings"]}


def test_it_is_counted_once_where_nothing_is_wrong(world: World) -> None:
    log = world.log_path("gateway_correct")
    envoy = ("--envoy-log", log, "--envoy-admin", world.url("envoy_admin"))
    code, document, found = canary(world, "correct", *envoy)
    assert (code, found.keys()) == (0, {"canary.shadow_answer"})
    assert document["sidecar"]["copies"] == document["sidecar"]["legs"] == 1
    assert document["sidecar"]["status"] == 200


def test_it_finds_the_log_that_copies_are_in(world: World) -> None:
    code, _, found = canary(world, "to_log_nginx")
    assert code == 4
    assert "canary.copy_logged" in found


def test_it_finds_nginx_that_mirrors_twice(world: World) -> None:
    _, document, found = canary(world, "mirrored_twice")
    assert found["canary.mirrored_twice"] == "2 copies came"
    assert document["sidecar"]["repeated"] == 1


def test_what_the_ratio_leaves_out_goes_straight_to_the_shadow(world: World) -> None:
    words = ["set", "ratio", "0", "--admin", admin(world, "to_log_nginx")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    results: list[Found] = []

    def is_left_out() -> bool:
        results.append(canary(world, "to_log_nginx"))  # the worker obeys a moment later
        return bool(results[-1][1]["sidecar"]["why_none"] == "ratio")

    assert wait_for(is_left_out, 30)
    code, document, found = results[-1]
    assert code == 4 and "canary.copy_logged" in found
    assert document["marked_answer"]["status"] == 200
