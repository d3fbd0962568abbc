"""Deliberate mistakes in a real topology, each of which is found and named in several ways.

docs/operations.md has the table of the mistakes and of what names them. A test whose name starts
with `control` shows by the servers' own logs that the mistake really happens. The tests are in the
order in which the world gets older: an audit judges whole seconds.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from estimator.commands.estimate import main as estimate
from mirror.commands.audit import audit as mirror_audit
from mirror.commands.canary import canary as mirror_canary
from mirror.commands.check import check as mirror_check
from mirror.commands.compare import compare as mirror_compare
from mirror.demo.processes import fetch
from tests.topology.conftest import wait_for
from tests.topology.envoy_parts import Object
from tests.topology.mistakes import (
    CLOCK_S,
    HOST,
    LOST_LINES,
    SITES,
    UNUSED,
    World,
    ask,
    running_world,
)

pytestmark = pytest.mark.topology

AUDIT = Path(__file__).parents[2] / "docs/audit.md"
OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
COUNT = 12
WATCH = [f"/watch/{number}" for number in range(COUNT)]
MISSED = ["/gone/1", "/old/1", "/login/1"]
"""What the new cluster does not serve: without a route, redirected by Envoy, and by the app."""


@pytest.fixture(scope="module")
def started() -> Iterator[World]:
    """Start every sidecar."""
    with running_world() as world:
        tls = {"url": world.url("tls_only", "https"), "tls": {"ca_file": str(world.authority)}}
        datagrams = {"access_log": f"udp://127.0.0.1:{world.ports['log_source']}"}
        configs = {
            "routes": world.config("routes", "inline", "gateway_routes"),
            "plaintext": world.config("plaintext", "inline", "tls_only"),
            "no_certificate": world.config("no_certificate", "inline", "tls_only", shadow=tls),
            # Without accept_server the sidecar does not start: a check says so below.
            "to_log_nginx": world.config(
                "to_log_nginx", "sink", "log_nginx", shadow={"accept_server": ["nginx"]}
            ),
            "lossy": world.config(
                "lossy",
                "sink",
                "gateway_lossy",
                comparison=datagrams,
                capture={"path": str(world.home("lossy") / "capture")},
            ),
        }
        for name in set(SITES) - set(configs):
            followed = {"access_log": f"file:{world.log_path(name)}"}
            configs[name] = world.config(name, "sink", f"gateway_{name}", comparison=followed)
        for name, config in configs.items():
            world.launch(name, config, world.other_clock if name == "lossy" else None)
        world.wait_for_sidecars()
        yield world


@pytest.fixture(scope="module")
def world(started: World) -> World:
    """Send the same requests through each way of mirroring."""
    # The second in which a sidecar starts and the one behind it are not judged.
    started.sleep_until(started.ready_s + 2)
    assert ask(started.socket("routes"), [*WATCH, *MISSED]) == [200] * (COUNT + len(MISSED))
    for name in ("plaintext", "no_certificate"):
        assert ask(started.socket(name), WATCH) == [200] * COUNT
    for name in SITES:
        assert ask(started.ports[name], WATCH) == [200] * COUNT
    for name in started.sidecars:
        count = COUNT + len(MISSED) if name == "routes" else COUNT
        assert wait_for(lambda name=name, count=count: ended(started.ledger(name)) == count)
    for name in SITES:
        assert wait_for(lambda name=name: len(started.logged(name)) == COUNT)
    # Only now, so that nothing belongs to a later second.
    started.asked_s = int(time.time())
    return started


@pytest.fixture(scope="module")
def stopped(world: World) -> World:
    """Stop the sidecars, so that their series are whole."""
    world.sleep_until(world.asked_s + 2)
    world.stop_sidecars()
    return world


def ended(ledger: Object) -> int:
    """Return how many legs have ended or were not started."""
    return sum(ledger["outcomes"].values()) + sum(ledger["shed"].values())


def requests(lines: list[Object]) -> list[Object]:
    """Return the lines without the probes of a sidecar."""
    return [line for line in lines if line["method"] == "GET"]


def ids_in(lines: list[Object]) -> Counter[str]:
    """Return how often the id of each request stands in a log."""
    return Counter(line.get("id") or line["request_id"] for line in requests(lines))


def test_every_name_in_the_table_is_tested() -> None:
    _, _, section = OPERATIONS.read_text().partition("## Mistakes of the set-up")
    table = section.partition("\n## ")[0].partition("|---|")[2]
    names = set(re.findall(r"`([\w.]+)`", table))
    assert len(names) > 15
    source = Path(__file__).read_text()
    assert {name for name in names if f'"{name}"' not in source} == set()


# --- Before any request: mirror check ---


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


def check_nginx(world: World, name: str) -> tuple[int, dict[str, list[str]]]:
    return check(world.config_of(name), "--nginx", str(world.nginx_file(name)))


def test_check_finds_nothing_where_nothing_is_wrong(started: World) -> None:
    _, places = check_nginx(started, "correct")
    assert places == {}


def test_check_refuses_the_log_nginx(started: World) -> None:
    config = started.config(UNUSED, "sink", "log_nginx")
    assert check(config) == (4, {"shadow.log_nginx": [started.url("log_nginx")]})


def test_check_names_both_ways_of_mirroring_twice(started: World) -> None:
    for name, code in (
        ("mirrored_twice", "nginx.mirrored_twice"),
        ("mirrored_past_us", "nginx.past_the_sidecar"),
    ):
        exit_code, places = check_nginx(started, name)
        assert (exit_code, list(places)) == (4, [code])
        (place,) = places[code]
        assert place.startswith(f"{started.nginx_file(name).parent}/site.conf:")


def test_check_names_the_missing_route_and_the_redirect(started: World) -> None:
    gateway = started.url("gateway_routes")
    assert check(started.config_of("routes")) == (
        1,
        {"shadow.route_miss": [f"{gateway}/gone/"], "shadow.redirect": [f"{gateway}/old/"]},
    )


def test_check_names_strict_mtls(started: World) -> None:
    http, https = (started.url("tls_only", scheme) for scheme in ("http", "https"))
    assert check(started.config_of("plaintext")) == (3, {"shadow.mtls": [http]})
    assert check(started.config_of("no_certificate")) == (
        3,
        {"shadow.client_certificate": [https]},
    )


def test_check_names_the_clock(started: World) -> None:
    command = [sys.executable, "-P", "-m", "mirror", "check", "--format", "json", "-c"]
    done = subprocess.run(
        [*command, str(started.config_of("lossy"))],
        env={**os.environ, **started.other_clock},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    places = serious(done.stdout)
    assert (done.returncode, places) == (1, {"host.clock_differs": [started.url("gateway_lossy")]})


# --- What really happens ---


def test_control_log_nginx_logs_each_request_again(world: World) -> None:
    ids = ids_in(world.logged("to_log_nginx"))
    assert len(ids) == COUNT and set(ids.values()) == {1}
    assert wait_for(lambda: ids_in(world.logged("log_nginx")) == ids)


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
    assert Counter(line["mirror_leg"] for line in arrived()) == {"shadow": COUNT, None: COUNT}


def test_control_envoy_misses_a_route(world: World) -> None:
    def answered() -> set[tuple[str, int, str]]:
        lines = requests(world.logged("gateway_routes"))
        return {(line["path"], line["response_code"], line["response_flags"]) for line in lines}

    expected = {(target, 200, "-") for target in WATCH}
    expected |= {("/gone/1", 404, "NR"), ("/old/1", 302, "-"), ("/login/1", 302, "-")}
    assert wait_for(lambda: answered() == expected)


@pytest.mark.parametrize("name", ["plaintext", "no_certificate"])
def test_control_nothing_gets_through_strict_mtls(world: World, name: str) -> None:
    ledger = world.ledger(name)
    assert set(ledger["outcomes"]) == {"connect_failed"}
    assert ledger["primary"] == {"2xx": COUNT}, "production is served all the same"
    assert world.arrived("tls_only") == 0


# --- While the sidecars run ---


def test_strict_mtls_is_the_cause_of_the_breaker(world: World) -> None:
    causes = {}
    for name in ("plaintext", "no_certificate"):
        (worker,) = world.sidecars[name].status()["workers"]
        causes[name] = worker["breaker_cause"]
    assert "mutual TLS mode STRICT does with plain HTTP" in causes["plaintext"]
    assert "requires a client certificate" in causes["no_certificate"]


def compare(*sources: str) -> tuple[int, Object]:
    """Return the exit code and the document of `mirror compare`."""
    done = CliRunner().invoke(mirror_compare, [*sources, "--format", "json"])
    return done.exit_code, json.loads(done.stdout)


def compared(world: World, name: str, pairs: int) -> tuple[int, Object]:
    """Return the same of a running sidecar, once it has compared so many pairs."""
    source = f"127.0.0.1:{world.sidecars[name].admin_port}"
    assert wait_for(lambda: world.status(name)["comparison"]["compared"] == pairs)
    return compare(source)


def results(judged: Object) -> dict[str, int]:
    return {result: count["pairs"] for result, count in judged["results"].items()}


@pytest.mark.parametrize("name", ["correct", "mirrored_twice", "mirrored_past_us"])
def test_comparison_finds_no_difference_where_the_shadow_serves(world: World, name: str) -> None:
    _, report = compared(world, name, COUNT)
    assert results(report["all"]) == {"same": COUNT}
    assert report["all"]["uncompared"] == {}
    (source,) = report["sources"]
    assert (source["log"]["matched"], source["log"]["lost"]) == (COUNT, {})


def test_comparison_names_what_the_new_cluster_does_not_serve(world: World) -> None:
    code, report = compared(world, "routes", COUNT + len(MISSED))
    assert (code, results(report["all"])) == (5, {"same": COUNT, "route_miss": 1, "redirect": 2})
    examples = {
        (example["path"], example["result"], example["shadow_status"], example["location"])
        for example in report["examples"]
    }
    assert examples == {
        ("/gone/1", "route_miss", 404, ""),
        ("/old/1", "redirect", 302, "http://old.example.net/old/1"),
        ("/login/1", "redirect", 302, "https://login.example.net/start"),
    }
    assert world.ledger("routes")["outcomes"] == {"2xx": COUNT, "3xx": 2, "4xx": 1}


@pytest.mark.parametrize(
    ("name", "result"), [("plaintext", "not_answered"), ("no_certificate", "mtls")]
)
def test_comparison_names_strict_mtls_where_that_can_be_told(
    world: World, name: str, result: str
) -> None:
    sent = world.ledger(name)["sent"]
    code, report = compared(world, name, sent)
    assert (code, results(report["all"])) == (5, {result: sent})
    text = CliRunner().invoke(mirror_compare, [report["sources"][0]["source"]]).stdout
    assert "mTLS" in text


def test_lost_lines_are_gaps_and_clocks_do_not_matter(world: World) -> None:
    """Checks the sidecar whose log loses lines, and whose clock is another than nginx's."""
    lost = len(LOST_LINES)
    assert wait_for(lambda: world.status("lossy")["comparison"]["log"]["lost"] == {"gap": lost})
    code, report = compared(world, "lossy", COUNT - lost)
    assert (code, results(report["all"])) == (3, {"same": COUNT - lost})
    (source,) = report["sources"]
    # Those without a line wait until their time is over.
    left = source["waiting"] + report["all"]["uncompared"].get("no_log_line", 0)
    assert (source["log"]["matched"], left) == (COUNT - lost, lost)
    assert any("were lost" in doubt for doubt in report["doubts"])
    assert abs(source["log"]["offset_s"] - CLOCK_S) < 5


