"""Deliberate mistakes in a real topology, each of which is found and named in several ways.

A test whose name starts with `control` shows by the servers' own logs and counters that the mistake
really happens in this world.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from estimator.commands.estimate import main as estimate
from mirror.commands.check import check as mirror_check
from tests.topology.conftest import wait_for
from tests.topology.envoy_parts import Object
from tests.topology.mistakes import HOST, SITES, UNUSED, World, ask, running_world

pytestmark = pytest.mark.topology

COUNT = 12
WATCH = [f"/watch/{number}" for number in range(COUNT)]
MISSED = ["/gone/1", "/old/1", "/login/1"]
"""What the new cluster does not serve: without a route, redirected by Envoy, and by the app."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Start every sidecar, and send the same requests through each way of mirroring."""
    with running_world() as found:
        start_sidecars(found)
        ask_everything(found)
        yield found


def start_sidecars(world: World) -> None:
    tls = {"url": world.url("tls_only", "https"), "tls": {"ca_file": str(world.authority)}}
    configs = {
        "routes": world.config("routes", "inline", "gateway_routes"),
        "plaintext": world.config("plaintext", "inline", "tls_only"),
        "no_certificate": world.config("no_certificate", "inline", "tls_only", shadow=tls),
        # Without accept_server the sidecar does not start: see test_log_nginx_is_refused.
        "to_log_nginx": world.config(
            "to_log_nginx", "sink", "log_nginx", shadow={"accept_server": ["nginx"]}
        ),
        "lossy": world.config(
            "lossy",
            "sink",
            "gateway_lossy",
            comparison={"access_log": f"udp://127.0.0.1:{world.ports['log_source']}"},
        ),
    }
    for name in SITES:
        log = {"access_log": f"file:{world.log_path(name)}"}
        config = configs.get(name) or world.config(name, "sink", f"gateway_{name}", comparison=log)
        world.launch(name, config, world.other_clock if name == "lossy" else None)
    for name in configs.keys() - set(SITES):
        world.launch(name, configs[name])
    world.wait_for_sidecars()


def ask_everything(world: World) -> None:
    assert ask(world.socket("routes"), [*WATCH, *MISSED]) == [200] * (COUNT + len(MISSED))
    for name in ("plaintext", "no_certificate"):
        assert ask(world.socket(name), WATCH) == [200] * COUNT
    for name in SITES:
        assert ask(world.ports[name], WATCH) == [200] * COUNT
    for name in world.sidecars:
        count = COUNT + len(MISSED) if name == "routes" else COUNT
        assert wait_for(lambda name=name, count=count: ended(world.ledger(name)) == count)


def ended(ledger: Object) -> int:
    """Return how many legs have ended or were not started."""
    return sum(ledger["outcomes"].values()) + sum(ledger["shed"].values())


def requests(lines: list[Object]) -> list[Object]:
    """Return the lines without the probes of a sidecar."""
    return [line for line in lines if line["method"] == "GET"]


def ids_in(lines: list[Object]) -> Counter[str]:
    """Return how often the id of each request stands in a log."""
    return Counter(line["id"] for line in requests(lines))


def check(config: Path, *options: str) -> tuple[int, dict[str, list[str]]]:
    """Return the exit code of `mirror check`, and where it found what, by the code of a finding."""
    arguments = ["-c", str(config), "--host", HOST, "--format", "json", *options]
    done = CliRunner().invoke(mirror_check, arguments)
    return done.exit_code, serious(done.stdout)


def serious(document: str) -> dict[str, list[str]]:
    """Leave out notes, and what is said about the machine that the test runs on."""
    places: dict[str, list[str]] = {}
    for finding in json.loads(document)["findings"]:
        code = finding["code"]
        is_of_machine = code.startswith("host.") and code != "host.clock_differs"
        if finding["severity"] != "note" and not is_of_machine:
            places.setdefault(code, []).append(finding["where"])
    return places


# --- No mistake ---


def test_nothing_is_found_where_nothing_is_wrong(world: World) -> None:
    _, places = check(world.config_of("correct"))
    assert places == {}


# --- The shadow is the nginx that logs ---


def test_control_log_nginx_logs_each_request_again(world: World) -> None:
    ids = ids_in(world.logged("to_log_nginx"))
    assert len(ids) == COUNT and set(ids.values()) == {1}
    assert wait_for(lambda: ids_in(world.logged("log_nginx")) == ids)


def test_check_refuses_the_log_nginx(world: World) -> None:
    config = world.config(UNUSED, "sink", "log_nginx")
    assert check(config) == (4, {"shadow.log_nginx": [world.url("log_nginx")]})


# --- nginx mirrors twice ---


