"""Checks reading a sidecar's admin port, with a scripted server in its place."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirror.demo import sidecar
from mirror.demo.processes import ChildFailed, Processes, free_ports
from mirror.demo.sidecar import Sidecar, serve_command, start_sidecar, write_config

QUIET = {"seen": 3, "sent": 3, "in_flight": 0, "reading": 0}


class Admin(HTTPServer):
    """Answers /status with each ledger in turn, and then repeats the last one."""

    def __init__(self) -> None:
        self.ledgers: list[dict[str, int]] = [QUIET]
        super().__init__(("127.0.0.1", 0), Handler)

    def next_status(self) -> dict[str, Any]:
        ledger = self.ledgers.pop(0) if len(self.ledgers) > 1 else self.ledgers[0]
        return {"ledger": ledger}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Admin)
        body = json.dumps(self.server.next_status()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Admin]:
    monkeypatch.setattr(sidecar, "SETTLE_STEP_S", 0.01)
    with Admin() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path) as owner:
        yield owner


def of(processes: Processes, port: int) -> Sidecar:
    return Sidecar(processes.start("child", [sys.executable, "-c", ""]), port)


def test_settled_waits_for_what_is_open(admin: Admin, processes: Processes) -> None:
    admin.ledgers = [QUIET | {"in_flight": 1}, QUIET | {"in_flight": 1}, QUIET | {"reading": 1}]
    admin.ledgers += [QUIET | {"seen": 2}, QUIET, QUIET]
    assert of(processes, admin.server_port).settled_ledger() == QUIET
    assert len(admin.ledgers) == 1


def test_settled_gives_up_and_shows_what_is_open(admin: Admin, processes: Processes) -> None:
    stuck = QUIET | {"in_flight": 1}
    admin.ledgers = [stuck]
    assert of(processes, admin.server_port).settled_ledger(timeout_s=0.1) == stuck


def test_gone_sidecar_has_an_empty_status(processes: Processes) -> None:
    gone = of(processes, *free_ports(1))
    assert gone.status() == {}
    assert gone.settled_ledger(timeout_s=0) == {}


def test_config_is_written_in_its_order(tmp_path: Path) -> None:
    config = {"mode": "sink", "listen": "unix:/x", "admin": "127.0.0.1:1"}
    path = write_config(tmp_path, config)
    assert list(yaml.safe_load(path.read_text()).items()) == list(config.items())
    assert serve_command(path)[-3:] == ["serve", "-c", path]


def test_refused_configuration_is_shown(processes: Processes, tmp_path: Path) -> None:
    config = {"mode": "neither", "listen": f"unix:{tmp_path}/x", "admin": "127.0.0.1:1"}
    with pytest.raises(ChildFailed, match=r"(?s)mirror ended with exit code 2.*neither"):
        start_sidecar(processes, tmp_path, config)