def verdict_of_page(world: World, name: str) -> tuple[str, str]:
    """Return the level and the reasons of the first event that the live page gets."""
    port = world.sidecars[name].admin_port
    page = fetch(port, "/")
    assert page is not None
    (secret,) = re.findall(r'data-secret="([^"]*)"', page.body.decode())
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as client:
        client.request("GET", "/events", headers={"X-Mirror-Page": secret})
        stream = client.getresponse()
        data = next(line for line in stream if line.startswith(b"data:") and b'"verdict"' in line)
        stream.close()
    verdict = json.loads(data.removeprefix(b"data:"))["verdict"]
    return verdict["level"], " ".join(reason["words"] for reason in verdict["reasons"])


@pytest.mark.parametrize(
    ("name", "level", "words"),
    [
        ("correct", "unknown", "No new error in 12 pairs"),
        ("routes", "unsafe", "Envoy has no route 1"),
        ("routes", "unsafe", "redirected elsewhere 2"),
        ("plaintext", "unsafe", "mutual TLS mode STRICT"),
        ("no_certificate", "unsafe", "requires a client certificate"),
    ],
)
def test_page_says_whether_the_switch_is_safe(
    world: World, name: str, level: str, words: str
) -> None:
    def says_it() -> bool:
        found, reasons = verdict_of_page(world, name)
        return found == level and words in reasons

    assert wait_for(says_it), verdict_of_page(world, name)


