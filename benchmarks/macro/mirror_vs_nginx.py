"""CPU per request of four ways to stand in front of an app, three of which mirror.

    plain         nginx proxies, nothing is mirrored
    nginx_mirror  nginx proxies and its `mirror` directive sends the copy to the shadow itself
    sink          nginx proxies and mirrors to the sidecar, which forwards the copy
    inline        the sidecar proxies and sends the copy

Method: everything under test runs on one core, the client (wrk) and both upstreams (nginx that
answers a few bytes) on another. CPU time is the operating system's accounting (utime + stime of
the processes under test and their children), read before a run and after the last copy has been
answered, divided by the requests that wrk completed. Configurations alternate within each round,
so that a slow moment of the machine hits all of them; the result is the median over rounds.
How many copies arrived is counted by the shadow itself: a way that sheds does less work, and the
table must show it. (A little more than 1: wrk does not count what it cuts at its end.)

A run that shared its core with somebody else is repeated: a server that is pushed aside finds its
work in larger heaps afterwards, which makes it look cheaper than it is.

Run: python benchmarks/macro/mirror_vs_nginx.py [--rounds 5] [--seconds 4]
"""

import argparse
import importlib.metadata
import json
import os
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from mirror.demo.nginx import (
    PRODUCTION_HEADERS,
    SINK_LOCATION,
    WITHOUT_BODIES,
    proxy_site,
    sink_site,
    start_nginx,
)
from mirror.demo.processes import Child, Processes, fetch, find_program, free_ports
from mirror.demo.sidecar import Sidecar, start_sidecar

RESULT = Path(__file__).parents[1] / "results" / "mirror_vs_nginx.json"
ROUTES = ["/watch/{id}", "/api/*", "/static/*"]
TARGET = "/watch/42?from=feed"
BODY = "a small answer"
CORE_UNDER_TEST, CORE_OF_CLIENT = 0, 1
BASELINE = "nginx_mirror"
FOREIGN_SHARE_LIMIT = 0.05
ATTEMPTS = 4


@dataclass(frozen=True)
class Way:
    """One configuration: where the client connects, and whose CPU time counts."""

    name: str
    port: int
    children: list[Child]
    sidecar: Sidecar | None = None

    def cpu_s(self) -> float:
        """CPU seconds of the processes under test and everything they forked."""
        total = 0.0
        for child in self.children:
            root = psutil.Process(child.pid)
            for process in (root, *root.children(recursive=True)):
                times = process.cpu_times()
                total += times.user + times.system
        return total


@contextmanager
def core(number: int) -> Iterator[None]:
    """What is started in this block runs on that core; children inherit it from us."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def upstream_site(port: int) -> str:
    return f"""
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200 "{BODY}"; }}
        location = /requests {{ stub_status; }}
    }}
"""


def nginx_mirror_site(port: int, app_port: int, shadow_port: int) -> str:
    """As people write it: the directives of the sink, with the shadow itself as the target."""
    location = SINK_LOCATION % {"bodies": WITHOUT_BODIES}
    return f"""
    upstream app {{ server 127.0.0.1:{app_port}; keepalive 64; }}
    upstream mirror_sink {{
        server 127.0.0.1:{shadow_port};
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            mirror /__mirror;
            mirror_request_body off;
            {PRODUCTION_HEADERS}
            proxy_pass http://app;
        }}
        {location.replace("200ms", "1s").replace("50ms", "1s")}
    }}
