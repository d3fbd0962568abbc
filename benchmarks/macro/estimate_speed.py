"""Time and memory of an estimate over a month with 50 routes, and their growth with the length.

Two measurements, each in its own process:

    report   makes a series of 10 s over 50 routes in memory (30 days are 13 million points), then
             computes the projection (sizing, HPA simulation, phases, every path) and its HTML page
    command  runs `estimate --from-series series.db --html report.html` over as many points;
             series.db has one point per second, so that 13 million points are three days

Both have one gateway and ten pods with six rows each. The seconds of `report` cover only projection
and page; those of `command` include the start of Python, reading SQLite and everything else. The
peak is the resident memory of the process. `us_per_point` is the CPU time of each point beyond the
shortest series; the cost is linear if it is the same for every length.

Other processes share the machine's CPU. They affect CPU seconds less than elapsed seconds, and the
least of the rounds least of all.

Run: python -m benchmarks.macro.estimate_speed [--rounds 3] [--days 1 3 10 30]
"""

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks import result
from mirror.formats.series_db import SCHEMA

ROUTES = 50
PODS = 10
STEP_S = 10


def routes() -> list[str]:
    return [f"/r{number:02}" for number in range(ROUTES)]


def rates(points: int, step_s: int) -> np.ndarray:
    """Return rates of shape (routes, points): a daily wave with Poisson arrivals and a steep hour
    every third day."""
    random = np.random.default_rng(points)
    t = np.arange(points) * step_s
    wave = 1 + 0.75 * np.sin(2 * np.pi * t / 86_400)
    wave = np.where((t % (3 * 86_400)) // 3_600 == 30, wave * 1.6, wave)
    found = np.empty((ROUTES, points))
    for row in range(ROUTES):
        found[row] = random.poisson(wave * (400 / (row + 1)) * step_s) / step_s
    return found


def table_text() -> str:
    """Return a correspondence table: one gateway for all routes and ten pods with five each."""
    routes_per_pod = ROUTES // PODS
    kinds = [("gateway", "gateway", ["*"])]
    kinds += [
        (f"pod-{n}", "pod", routes()[n * routes_per_pod : (n + 1) * routes_per_pod])
        for n in range(PODS)
    ]
    lines = ["components:"]
    for name, kind, carried in kinds:
        lines += [
            f"  - name: {name}",
            f"    kind: {kind}",
            f"    routes: {json.dumps(carried)}",
            "    requests: {app: {cpu: 1, memory: 512Mi}, istio-proxy: {cpu: 500m, memory: 256Mi}}",
            "    points:",
        ]
        for rps in (50, 100, 200, 300, 400, 500):
            app, proxy = 5 + 1.6 * rps**0.9, 3 + 0.3 * rps
            lines.append(
                f"      - {{replicas: 4, rps: {4 * rps}, error_ratio: 0, p99_ms: {5 + rps / 50},"
                f" usage: {{app: {{cpu: {app:.0f}m, memory: 300Mi}},"
                f" istio-proxy: {{cpu: {proxy:.0f}m, memory: 90Mi}}}}}}"
            )
    return "\n".join(lines) + "\n"


def report(days: int, table: Path) -> None:
    """Project and draw in this process, and print the time and memory."""
    from estimator import __version__
    from estimator.cluster.files import EXAMPLE, read_cluster
    from estimator.model.policy import Policy
    from estimator.model.projection import project
    from estimator.report.page import page_of
    from estimator.series.rps import RpsSeries
    from estimator.table.files import read_table

    series = RpsSeries(
        "generated", 0, STEP_S, tuple(routes()), rates(days * 86_400 // STEP_S, STEP_S)
    )
    read, cluster = read_table(table), read_cluster(EXAMPLE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, cpu_started = time.perf_counter(), time.process_time()
    projection = project(series, read, Policy(), cluster)
    projected = time.perf_counter()
    page = page_of(projection, __version__)
    ended = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "points": float(series.rps.size),
                "seconds": ended - started,
                "cpu_seconds": time.process_time() - cpu_started,
                "projection_seconds": projected - started,
                "page_seconds": ended - projected,
                "page_kilobytes": len(page.encode()) / 1000,
                "peak_mebibytes": peak / 1024,
                "grown_mebibytes": (peak - before) / 1024,
            }
        )
    )