def canary(world: World, name: str, *options: str) -> tuple[int, set[str]]:
    """Return the exit code, and the codes of what a canary found that is no note."""
    done = send_canary(world, name, *options, "--format", "json")
    return done.exit_code, set(serious(done.stdout))


def send_canary(world: World, name: str, *options: str) -> Result:
    arguments = [f"{world.url(name)}/watch/1", "--host", HOST]
    arguments += ["--admin", f"127.0.0.1:{world.sidecars[name].admin_port}"]
    arguments += ["--access-log", str(world.log_path(name))]
    return CliRunner().invoke(mirror_canary, [*arguments, *options])


def without_numbers(text: str) -> str:
    """Return a text on one line without ids and numbers, however it was broken into lines."""
    return " ".join(re.sub(r"\b[0-9a-f]{32}\b|\d[\d,.]*", "N", text).split())


def is_quoted_by_its_page(printed: str, command: str) -> bool:
    """Tell whether docs/audit.md quotes lines of what a command printed, and nothing else."""
    block = AUDIT.read_text().partition(f"$ mirror {command} ")[2].partition("\n```")[0]
    quoted = block.partition("\n$ ")[0].splitlines()[1:]
    assert len(quoted) > 5
    return all(
        without_numbers(each) in without_numbers(printed) for each in quoted if each != "..."
    )