def test_control_two_mirror_lines_send_two_copies(world: World) -> None:
    ledger = world.ledger("mirrored_twice")
    assert (ledger["seen"], ledger["repeated"]) == (COUNT, COUNT)
    ids = ids_in(world.logged("mirrored_twice"))
    assert wait_for(lambda: ids_in(world.logged("gateway_mirrored_twice")) == ids)


def test_control_a_second_mirror_goes_past_the_sidecar(world: World) -> None:
    ledger = world.ledger("mirrored_past_us")
    assert (ledger["seen"], ledger["repeated"]) == (COUNT, 0)
    ids = ids_in(world.logged("mirrored_past_us"))

    def arrived() -> list[Object]:
        return requests(world.logged("gateway_mirrored_past_us"))

    assert wait_for(lambda: ids_in(arrived()) == dict.fromkeys(ids, 2))
    assert Counter(line["leg"] for line in arrived()) == {"shadow": COUNT, None: COUNT}


# --- Envoy misses a route; the application redirects elsewhere ---


def test_control_envoy_misses_a_route(world: World) -> None:
    def answered() -> set[tuple[str, int, str]]:
        lines = requests(world.logged("gateway_routes"))
        return {(line["uri"], int(line["status"]), line["flags"]) for line in lines}

    expected = {(target, 200, "-") for target in WATCH}
    expected |= {("/gone/1", 404, "NR"), ("/old/1", 302, "-"), ("/login/1", 302, "-")}
    assert wait_for(lambda: answered() == expected)


def test_check_names_the_missing_route_and_the_redirect(world: World) -> None:
    gateway = world.url("gateway_routes")
    assert check(world.config_of("routes")) == (
        1,
        {"shadow.route_miss": [f"{gateway}/gone/"], "shadow.redirect": [f"{gateway}/old/"]},
    )


def test_coverage_names_the_missing_route(world: World) -> None:
    routes = world.directory / "routes.yaml"
    routes.write_text(yaml.safe_dump(virtual_service("/watch/", "/old/", "/login/")))
    source = f"http://127.0.0.1:{world.sidecars['routes'].admin_port}"
    arguments = ["coverage", "--routes", str(routes), "--from-uris", source, "--format", "json"]

    def lost() -> tuple[int, list[tuple[str, int]]]:
        done = CliRunner().invoke(estimate, arguments)
        groups = json.loads(done.stdout)["lost"] if done.exit_code != 2 else []
        return done.exit_code, [(group["path"], group["requests"]) for group in groups]

    # The counts of URIs reach the supervisor later than those of the ledger.
    assert wait_for(lambda: lost() == (5, [("/gone/{number}", 1)]))


def virtual_service(*prefixes: str) -> Object:
    """Return the rules of the listener `gateway_routes`."""
    destination = {"host": "app.shop.svc.cluster.local", "port": {"number": 80}}
    matches = [{"uri": {"prefix": prefix}} for prefix in prefixes]
    rule = {"match": matches, "route": [{"destination": destination}]}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "site", "namespace": "shop"},
        "spec": {"hosts": [HOST], "gateways": ["site"], "http": [rule]},
    }


# --- Strict mutual TLS ---


@pytest.mark.parametrize("name", ["plaintext", "no_certificate"])
def test_control_nothing_gets_through_strict_mtls(world: World, name: str) -> None:
    ledger = world.ledger(name)
    assert set(ledger["outcomes"]) == {"connect_failed"}
    assert ledger["primary"] == {"2xx": COUNT}, "production is served all the same"
    assert world.arrived("tls_only") == 0


def test_check_names_strict_mtls(world: World) -> None:
    http, https = (world.url("tls_only", scheme) for scheme in ("http", "https"))
    assert check(world.config_of("plaintext")) == (3, {"shadow.mtls": [http]})
    assert check(world.config_of("no_certificate")) == (3, {"shadow.client_certificate": [https]})


def test_strict_mtls_is_the_cause_of_the_breaker(world: World) -> None:
    causes = {}
    for name in ("plaintext", "no_certificate"):
        (worker,) = world.sidecars[name].status()["workers"]
        causes[name] = worker["breaker_cause"]
    assert "mutual TLS mode STRICT does with plain HTTP" in causes["plaintext"]
    assert "requires a client certificate" in causes["no_certificate"]


# --- Clocks apart ---


def test_check_names_the_clock(world: World) -> None:
    command = [sys.executable, "-P", "-m", "mirror", "check", "--format", "json", "-c"]
    done = subprocess.run(
        [*command, str(world.config_of("lossy"))],
        env={**os.environ, **world.other_clock},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    places = serious(done.stdout)
    assert (done.returncode, places) == (1, {"host.clock_differs": [world.url("gateway_lossy")]})
