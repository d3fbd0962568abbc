"""`mirror serve` as a process, with a generated configuration.

This module writes mirror.yaml and reads the status of the running sidecar. It uses the sidecar as
it uses nginx and Envoy, through command line, sockets and admin port, and imports nothing of the
data plane.
"""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mirror.demo.processes import Child, Processes, answers, fetch

SETTLE_TIMEOUT_S = 10.0

# Workers report once a second; two equal readings this far apart are from different reports.
SETTLE_STEP_S = 1.2


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A running `mirror serve`."""

    child: Child
    admin_port: int

    def status(self) -> dict[str, Any]:
        """Return /status, which lags one or two seconds; empty if the sidecar does not answer."""
        answer = fetch(self.admin_port, "/status")
        status: dict[str, Any] = json.loads(answer.body) if answer else {}
        return status

    def settled_ledger(self, timeout_s: float = SETTLE_TIMEOUT_S) -> dict[str, Any]:
        """Return the ledger once nothing is in flight and nothing changes any more.

        After `timeout_s` seconds, returns the ledger as it is, with whatever is still open.
        """
        deadline = time.monotonic() + timeout_s
        before: dict[str, Any] = {}
        while True:
            ledger: dict[str, Any] = self.status().get("ledger", {})
            is_open = ledger.get("in_flight") or ledger.get("reading")
            if time.monotonic() > deadline or (ledger and ledger == before and not is_open):
                return ledger
            before = ledger
            time.sleep(SETTLE_STEP_S)


def start_sidecar(
    processes: Processes,
    directory: Path,
    config: dict[str, Any],
    python: str | Path = sys.executable,
) -> Sidecar:
    """Write the configuration, start `mirror serve` and wait until its workers accept."""
    path = write_config(directory, config)
    child = processes.start("mirror", serve_command(path, python))
    admin_port = int(config["admin"].rpartition(":")[2])
    child.wait_until(lambda: answers(admin_port, "/readyz", status=200))
    return Sidecar(child, admin_port)


def write_config(directory: Path, config: dict[str, Any]) -> Path:
    """Write `config` as mirror.yaml in `directory`, and return its path."""
    path = directory / "mirror.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def serve_command(config: Path, python: str | Path = sys.executable) -> list[str | Path]:
    return [python, "-P", "-m", "mirror", "serve", "-c", config]
