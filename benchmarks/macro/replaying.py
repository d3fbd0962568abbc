"""Runs `mirror replay` for measurements, on its own core, and reads its result.

Owns the loaded app, an nginx with small responses on the other core. This module does not know what
is compared.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.macro.cores import CORE_OF_CLIENT, CORE_UNDER_TEST, before_others
from benchmarks.macro.ways import TARGET, upstream_site
from mirror.demo.nginx import start_nginx
from mirror.demo.processes import Processes, find_program, free_ports
from mirror.formats.capture.record import Record, encode, encode_header

LIST_LENGTH = 1000
CODES = (0, 3)
"""Accepted exit codes; 3 means that the generator was the bottleneck, which callers look for."""


@dataclass(frozen=True)
class Loaded:
    """An app to load, and a list of requests for it."""

    url: str
    requests: Path
    connections: int

    def replay(self, rates: Sequence[float], hold_s: float) -> list[dict[str, Any]]:
        """Run a step for each rate; return the steady parts from the result."""
        command = [sys.executable, "-m", "mirror", "replay", str(self.requests), "--to", self.url]
        command += ["--steps", ",".join(f"{rate:g}" for rate in rates), "--hold", f"{hold_s:g}s"]
        command += ["--connections", str(self.connections), "--format", "json"]
        with before_others(CORE_UNDER_TEST):
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=60 + 2 * hold_s * len(rates)
            )
        if done.returncode not in CODES:
            sys.exit(f"mirror replay ended with {done.returncode}: {done.stderr}")
        steps: list[dict[str, Any]] = json.loads(done.stdout)["steps"]
        return steps

    def capacity_rps(self, rates: Sequence[float], hold_s: float) -> float:
        """Return the highest rate at which the generator was not the bottleneck, or 0."""
        held = [step["achieved_rps"] for step in self.replay(rates, hold_s) if step["is_valid"]]
        return max(held, default=0.0)


@contextmanager
def loaded(connections: int) -> Iterator[Loaded]:
    """Run an app on the client's core, to be loaded from the core under test."""
    nginx = find_program("nginx")
    if nginx is None:
        sys.exit("needs nginx (apt-get install nginx-light)")
    (port,) = free_ports(1)
    site = upstream_site(port).replace("server {", "server { access_log off;", 1)
    with (
        tempfile.TemporaryDirectory(prefix="kagami-") as name,
        Processes(Path(name)) as processes,
    ):
        with before_others(CORE_OF_CLIENT):
            start_nginx(processes, Path(name) / "app", nginx, site=site, port=port)
        path = Path(name) / "requests.jsonl"
        record = Record(0.0, "GET", "bench.example", TARGET)
        path.write_bytes(encode_header() + encode(record) * LIST_LENGTH)
        yield Loaded(f"http://127.0.0.1:{port}", path, connections)


def cpu_us_per_request(step: dict[str, Any]) -> float:
    """Return the CPU time of the generator's thread per request in the steady part."""
    return float(1e6 * step["generator_cpu_ratio"] / step["offered_rps"])