def test_canary_catches_the_double_count(world: World) -> None:
    # The audit below judges the seconds before.
    world.sleep_until(world.asked_s + 1)
    gateway_log = ("--gateway-log", str(world.log_path("log_nginx")))
    assert canary(world, "to_log_nginx", *gateway_log) == (4, {"canary.copy_logged"})


def test_canary_prints_what_its_page_shows(world: World) -> None:
    world.sleep_until(world.asked_s + 1)
    logs = ("--gateway-log", str(world.log_path("log_nginx")))
    logs += ("--envoy-log", str(world.log_path("gateway_to_log_nginx")))
    done = send_canary(world, "to_log_nginx", *logs)
    assert is_quoted_by_its_page(done.stdout, "canary"), done.output


def test_canary_names_a_mirror_past_the_sidecar(world: World) -> None:
    world.sleep_until(world.asked_s + 1)
    envoy_log = ("--envoy-log", str(world.log_path("gateway_mirrored_past_us")))
    expected = {"canary.past_sidecar", "canary.gateway_not_watched"}
    assert canary(world, "mirrored_past_us", *envoy_log) == (3, expected)


def test_coverage_names_the_missing_route(world: World) -> None:
    routes = world.directory / "routes.yaml"
    routes.write_text(yaml.safe_dump(virtual_service("/watch/", "/old/", "/login/")))
    source = f"http://127.0.0.1:{world.sidecars['routes'].admin_port}"
    arguments = ["coverage", "--routes", str(routes), "--from-uris", source, "--format", "json"]

    def lost() -> tuple[int, list[tuple[str, int]]]:
        done = CliRunner().invoke(estimate, arguments)
        groups = json.loads(done.stdout)["lost"] if done.exit_code != 2 else []
        return done.exit_code, [(group["path"], group["requests"]) for group in groups]

    # The counts of URIs reach the supervisor seconds later, so that other tests come before.
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


