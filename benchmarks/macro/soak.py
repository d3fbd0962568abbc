"""Runs both modes under load for a long time while one fault follows the other.

A seed determines the order of the faults: the shadow becomes sick (sick_upstream.py), a worker is
killed, the whole sidecar is killed and restarted, it is stopped for a while, it reloads, its Agent
disappears. In the last fifth of the time there is no fault. These conditions must then hold in both
modes:

    no production request has failed
    the ledger added up at every check and at the end
    memory has stopped growing
    there are no more descriptors than before the load, once nginx, app and shadow are gone

The exit code is 1 if one of them does not hold.

Run: python -m benchmarks.macro.soak [--seconds 600] [--seed 1] [--rate 300]
"""

import argparse
import math
import os
import random
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.macro.client import ClientProcess
from benchmarks.macro.cores import family
from benchmarks.macro.sick_upstream import FAULTS, HEALTHY, become
from benchmarks.macro.ways import ROUTES, upstream_site
from mirror.demo.nginx import Nginx, inline_site, sink_site, start_nginx
from mirror.demo.processes import Processes, accepts, find_program, free_ports
from mirror.demo.sidecar import Sidecar, start_sidecar

MODES = ("sink", "inline")
CONNECTIONS = 20
SHORTEST_S, LONGEST_S = 1.0, 4.0
STOPPED_S = 1.0
CALM_SHARE = 0.2
MEMORY_WARM_S = 15.0
"""Seconds until breakers have closed again and new workers have met every kind of request."""
START_TIMEOUT_S = 10.0
LEAST_LOOKS = 30
MOST_GROWTH_MIB = 1.0
"""The limit per minute for the supervisor and two workers together."""
SPARE_DESCRIPTORS = 4
"""A reader of /status and connections of the sinks may be open during a check."""
READ_TIMEOUT = ("proxy_read_timeout 15s", "proxy_read_timeout 500ms")
"""The user chooses how long a hung sidecar may delay a request; a short time keeps the schedule."""


