"""Checks real workers under the supervisor: replacement, shutdown, and complete counts."""

import contextlib
import http.client
import json
import logging
import os
import re
import resource
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from mirror.config import Config, parse
from mirror.core.comparison.answer import Answer
from mirror.core.comparison.piece import Copy, Piece
from mirror.core.ledger import SHADOW_REQUESTS, Settled
from mirror.core.worker_ledger import Ledger
from mirror.demo.processes import Processes, answers, fetch, free_ports
from mirror.demo.sidecar import Sidecar, start_sidecar
from mirror.formats.uri_counts import UriCounts, decode
from mirror.process.supervisor import Supervisor
from tests.fakes import make_config, run


class _App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    delay_s = 0.0
    is_sick = threading.Event()

    def do_GET(self) -> None:
        time.sleep(self.delay_s)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def _answer(self) -> None:
        self.send_response(500 if self.is_sick.is_set() else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def app(delay_s: float = 0.0, is_sick: threading.Event | None = None) -> Iterator[int]:
    members = {"delay_s": delay_s, "is_sick": is_sick or threading.Event()}
    handler = type("App", (_App,), members)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def sidecar(directory: Path, primary: int, **extra: Any) -> Iterator[tuple[Sidecar, int]]:
    port, admin, shadow = free_ports(3)
    config = {
        "mode": "inline",
        "listen": f"127.0.0.1:{port}",
        "primary": f"http://127.0.0.1:{primary}",
        "shadow": {"url": f"http://127.0.0.1:{shadow}"},
        "series": {"path": str(directory / "series.db")},
        "admin": f"127.0.0.1:{admin}",
        **extra,
    }
    with Processes(directory) as processes:
        yield start_sidecar(processes, directory, config), port


def get(port: int, headers: Mapping[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/", headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def wait_until(is_true: Any, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def recorded(directory: Path, name: str = "series.db") -> int:
    database = sqlite3.connect(directory / name)
    try:
        query = "SELECT coalesce(sum(value), 0) FROM counts WHERE metric = 'requests'"
        return int(database.execute(query).fetchone()[0])
    finally:
        database.close()


def test_two_workers_add_up_in_status_and_in_the_series(tmp_path: Path) -> None:
    with app() as primary, sidecar(tmp_path, primary, workers=2) as (running, port):
        wait_until(lambda: all(worker["ready"] for worker in running.status()["workers"]))
        assert len(running.status()["workers"]) == 2
        assert [get(port) for _ in range(40)] == [200] * 40
        assert running.settled_ledger()["seen"] == 40
        steps = {"forward": 0, "backward": 0}
        assert running.status()["clock"] == {"steps": steps, "last": None}
        assert running.child.stop() == 0
        assert recorded(tmp_path) == 40


def test_a_killed_worker_is_replaced_and_the_ledger_still_balances(tmp_path: Path) -> None:
    with app() as primary, sidecar(tmp_path, primary) as (running, port):
        assert get(port) == 200
        before = running.settled_ledger()
        killed = running.status()["workers"][0]["pid"]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: running.status()["worker_restarts"] == 1)
        wait_until(lambda: any(worker["ready"] for worker in running.status()["workers"]))
        assert get(port) == 200
        after = running.settled_ledger()
        assert after["seen"] == before["seen"] + 1
        assert after["balanced"]


def test_sigterm_lets_a_request_in_flight_end(tmp_path: Path) -> None:
    with app(delay_s=1.0) as primary, sidecar(tmp_path, primary) as (running, port):
        answers: list[int] = []
        client = threading.Thread(target=lambda: answers.append(get(port)))
        client.start()
        worker = psutil.Process(running.status()["workers"][0]["pid"])
        wait_until(lambda: any(c.status == "ESTABLISHED" for c in worker.net_connections()))
        running.child.send_signal(signal.SIGTERM)
        client.join()
        assert answers == [200]
        assert running.child.wait(10.0) == 0
        assert recorded(tmp_path) == 1


def test_a_drain_that_takes_too_long_is_cut_and_says_so(tmp_path: Path) -> None:
    timeouts = {"drain": 0.3}
    with (
        app(delay_s=8.0) as primary,
        sidecar(tmp_path, primary, timeouts=timeouts) as (running, port),
        socket.create_connection(("127.0.0.1", port)) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: running.status()["ledger"]["seen"] == 1)
        began = time.monotonic()
        running.child.send_signal(signal.SIGTERM)
        assert running.child.wait(6.0) == 1
        assert time.monotonic() - began < 5.0


def test_workers_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    with app() as primary, sidecar(tmp_path, primary) as (running, _):
        worker = psutil.Process(running.status()["workers"][0]["pid"])
        os.kill(running.child.pid, signal.SIGKILL)
        gone, _alive = psutil.wait_procs([worker], timeout=5.0)
        assert gone == [worker]


def test_a_shadow_that_is_down_sheds_and_counts(tmp_path: Path) -> None:
    with app() as primary, sidecar(tmp_path, primary) as (running, port):
        assert [get(port) for _ in range(20)] == [200] * 20
        ledger = running.settled_ledger()
        assert ledger["seen"] == 20
        assert ledger["shed"].get("breaker_open", 0) + ledger["outcomes"]["connect_failed"] == 20
        assert ledger["balanced"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_and_readiness_answer(tmp_path: Path, path: str) -> None:
    with app() as primary, sidecar(tmp_path, primary) as (running, _):
        connection = http.client.HTTPConnection("127.0.0.1", running.admin_port, timeout=5)
        connection.request("GET", path)
        assert connection.getresponse().status == 200
        connection.close()


def test_readiness_names_what_is_missing(tmp_path: Path) -> None:
    with app(delay_s=3.0) as primary, sidecar(tmp_path, primary) as (running, port):
        said: list[bytes] = []

        def is_replaced() -> bool:
            # In this order: an answer from before the end of the worker proves nothing.
            restarts = running.status()["worker_restarts"]
            answer = fetch(running.admin_port, "/readyz")
            assert answer is not None
            said.append(answer.body)
            return restarts == 1 and answer.status == 200

        os.kill(running.status()["workers"][0]["pid"], signal.SIGKILL)
        wait_until(is_replaced)
        assert b"no worker is ready; 1 have ended and were replaced\n" in said

        def is_draining() -> bool:
            answer = fetch(running.admin_port, "/readyz")
            return answer is not None and (answer.status, answer.body) == (503, b"draining\n")

        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until(lambda: running.status()["ledger"]["seen"] == 1)
            running.child.send_signal(signal.SIGTERM)
            wait_until(is_draining)
            assert running.child.wait(10.0) == 0


def post(port: int, path: str, body: str, token: str = "") -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def rewrite(directory: Path, **changes: Any) -> None:
    path = directory / "mirror.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def reload_count(running: Sidecar, result: str) -> int:
    return int(running.status()["reload"][result])


def test_the_ratio_is_changed_and_a_reload_puts_the_files_back(tmp_path: Path) -> None:
    with app() as primary, sidecar(tmp_path, primary) as (running, port):
        changed = {"was": 1, "ratio": 0, "ended_ramp": False}
        assert post(running.admin_port, "/ratio", '{"ratio": 0}') == (200, changed)
        for bad in ("11", "-0.0", "NaN", "Infinity"):
            status, answer = post(running.admin_port, "/ratio", f'{{"ratio": {bad}}}')
            assert status == 400 and "from 0 to 10" in answer["error"]
        assert running.status()["ratio"] == 0
        assert running.status()["memory_ceiling_bytes"] > 64 << 20
        assert get(port) == 200
        assert running.settled_ledger()["not_selected"] == {"ratio": 1}
        running.child.send_signal(signal.SIGHUP)
        wait_until(lambda: reload_count(running, "reloaded") == 1)
        assert running.status()["ratio"] == 1


def test_a_bad_configuration_is_refused_with_every_problem(tmp_path: Path) -> None:
    with app() as primary, sidecar(tmp_path, primary) as (running, port):
        before = running.status()["workers"]
        rewrite(tmp_path, workrs=2, routes=["no-slash"])
        running.child.send_signal(signal.SIGHUP)
        wait_until(lambda: reload_count(running, "refused") == 1)
        problems = "\n".join(running.status()["reload"]["last"]["problems"])
        assert "workrs: unknown key" in problems
        assert "reload refused: " in running.child.last_lines()
        assert running.status()["workers"] == before
        assert get(port) == 200


def test_an_address_that_is_taken_is_refused_and_the_rest_stays(tmp_path: Path) -> None:
    with app() as primary, sidecar(tmp_path, primary) as (running, port):
        rewrite(tmp_path, listen=f"127.0.0.1:{primary}", workers=2)
        running.child.send_signal(signal.SIGHUP)
        wait_until(lambda: reload_count(running, "refused") == 1)
        assert len(running.status()["workers"]) == 1
        assert get(port) == 200


def test_after_a_change_of_the_mode_no_earlier_refusal_counts(tmp_path: Path) -> None:
    def refused(mode: str) -> int:
        with contextlib.suppress(http.client.RemoteDisconnected):
            get(port, headers={"X-Mirror-Mode": mode})
        return int(running.status()["last_minute"]["wrong_mode"])

    with app() as primary, sidecar(tmp_path, primary) as (running, port):
        wait_until(lambda: refused("sink") > 0)
        path = tmp_path / "mirror.yaml"
        settings = yaml.safe_load(path.read_text())
        del settings["primary"]  # mode sink takes none
        path.write_text(yaml.safe_dump(settings | {"mode": "sink"}))
        running.child.send_signal(signal.SIGHUP)
        wait_until(lambda: reload_count(running, "reloaded") == 1)
        assert refused("sink") == 0
        wait_until(lambda: refused("inline") > 0)


def test_a_reload_moves_addresses_and_keeps_every_count(tmp_path: Path) -> None:
    listen, admin = free_ports(2)
    token_file, token = tmp_path / "token", "0123456789abcdef"
    token_file.write_text(token)
    token_file.chmod(0o600)
    with app() as primary, sidecar(tmp_path, primary) as (running, port):
        assert get(port) == 200
        rewrite(
            tmp_path,
            listen=[f"127.0.0.1:{listen}", f"unix:{tmp_path}/m.sock"],
            admin=f"0.0.0.0:{admin}",
            admin_token_file=str(token_file),
            series={"path": str(tmp_path / "other.db")},
        )
        running.child.send_signal(signal.SIGHUP)
        moved = Sidecar(running.child, admin)
        wait_until(lambda: bool(moved.status()) and reload_count(moved, "reloaded") == 1)
        assert get(listen) == 200
        with pytest.raises(OSError):
            get(port)
        assert moved.settled_ledger()["seen"] == 2
        assert post(admin, "/ratio", '{"ratio": 0}')[0] == 403
        assert post(admin, "/ratio", '{"ratio": 0}', token)[0] == 200
        page = fetch(admin, "/")
        assert page is not None and b'data-controls="token"' in page.body
        assert moved.child.stop() == 0
        assert recorded(tmp_path) + recorded(tmp_path, "other.db") == 2
        assert not (tmp_path / "m.sock").exists()


def test_uris_count_once_over_kills_and_reloads(tmp_path: Path) -> None:
    with app() as primary, sidecar(tmp_path, primary) as (running, port):

        def uris() -> UriCounts:
            answer = fetch(running.admin_port, "/uris")
            assert answer is not None
            return decode(answer.body)

        def wait_for_counts(count: int) -> None:
            wait_until(lambda: sum(uri.count for uri in uris().uris) == count)

        assert [get(port) for _ in range(3)] == [200] * 3
        wait_until(lambda: running.status()["uris"]["seen"] == 3)
        os.kill(running.status()["workers"][0]["pid"], signal.SIGKILL)
        wait_until(lambda: running.status()["worker_restarts"] == 1)
        lost = running.status()["uris"]["lost"]
        wait_until(lambda: any(worker["ready"] for worker in running.status()["workers"]))
        assert [get(port) for _ in range(2)] == [200] * 2
        running.child.send_signal(signal.SIGHUP)
        wait_until(lambda: reload_count(running, "reloaded") == 1)
        wait_until(lambda: len(running.status()["workers"]) == 1)
        assert get(port) == 200
        wait_for_counts(6 - lost)
        document = uris()
        (home,) = document.uris
        assert (home.host, home.method, home.path) == (f"127.0.0.1:{port}", "GET", "/")
        assert (document.seen, document.lost, document.mode) == (6, lost, "inline")
        assert document.since_s <= home.first_s <= home.last_s <= document.until_s + 1
        # The killed worker may have sent a count and not yet its outcome, at most three times.
        wait_until(lambda: uris().uris[0].outcomes.get("2xx", 0) >= 3)
        outcomes = uris().uris[0].outcomes
        assert outcomes == {"2xx": outcomes["2xx"]} and outcomes["2xx"] <= 6 - lost
        rewrite(tmp_path, uris={"most": 0})
        running.child.send_signal(signal.SIGHUP)
        wait_until(lambda: reload_count(running, "reloaded") == 2)
        assert running.status()["uris"] is None
        wait_until(lambda: answers(running.admin_port, "/uris", status=404))


def sinks_lost(running: Sidecar) -> dict[str, float]:
    """Return the losses of each sink according to /metrics."""
    page = fetch(running.admin_port, "/metrics")
    assert page is not None
    found = re.findall(
        r'^mirror_sink_dropped_total\{sink="(\w+)"\} (\S+)$', page.body.decode(), re.M
    )
    return {name: float(number) for name, number in found}


def test_what_a_sink_lost_stays_counted_over_reloads(tmp_path: Path) -> None:
    (agent,) = free_ports(1)  # nothing listens there
    sick = {
        "series": {"path": str(tmp_path / "not there/series.db")},
        "datadog": {"dogstatsd": f"udp://127.0.0.1:{agent}"},
    }
    with app() as primary, sidecar(tmp_path, primary, **sick) as (running, port):
        assert get(port) == 200
        wait_until(lambda: all(sinks_lost(running).get(name) for name in sick), 20.0)
        before = sinks_lost(running)
        rewrite(tmp_path, series={"path": str(tmp_path / "series.db")}, datadog={})
        running.child.send_signal(signal.SIGHUP)
        wait_until(lambda: reload_count(running, "reloaded") == 1)
        after = sinks_lost(running)
        assert all(after[name] >= before[name] for name in sick)


def test_a_client_that_stays_connected_never_fails_over_reloads(tmp_path: Path) -> None:
    ended = threading.Event()
    failures: list[str] = []
    answered: list[int] = []

    def client(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        while not ended.is_set():
            try:
                connection.request("POST", "/", b"x")
                response = connection.getresponse()
                response.read()
                answered.append(response.status)
            except (OSError, http.client.HTTPException) as error:
                failures.append(repr(error))
                connection.close()
        connection.close()

    with app() as primary, sidecar(tmp_path, primary, workers=2) as (running, port):
        clients = [threading.Thread(target=client, args=(port,)) for _ in range(4)]
        for thread in clients:
            thread.start()
        try:
            for number in (1, 2):
                running.child.send_signal(signal.SIGHUP)
                wait_until(lambda number=number: reload_count(running, "reloaded") == number)
        finally:
            ended.set()
            for thread in clients:
                thread.join()
        assert failures == []
        assert set(answered) == {200}
        wait_until(lambda: running.settled_ledger()["seen"] == len(answered))
        assert running.settled_ledger()["balanced"]
        assert running.status()["worker_restarts"] == 0


def test_a_new_start_works_at_once_after_the_supervisor_was_killed(tmp_path: Path) -> None:
    with app(delay_s=1.0) as primary, sidecar(tmp_path, primary) as (running, port):
        client = threading.Thread(target=lambda: answers.append(get(port)))
        answers: list[int] = []
        client.start()
        wait_until(lambda: running.status()["ledger"]["seen"] == 1)
        os.kill(running.child.pid, signal.SIGKILL)
        with Processes(tmp_path) as processes:
            config = yaml.safe_load((tmp_path / "mirror.yaml").read_text())
            again = start_sidecar(processes, tmp_path, config)
            client.join()
            assert answers == [200]
            assert get(port) == 200
            assert again.child.stop() == 0


def test_a_ramp_climbs_and_falls_back_from_a_sick_shadow(tmp_path: Path) -> None:
    ramp = {"from_ratio": 1, "to_ratio": 2, "duration": 1, "steps": 1, "hold": 60}
    is_sick = threading.Event()
    with app() as primary, app(is_sick=is_sick) as mirrored:
        url = f"http://127.0.0.1:{mirrored}"
        shadow = {"url": url, "accept_server": ["BaseHTTP"], "ramp": ramp}
        with sidecar(tmp_path, primary, shadow=shadow) as (running, port):
            assert running.status()["ratio"] == 1

            def is_at(ratio: int) -> bool:
                assert [get(port) for _ in range(20)] == [200] * 20
                return bool(running.status()["ratio"] == ratio)

            wait_until(lambda: is_at(2), timeout_s=40)
            is_sick.set()
            wait_until(lambda: is_at(1), timeout_s=40)
            status = running.status()["ramp"]
            assert status["fallbacks"]["errors"] == 1 and "limit 1.0%" in status["last_fall"]
            assert "ramp: ratio falls from 2 to 1" in running.child.last_lines()
            _, answer = post(running.admin_port, "/ratio", '{"ratio": 0.5}')
            assert answer["ended_ramp"]
            assert running.status()["ramp"] is None


def test_the_rates_of_the_last_minute_are_shown(tmp_path: Path) -> None:
    with app() as primary, sidecar(tmp_path, primary) as (running, port):

        def are_shown() -> bool:
            assert get(port) == 200
            minute = running.status()["last_minute"]
            return any(minute["rps"]) and len(minute["rps"]) == len(minute["shadow_rps"])

        wait_until(are_shown)
        status = running.status()
        assert status["silence"] is None
        assert status["pid"] == running.child.pid
        assert status["listen"] == [f"127.0.0.1:{port}"]


class _Ready(Supervisor):
    """A supervisor without workers that is ready all the same."""

    def _is_ready(self) -> bool:
        return True


def test_silence_is_logged_and_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "m.sock"
    path.touch(mode=0o600)
    text = yaml.safe_dump({"listen": f"unix:{path}", "shadow": {"url": "http://127.0.0.1:1"}})

    async def load() -> tuple[Config, str]:
        raise AssertionError("nothing is reloaded")

    supervisor = _Ready(parse(text), text, load)
    caplog.set_level(logging.INFO)
    for number in range(62):
        rps = {"other": 3} if number == 61 else {}
        late = Settled(1_700_000_000 + number - 1, {}, {}, {}, True, True)
        supervisor._emit([late, Settled(1_700_000_000 + number, {}, rps, {}, False, True)])
        assert number > 58 or supervisor.status()["silence"] is None
        if number == 60:
            shown = supervisor.status()["silence"]
            assert f"nginx cannot connect to unix:{path} (owner " in shown
            assert "mode 0600); mode 0600 lets only the owner connect" in shown
    assert [(record.levelname, record.message[:20]) for record in caplog.records] == [
        ("WARNING", "no request since 202"),
        ("INFO", "requests arrive agai"),
    ]
    assert supervisor.status()["silence"] is None
    os.close(supervisor._recent_ids)


def test_a_ratio_set_while_a_reload_is_under_way_stays(tmp_path: Path) -> None:
    capture = {"path": str(tmp_path / "captured"), "enabled": True}
    with app() as primary, sidecar(tmp_path, primary, capture=capture) as (running, port):
        (before,) = running.status()["workers"]
        rewrite(tmp_path, workers=2)
        running.child.send_signal(signal.SIGHUP)
        wait_until(lambda: len(running.status()["workers"]) > 1)
        assert post(running.admin_port, "/ratio", '{"ratio": 0}')[1]["was"] == 1
        assert post(running.admin_port, "/capture", '{"for_s": 0}')[0] == 200
        assert running.status()["reload"]["last"] is None, "the reload was too fast for this test"
        wait_until(lambda: reload_count(running, "reloaded") == 1)
        status = running.status()
        assert before["pid"] not in [w["pid"] for w in status["workers"] if not w["retiring"]]
        assert (status["ratio"], status["capture"]["recording"]) == (0, False)
        assert [get(port) for _ in range(10)] == [200] * 10
        assert running.settled_ledger()["not_selected"] == {"ratio": 10}
        running.child.send_signal(signal.SIGHUP)
        wait_until(lambda: reload_count(running, "reloaded") == 2)
        assert running.status()["ratio"] == 1


def test_a_worker_is_replaced_while_strangers_hold_the_admin_port(tmp_path: Path) -> None:
    """With few descriptors, as many unfinished heads as the sidecar would take, and more."""
    with app() as primary, sidecar(tmp_path, primary) as (running, port):
        pid = running.child.pid
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (100, 100))
        killed = running.status()["workers"][0]["pid"]
        with contextlib.ExitStack() as strangers:
            for _ in range(100):
                stranger = socket.create_connection(("127.0.0.1", running.admin_port))
                strangers.enter_context(stranger)
                with contextlib.suppress(ConnectionError):
                    stranger.sendall(b"GET /status HTTP/1.1\r\nA: ")
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda: [child.pid for child in psutil.Process(pid).children()] != [killed])
            wait_until(lambda: _answers_get(port))
        wait_until(lambda: running.status().get("worker_restarts") == 1)
        assert running.status()["worker_start_error"] is None


def _answers_get(port: int) -> bool:
    with contextlib.suppress(OSError):
        return get(port) == 200
    return False


def test_copies_between_two_ticks_are_in_the_status() -> None:
    async def load() -> tuple[Config, str]:
        raise AssertionError("nobody asked for a reload")

    async def main() -> None:
        config = make_config(comparison={"access_log": "udp://127.0.0.1:9912"})
        supervisor = Supervisor(config, "", load)
        counts = Ledger(10)
        counts.count(SHADOW_REQUESTS, "/a", "2xx", 3)
        report = counts.report(0, 0)
        report.comparison = Piece(
            0, [Copy(str(n), "/a", Answer(200, "2xx"), None) for n in range(3)]
        )
        supervisor._merger.worker_started(1)
        supervisor._merger.worker_reported(1, report)
        status = supervisor.status()["comparison"]
        assert status["balanced"] and status["uncompared"] == {"no_log_line": 3}
        document = supervisor._comparison_document()
        assert document is not None and document.routes[0].uncompared == {"no_log_line": 3}
        os.close(supervisor._recent_ids)

    run(main)