def write_series(path: Path, seconds: int) -> None:
    """Write a series.db with this many seconds."""
    found = rates(seconds, 1).astype(int)
    with closing(sqlite3.connect(path)) as database:
        database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + SCHEMA)
        database.executemany("INSERT INTO seconds VALUES (?)", ((s,) for s in range(seconds)))
        names = routes()
        database.executemany(
            "INSERT INTO counts VALUES (?, 'requests', ?, 'safe', ?)",
            (
                (second, name, value)
                for second in range(seconds)
                for name, value in zip(names, found[:, second].tolist(), strict=True)
            ),
        )
        database.commit()


def command(series: Path, table: Path, page: Path) -> result.Row:
    """Run the installed command over a series; return its time and memory."""
    arguments = ["--from-series", series, "--table", table, "--nodes", "example", "--html", page]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "estimator", *map(str, arguments), "--format", "json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    # Exit code 3 is low confidence, due to the example nodes or less than a day of data.
    if process.returncode not in (0, 3):
        raise SystemExit(f"estimate ended with {process.returncode}")
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "page_kilobytes": page.stat().st_size / 1000,
        "peak_mebibytes": usage.ru_maxrss / 1024,
    }


def measure(days: list[int], rounds: int) -> list[result.Round]:
    """Return all rounds of both measurements."""
    found: list[result.Round] = []
    with tempfile.TemporaryDirectory() as directory:
        table = Path(directory) / "table.yaml"
        table.write_text(table_text())
        databases = {}
        for count in days:
            databases[count] = Path(directory) / f"{count}.db"
            # A new process is used, because a forked child is charged for its parent's memory.
            child = [sys.executable, "-m", "benchmarks.macro.estimate_speed"]
            child += ["--make", str(databases[count]), "--days", str(count)]
            subprocess.run(child, check=True)
        for _ in range(rounds):
            rows: result.Round = {}
            for count in days:
                child = [sys.executable, "-m", "benchmarks.macro.estimate_speed"]
                child += ["--child", str(count), "--table", str(table)]
                output = subprocess.run(child, check=True, capture_output=True, text=True).stdout
                rows[f"report, {count} d of 10 s"] = json.loads(output)
                points = float(count * 86_400 // STEP_S * ROUTES)
                row = command(databases[count], table, Path(directory) / "report.html")
                rows[f"command, {points / 1e6:.2f} M points"] = {"points": points, **row}
            found.append(rows)
    return found


def summarise(rounds: list[result.Round]) -> result.Round:
    """Return medians, the least CPU, and the cost of each point beyond the shortest series."""
    medians = result.medians_of(rounds)
    for name, row in medians.items():
        row["cpu_seconds_least"] = round(
            min(measured[name]["cpu_seconds"] for measured in rounds), 3
        )
    for way in ("report", "command"):
        first, *longer = (row for name, row in medians.items() if name.startswith(way))
        for row in longer:
            spent = row["cpu_seconds_least"] - first["cpu_seconds_least"]
            row["us_per_point"] = round(1e6 * spent / (row["points"] - first["points"]), 3)
    return medians


def main(argv: list[str] | None = None) -> None:
    def add(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--days", type=int, nargs="+", default=[1, 3, 10, 30])
        parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
        parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
        parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)

    options = result.options_of(__doc__, "estimate_speed", add, argv)
    if options.child is not None:
        report(options.child, options.table)
        return
    if options.make is not None:
        write_series(options.make, options.days[0] * 86_400 // STEP_S)
        return
    rounds = measure(options.days, options.rounds)
    medians = summarise(rounds)
    for name, row in medians.items():
        print(f"{name:28}", "  ".join(f"{key} {value:g}" for key, value in row.items()))
    del options.child, options.table, options.make
    result.write(options, rounds, medians)


if __name__ == "__main__":
    main()