@dataclass
class Line:
    """The programs of one mode, without the shadow."""

    mode: str
    processes: Processes
    home: Path
    config: dict[str, Any]
    sidecar: Sidecar
    nginx: Nginx
    app: Nginx
    violations: list[str] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    """Times in seconds, and the bytes of all processes of the sidecar."""

    def look(self) -> None:
        """Record the memory, and a ledger that does not add up."""
        now = time.monotonic()
        self.memory.append((now, resident_bytes(self.sidecar)))
        ledger = self.sidecar.status().get("ledger", {"balanced": True})
        if not ledger["balanced"]:
            self.violations.append(f"the ledger does not sum: {ledger}")

    def signal(self, number: int) -> None:
        os.killpg(self.sidecar.child.pid, number)

    def kill_worker(self) -> None:
        workers = self.sidecar.status().get("workers", [])
        if workers:
            os.kill(workers[0]["pid"], signal.SIGKILL)

    def restart(self) -> None:
        self.sidecar.child.kill()
        self.sidecar = start_sidecar(self.processes, self.home, self.config)

    def descriptors(self) -> int:
        """Return the descriptors of supervisor and workers, once all workers have started."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._is_whole() and time.monotonic() < deadline:
            time.sleep(0.1)
        return sum(process.num_fds() for process in family([self.sidecar.child.pid]))

    def _is_whole(self) -> bool:
        workers = self.sidecar.status().get("workers", [])
        ready = [worker for worker in workers if worker["ready"]]
        return len(ready) == self.config["workers"]

    def growth_bytes_per_minute(self) -> float:
        """Return the slope of a least-squares line through the memory; NaN with too few values."""
        first = self.memory[0][0] if self.memory else 0.0
        points = [(at, size) for at, size in self.memory if at - first > MEMORY_WARM_S]
        if len(points) < LEAST_LOOKS:
            return math.nan
        ats, sizes = zip(*points, strict=True)
        return 60 * statistics.linear_regression(ats, sizes).slope


def resident_bytes(sidecar: Sidecar) -> int:
    found = 0
    for process in family([sidecar.child.pid]):
        try:
            found += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return found


def start_line(processes: Processes, directory: Path, mode: str, ports: dict[str, int]) -> Line:
    """Start nginx, app and sidecar of one mode; the modes share the shadow and the Agent."""
    nginx = find_program("nginx")
    if nginx is None:
        sys.exit("needs nginx: apt-get install nginx-light")
    home = directory / mode
    home.mkdir()
    port, app_port, admin_port, void_port = free_ports(4)
    address = f"unix:{home}/mirror.sock"
    config: dict[str, Any] = {
        "mode": mode,
        "listen": address,
        "workers": 2,
        "shadow": {"url": f"http://127.0.0.1:{ports['shadow']}", "timeout": 2},
        "routes": list(ROUTES),
        "datadog": {"dogstatsd": f"udp://127.0.0.1:{ports['agent']}", "tags": ["env:soak"]},
        "series": {"path": str(home / "series.db")},
        "admin": f"127.0.0.1:{admin_port}",
    }
    site = sink_site(port, app_port, address, void_port)
    if mode == "inline":
        config["primary"] = f"http://127.0.0.1:{app_port}"
        site = inline_site(port, app_port, address).replace(*READ_TIMEOUT)
    app_site = upstream_site(app_port)
    app = start_nginx(processes, directory / f"app-{mode}", nginx, site=app_site, port=app_port)
    sidecar = start_sidecar(processes, home, config)
    front = start_nginx(processes, directory / f"nginx-{mode}", nginx, site=site, port=port)
    return Line(mode, processes, home, config, sidecar, front, app)


class Director:
    """Chooses the next fault at random, causes it, and removes it."""

    def __init__(self, seed: int, lines: list[Line], control_port: int, agent_port: int) -> None:
        self._random = random.Random(seed)
        self._lines = lines
        self._control_port = control_port
        self._agent_port = agent_port
        self._agent = self._open_agent()
        self._acts: dict[str, Callable[[Line], None]] = {
            "worker killed": Line.kill_worker,
            "sidecar killed": self._restart,
            "sidecar stopped": self._stop_for_a_while,
            "reload": lambda line: line.sidecar.child.send_signal(signal.SIGHUP),
            "agent gone": self._without_agent,
        }
        self.happened: dict[str, int] = {}

    def act(self) -> float:
        """Cause one fault; return the seconds for which it should last."""
        sick = [name for name in FAULTS if name != "tls_failure"]
        name = self._random.choice([*sick, *self._acts])
        self.happened[name] = self.happened.get(name, 0) + 1
        if name in self._acts:
            self._acts[name](self._random.choice(self._lines))
        else:
            become(self._control_port, name)
        print(f"{name}", flush=True)
        return self._random.uniform(SHORTEST_S, LONGEST_S)

    def heal(self) -> None:
        become(self._control_port, HEALTHY)

    def _restart(self, line: Line) -> None:
        self.heal()  # a sidecar does not start while its shadow does not speak HTTP
        line.restart()

    def _stop_for_a_while(self, line: Line) -> None:
        line.signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        line.signal(signal.SIGCONT)

    def _without_agent(self, line: Line) -> None:
        self._agent.close()
        time.sleep(STOPPED_S)
        self._agent = self._open_agent()

    def _open_agent(self) -> socket.socket:
        agent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        agent.bind(("127.0.0.1", self._agent_port))
        return agent


def soak(director: Director, lines: list[Line], options: argparse.Namespace) -> list[str]:
    """Run load and faults until the time is over; return the failures of production."""
    clients = [
        ClientProcess(line.nginx.port, CONNECTIONS, options.seconds, options.rate, may_fail=True)
        for line in lines
    ]
    ends_at = time.monotonic() + options.seconds
    with ExitStack() as running:
        for client in clients:
            running.enter_context(client)
        calm_at = ends_at - CALM_SHARE * options.seconds
        while (left_s := calm_at - time.monotonic()) > 0:
            for_s = min(director.act(), left_s)
            look_on(lines, time.monotonic() + for_s)
        director.heal()
        for line in lines:
            line.memory.clear()
        look_on(lines, ends_at)
    found = []
    for line, client in zip(lines, clients, strict=True):
        print(f"{line.mode}: {client.report}")
        if client.failures:
            found.append(f"{line.mode}: production failed: {client.failures}")
    return found


def look_on(lines: list[Line], until: float) -> None:
    while (left_s := until - time.monotonic()) > 0:
        time.sleep(min(1.0, left_s))
        for line in lines:
            line.look()


def last_look(lines: list[Line], before: list[int], control_port: int) -> list[str]:
    """Check the ledgers at rest, and the descriptors once nothing is connected."""
    found = []
    for line in lines:
        ledger = line.sidecar.settled_ledger()
        if not ledger["balanced"] or ledger["in_flight"] or ledger["reading"]:
            line.violations.append(f"the ledger at the end: {ledger}")
        line.nginx.child.stop()
        line.app.child.stop()
    become(control_port, "refusing")
    time.sleep(1)
    for line, most in zip(lines, before, strict=True):
        now = line.descriptors()
        growth = line.growth_bytes_per_minute() / (1 << 20)
        memory = "memory: too short" if math.isnan(growth) else f"{growth:+.2f} MiB a minute"
        print(f"{line.mode}: {memory}, {most} descriptors before, {now} after")
        if growth > MOST_GROWTH_MIB:
            line.violations.append(f"memory grows by {growth:.2f} MiB a minute")
        if now > most + SPARE_DESCRIPTORS:
            line.violations.append(f"{now} descriptors are open, {most} before the load")
        found += [f"{line.mode}: {violation}" for violation in line.violations]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=300.0, help="requests per second and mode")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="kagami-") as name,
        Processes(Path(name)) as processes,
    ):
        shadow_port, control_port, agent_port = free_ports(3)
        module = [sys.executable, "-m", "benchmarks.macro.sick_upstream"]
        sick = processes.start("sick", [*module, str(shadow_port), str(control_port)])
        sick.wait_until(lambda: accepts(control_port))
        ports = {"shadow": shadow_port, "agent": agent_port}
        lines = [start_line(processes, Path(name), mode, ports) for mode in MODES]
        director = Director(options.seed, lines, control_port, agent_port)
        before = [line.descriptors() for line in lines]
        violations = soak(director, lines, options)
        violations += last_look(lines, before, control_port)
    print(f"{sum(director.happened.values())} faults: {director.happened}")
    print("\n".join(violations) or "production noticed nothing, everything is back")
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
