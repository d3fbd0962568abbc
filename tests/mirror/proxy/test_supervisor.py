"""Real worker processes: replaced when they die, ended when they should, added up always."""

import contextlib
import http.client
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from mirror.demo.processes import Processes, free_ports
from mirror.demo.sidecar import Sidecar, start_sidecar


class _App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    delay_s = 0.0

    def do_GET(self) -> None:
        time.sleep(self.delay_s)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def app(delay_s: float = 0.0) -> Iterator[int]:
    handler = type("App", (_App,), {"delay_s": delay_s})
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


def get(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def wait_until(is_true: Any, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def recorded(directory: Path) -> int:
    database = sqlite3.connect(directory / "series.db")
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