"""


@dataclass(frozen=True)
class Bench:
    """Everything that runs, and how to measure one way."""

    ways: list[Way]
    shadow_port: int

    def arrived(self) -> int:
        """Requests that the shadow has had, its own count."""
        answer = fetch(self.shadow_port, "/requests")
        assert answer is not None
        numbers = re.search(rb"\n\s*\d+ \d+ (\d+)", answer.body)
        assert numbers is not None
        return int(numbers[1])

    def settle(self) -> int:
        """Wait until no more copies arrive; how many have arrived."""
        count, before = self.arrived(), -1
        # Each of our own questions adds one.
        while count - before > 1:
            time.sleep(0.3)
            count, before = self.arrived(), count
        return count

    def measure(self, way: Way, seconds: float, connections: int) -> dict[str, float]:
        """The least disturbed of a few attempts; one is enough where nobody disturbs."""
        found: list[dict[str, float]] = []
        while len(found) < ATTEMPTS:
            found.append(self._measure_once(way, seconds, connections))
            if found[-1]["foreign_share"] < FOREIGN_SHARE_LIMIT:
                break
        return min(found, key=lambda run: run["foreign_share"])

    def _measure_once(self, way: Way, seconds: float, connections: int) -> dict[str, float]:
        arrived, cpu_s, busy_s = self.settle(), way.cpu_s(), busy_core_s()
        wrk = run_wrk(way.port, seconds, connections)
        # Our own questions are too few to matter: a handful beside tens of thousands.
        arrived = self.settle() - arrived
        cpu_s, busy_s = way.cpu_s() - cpu_s, busy_core_s() - busy_s
        return {
            "cpu_us_per_request": round(cpu_s * 1e6 / wrk["requests"], 2),
            "rps": round(wrk["requests"] / wrk["seconds"], 1),
            "p50_ms": wrk["p50_ms"],
            "p99_ms": wrk["p99_ms"],
            "copies_per_request": round(arrived / wrk["requests"], 4),
            "core_utilisation": round(cpu_s / wrk["seconds"], 3),
            "foreign_share": round(max(0.0, busy_s - cpu_s) / wrk["seconds"], 3),
            "requests": wrk["requests"],
            "errors": wrk["errors"],
        }


def busy_core_s() -> float:
    """Seconds that the core under test was not idle, whoever used it, the hypervisor included."""
    times = psutil.cpu_times(percpu=True)[CORE_UNDER_TEST]
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def run_wrk(port: int, seconds: float, connections: int) -> dict[str, float]:
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds:g}s", "--latency"]
    with core(CORE_OF_CLIENT):
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}{TARGET}"],
            capture_output=True,
            text=True,
            check=True,
            timeout=seconds + 30,
        )
    found = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    assert found is not None, done.stdout
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    failed = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)", done.stdout)
    return {
        "requests": int(found[1]),
        "seconds": float(found[2]),
        "p50_ms": percentile_ms(done.stdout, "50%"),
        "p99_ms": percentile_ms(done.stdout, "99%"),
        "errors": (int(errors[1]) if errors else 0)
        + sum(map(int, failed.groups() if failed else ())),
    }


def percentile_ms(said: str, name: str) -> float:
    """wrk writes a unit behind each number."""
    found = re.search(rf"{name}\s+([\d.]+)(us|ms|s)", said)
    assert found is not None, said
    return round(float(found[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[found[2]], 3)


def start(processes: Processes, directory: Path, agent_port: int) -> Bench:
    """Start all four ways at once; those that are not asked cost nothing."""
    nginx = find_program("nginx")
    if nginx is None or find_program("wrk") is None:
        sys.exit("needs nginx and wrk: apt-get install nginx-light wrk")
    names = ("app", "shadow", "plain", "nginx_mirror", "sink", "void", "inline")
    ports = dict(zip(names, free_ports(len(names)), strict=True))

    def run_nginx(name: str, site: str) -> Child:
        # Nobody logs here: the sidecar does not, and the access log costs the same in each way.
        site = site.replace("server {", "server { access_log off;")
        return start_nginx(processes, directory / name, nginx, site=site, port=ports[name]).child

    def run_sidecar(name: str, **config: Any) -> Sidecar:
        home = directory / f"mirror-{name}"
        home.mkdir()
        (admin_port,) = free_ports(1)
        common = {
            "shadow": {"url": f"http://127.0.0.1:{ports['shadow']}", "accept_server": ["nginx"]},
            "routes": ROUTES,
            "datadog": {"dogstatsd": f"udp://127.0.0.1:{agent_port}", "tags": ["env:bench"]},
            "series": {"path": str(home / "series.db")},
            "admin": f"127.0.0.1:{admin_port}",
        }
        return start_sidecar(processes, home, common | config)

    with core(CORE_OF_CLIENT):
        for name in ("app", "shadow"):
            run_nginx(name, upstream_site(ports[name]))
    socket_path = f"unix:{directory}/sink.sock"
    app = ports["app"]
    with core(CORE_UNDER_TEST):
        plain = run_nginx("plain", proxy_site(ports["plain"], app))
        site = nginx_mirror_site(ports["nginx_mirror"], app, ports["shadow"])
        mirroring = run_nginx("nginx_mirror", site)
        sink = run_sidecar("sink", mode="sink", listen=socket_path)
        before_sink = run_nginx("sink", sink_site(ports["sink"], app, socket_path, ports["void"]))
        inline = run_sidecar(
            "inline",
            mode="inline",
            listen=f"127.0.0.1:{ports['inline']}",
            primary=f"http://127.0.0.1:{app}",
        )
    ways = [
        Way("plain", ports["plain"], [plain]),
        Way("nginx_mirror", ports["nginx_mirror"], [mirroring]),
        Way("sink", ports["sink"], [before_sink, sink.child], sink),
        Way("inline", ports["inline"], [inline.child], inline),
    ]
    return Bench(ways, ports["shadow"])


def summarise(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Medians over rounds, and CPU per request as ratios to nginx's own mirror and to none."""
    medians = {
        name: {
            key: round(statistics.median(found[name][key] for found in rounds), 4)
            for key in rounds[0][name]
        }
        for name in rounds[0]
    }
    for values in medians.values():
        for other in (BASELINE, "plain"):
            ratio = values["cpu_us_per_request"] / medians[other]["cpu_us_per_request"]
            values[f"cpu_ratio_to_{other}"] = round(ratio, 3)
    return medians


