"""`mirror replay` under measurement: its own core, a list of requests, and its result.

Owns the app that is loaded (nginx that answers a few bytes, on the other core) and reading of
results. Must never know what is compared.
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
from mirror.core.record import Record, encode, encode_header
from mirror.demo.nginx import start_nginx
from mirror.demo.processes import Processes, find_program, free_ports

LIST_LENGTH = 1000
CODES = (0, 3)
"""3: the result is invalid, because the generator was the bottleneck; that is looked for here."""


@dataclass(frozen=True)
class Loaded:
    """An app to be loaded, and a list of requests for it."""

    url: str
    requests: Path
    connections: int

    def replay(self, rates: Sequence[float], hold_s: float) -> list[dict[str, Any]]:
        """Run the steps; return what the result says of their steady parts."""
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
        """The highest of these rates at which the generator was no bottleneck; 0 for none."""
        held = [step["achieved_rps"] for step in self.replay(rates, hold_s) if step["is_valid"]]
        return max(held, default=0.0)


@contextmanager
def loaded(connections: int) -> Iterator[Loaded]:
    """An app on the client's core, for what is measured on the core under test."""
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
        one = Record(0.0, "GET", "bench.example", TARGET)
        path.write_bytes(encode_header() + encode(one) * LIST_LENGTH)
        yield Loaded(f"http://127.0.0.1:{port}", path, connections)


def cpu_us_per_request(step: dict[str, Any]) -> float:
    """Of the generator's thread, in the steady part."""
    return float(1e6 * step["generator_cpu_ratio"] / step["offered_rps"])