# --- Afterwards: mirror audit, and what the series hold ---


def test_lost_lines_are_copies_without_a_line(stopped: World) -> None:
    """Checks the second way in which they count, which is independent of the gaps."""
    _, report = compare(str(stopped.home("lossy") / "series.db"))
    assert report["all"]["pairs"] == COUNT - len(LOST_LINES)
    assert report["all"]["uncompared"] == {"no_log_line": len(LOST_LINES)}


def audit(world: World, name: str, *options: str) -> tuple[int, Object]:
    """Return the exit code and the document of an audit of what a site and its sidecar did."""
    done = run_audit(world, name, *options, "--format", "json")
    return done.exit_code, json.loads(done.stdout)


def run_audit(world: World, name: str, *options: str) -> Result:
    window = (str(world.ready_s + 2), str(world.asked_s + 1))
    sources = ["--access-log", str(world.log_path(name))]
    sources += ["--series", str(world.home(name) / "series.db")]
    sources += ["--envoy-log", str(world.log_path(f"gateway_{name}"))]
    sources += ["--from", window[0], "--until", window[1], *options]
    return CliRunner().invoke(mirror_audit, sources)


def codes(document: Object) -> set[str]:
    return {finding["code"] for finding in document["findings"]}


def test_audit_finds_nothing_where_nothing_is_wrong(stopped: World) -> None:
    code, document = audit(stopped, "correct")
    assert (code, document["twice"], codes(document)) == (0, 0, {"audit.no_gateway_log"})
    totals = document["totals"]
    assert {totals[name] for name in ("logged", "seen", "sent", "envoy")} == {COUNT}


def test_audit_proves_the_double_count_by_id(stopped: World) -> None:
    gateway_log = ("--gateway-log", str(stopped.log_path("log_nginx")))
    code, document = audit(stopped, "to_log_nginx", *gateway_log)
    assert (code, document["twice"], document["by_id"]["copy_logged"]) == (4, COUNT, COUNT)
    # A new connection may have been probed in the seconds of the window.
    assert codes(document) - {"audit.probe_logged"} == {"audit.copy_logged"}


def test_audit_prints_what_its_page_shows(stopped: World) -> None:
    done = run_audit(stopped, "to_log_nginx", "--gateway-log", str(stopped.log_path("log_nginx")))
    assert is_quoted_by_its_page(done.stdout, "audit"), done.output


def test_audit_names_both_ways_of_mirroring_twice(stopped: World) -> None:
    _, document = audit(stopped, "mirrored_twice")
    assert codes(document) == {"audit.mirrored_twice", "audit.no_gateway_log"}
    _, document = audit(stopped, "mirrored_past_us")
    assert codes(document) == {"audit.past_sidecar", "audit.no_gateway_log"}
    assert document["by_id"]["past_sidecar"] == COUNT


def test_audit_names_the_clock_and_matches_ids_all_the_same(stopped: World) -> None:
    capture = ("--capture", str(stopped.home("lossy") / "capture"))
    since = ("--from", str(stopped.ready_s + 2 * CLOCK_S))
    code, document = audit(stopped, "lossy", *capture, *since)
    # No second of the series is one of the log's.
    assert (code, codes(document)) == (
        3,
        {"audit.unobserved", "audit.clocks", "audit.no_gateway_log"},
    )
    (clocks,) = [each for each in document["findings"] if each["code"] == "audit.clocks"]
    assert clocks["where"] == "--capture"
    (apart_s,) = re.findall(r"([0-9.]+) s earlier", clocks["what"])
    assert abs(float(apart_s) + CLOCK_S) < 5
    assert document["by_id"]["captured"] == document["by_id"]["arrived"] == COUNT