def machine() -> dict[str, Any]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
    }


def versions() -> dict[str, str]:
    def said(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip().splitlines()[0]

    found = {"python": platform.python_version()}
    for package in ("kagami", "uvloop", "httptools"):
        found[package] = importlib.metadata.version(package)
    found["nginx"] = said(str(find_program("nginx")), "-v").rpartition("/")[2]
    found["wrk"] = said("wrk", "-v").split()[1]
    here = ("git", "-C", str(Path(__file__).parent))
    found["commit"] = said(*here, "rev-parse", "--short", "HEAD")
    return found


def table(medians: dict[str, dict[str, float]]) -> str:
    """The medians as the table of benchmarks/README.md."""
    lines = [
        "| way | CPU µs per request | to nginx mirror | to plain | copies per request | rps |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {values['cpu_us_per_request']:.1f} "
        f"| {values[f'cpu_ratio_to_{BASELINE}']:.2f} | {values['cpu_ratio_to_plain']:.2f} "
        f"| {values['copies_per_request']:.3f} | {values['rps']:,.0f} |"
        for name, values in medians.items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one run")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("needs two cores: one for what is measured, one for client and upstreams")
    with (
        tempfile.TemporaryDirectory(prefix="kagami-") as name,
        # In the place of the Datadog Agent; what nobody reads the kernel throws away.
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as agent,
        Processes(Path(name)) as processes,
    ):
        agent.bind(("127.0.0.1", 0))
        bench = start(processes, Path(name), agent.getsockname()[1])
        for way in bench.ways:  # warm-up: caches, connections, the interpreter's specialisation
            bench.measure(way, 1, options.connections)
        rounds = []
        for number in range(options.rounds):
            found = {}
            for way in bench.ways:
                found[way.name] = bench.measure(way, options.seconds, options.connections)
                print(f"round {number + 1} {way.name:13} {found[way.name]}", flush=True)
            rounds.append(found)
        balanced = [way.sidecar.settled_ledger()["balanced"] for way in bench.ways if way.sidecar]
    medians = summarise(rounds)
    result = {
        "benchmark": "mirror_vs_nginx",
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "parameters": {
            "rounds": options.rounds,
            "seconds": options.seconds,
            "connections": options.connections,
        },
        "ledgers_balanced": all(balanced),
        "medians": medians,
        "rounds": rounds,
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(table(medians))


if __name__ == "__main__":
    main()
