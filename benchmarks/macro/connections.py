"""CPU per request from 10 to 10,000 open connections, and from 1 to 50 configured routes.

N open connections are used in two ways:

    open    ten of them send requests as fast as they are answered (wrk); the others have sent one
            request and stay open. This shows what idle connections cost the busy ones.
    steady  the same constant rate for every N in an open loop, with all connections taking turns
            (client.py). This shows what spreading the same work over more connections costs.

Plain nginx is the control for `inline` and `sink`: it pays the same cost of kernel and sockets
(with N sockets in turn, each one is cold when its turn comes). CPU is counted in a window in which
all connections are already open, so that it excludes accepting. The app counts the requests of the
window, and the shadow counts the copies.

Flatness is the largest row of a family divided by the smallest.

Run: python -m benchmarks.macro.connections [--rounds 3] [--seconds 1.5] [--rate 8000]
"""

import argparse
import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from benchmarks import result
from benchmarks.macro.client import ClientProcess
from benchmarks.macro.cores import busy_core_s, cpu_time, family
from benchmarks.macro.cpu_per_request import Meter, least_disturbed
from benchmarks.macro.ways import TARGET, Stage, Way, stage, templates
from benchmarks.macro.wrk import Wrk

LEVELS = (10, 100, 1000, 10_000)
ROUTE_COUNTS = (1, 50)
ASKING = 10
WAYS = ("plain", "sink", "inline")
DESCRIPTORS = 19_500
CALM_TIMEOUT_S = 30.0
CALM_STEP_S = 0.3
CALM_UTILISATION = 0.1

# No connection may close while it is counted.
TIMEOUTS = {"head": 3600.0, "idle": 3600.0}


def open_descriptors(way: Way) -> int:
    """Return the open descriptors of the way's process that holds the client's connections."""
    return max(len(os.listdir(f"/proc/{process.pid}/fd")) for process in family(way.pids))


@contextmanager
def idle_connections(way: Way, count: int) -> Iterator[int]:
    """Open `count` connections, send one request on each, and keep them open in the block."""
    request = f"GET {TARGET} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with ExitStack() as opened:
        for _ in range(count):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", way.port), 10))
            client.sendall(request)
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        yield open_descriptors(way)


def calm(way: Way) -> None:
    """Wait until the way is idle, so that its leftover work does not count in the next run."""
    deadline = time.monotonic() + CALM_TIMEOUT_S
    used_s = CALM_STEP_S
    while used_s > CALM_STEP_S * CALM_UTILISATION and time.monotonic() < deadline:
        before = cpu_time(way.pids)
        time.sleep(CALM_STEP_S)
        used_s = (cpu_time(way.pids) - before).total_s


def window(way: Way, meters: tuple[Meter, Meter], seconds: float) -> result.Row:
    """Measure the costs of the current load; `meters` count the requests of app and shadow."""
    app, shadow = meters
    started_at, busy_s, cpu = time.monotonic(), busy_core_s(), cpu_time(way.pids)
    requests, copies = app.arrived(), shadow.arrived()
    time.sleep(seconds)
    requests, copies = app.arrived() - requests, shadow.arrived() - copies
    cpu, busy_s = cpu_time(way.pids) - cpu, busy_core_s() - busy_s
    elapsed_s = time.monotonic() - started_at
    requests = max(requests, 1)  # a stuck way
    return {
        "cpu_us_per_request": round(cpu.total_s * 1e6 / requests, 2),
        "copies_per_request": round(copies / requests, 3),
        "rps": round(requests / elapsed_s, 1),
        "core_utilisation": round(cpu.total_s / elapsed_s, 3),
        "foreign_share": round(max(0.0, busy_s - cpu.total_s) / elapsed_s, 3),
    }


def beside_open(
    way: Way, meters: tuple[Meter, Meter], connections: int, options: argparse.Namespace
) -> result.Row:
    with idle_connections(way, connections - ASKING) as held:
        calm(way)
        with Wrk(way.url(), 600, ASKING) as wrk:
            time.sleep(0.3)
            row = window(way, meters, options.seconds)
    calm(way)
    errors, missing = wrk.report.errors, max(0, connections - ASKING - held)
    return {**row, "p99_ms": wrk.report.p99_ms, "errors": errors, "missing": missing}


def steady(
    way: Way, meters: tuple[Meter, Meter], connections: int, options: argparse.Namespace
) -> result.Row:
    # All connections take a turn first, so that each has been used.
    warm_s = 0.3 + connections / options.rate
    seconds = warm_s + options.seconds + 0.5
    with ClientProcess(way.port, connections, seconds, options.rate) as client:
        time.sleep(warm_s)
        row = window(way, meters, options.seconds)
    calm(way)
    return {**row, "p99_ms": client.report["p99_ms"], "errors": 0, "missing": 0}


def one_round(
    ways: dict[str, Way], meters: tuple[Meter, Meter], options: argparse.Namespace
) -> result.Round:
    runs: list[tuple[str, Callable[..., result.Row], str, int]] = []
    for count in LEVELS:
        for name in WAYS:
            runs.append((f"{name} steady {count}", steady, name, count))
            runs.append((f"{name} open {count}", beside_open, name, count))
    for count in ROUTE_COUNTS:
        for name in WAYS[1:]:
            row = f"{name} routes {count}"
            runs.append((row, beside_open, row, ASKING))
    found = {}
    for row, measure, name, count in runs:
        found[row] = least_disturbed(partial(measure, ways[name], meters, count, options))
        print(f"{row:20} {found[row]}", flush=True)
    return found


def families(rows: result.Round) -> dict[str, list[tuple[int, result.Row]]]:
    """Return groups of rows that should cost the same, each ordered by number."""
    found: dict[str, list[tuple[int, result.Row]]] = {}
    for row, values in rows.items():
        family_name, _, number = row.rpartition(" ")
        found.setdefault(family_name, []).append((int(number), values))
    return {name: sorted(rows, key=lambda row: row[0]) for name, rows in found.items()}


def flatness(rows: list[tuple[int, result.Row]]) -> float:
    """Return the largest CPU per request divided by the smallest; 10, 11 and 11.5 µs give 1.15."""
    costs = [row["cpu_us_per_request"] for _, row in rows]
    return max(costs) / min(costs)


def cell(row: result.Row) -> str:
    """Return the CPU per request, marked if wrk had errors or could not open all connections."""
    mark = " †" if row["errors"] or row["missing"] else ""
    return f"{row['cpu_us_per_request']:.1f}{mark}"


def table(found: dict[str, Any]) -> str:
    lines = []
    groups = families(found["medians"])
    for title, numbers in (("connections", LEVELS), ("routes", ROUTE_COUNTS)):
        lines += [
            f"| CPU µs per request at … {title} | "
            + " | ".join(f"{number:,}" for number in numbers)
            + " | max ÷ min | fewest copies |",
            "|---|" + "---:|" * (len(numbers) + 2),
        ]
        for name, rows in groups.items():
            if (" routes" in name) != (title == "routes"):
                continue
            costs = " | ".join(cell(row) for _, row in rows)
            copies = min(row["copies_per_request"] for _, row in rows)
            lines.append(f"| {name} | {costs} | {flatness(rows):.2f} | {copies:.2f} |")
        lines.append("")
    return "\n".join(lines[:-1])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="length of one window")
    parser.add_argument("--rate", type=float, default=8000, help="requests per second of steady")


def start_ways(on_stage: Stage) -> dict[str, Way]:
    sections = {"timeouts": TIMEOUTS}
    ways = {name: on_stage.start(name, **sections) for name in WAYS}
    for name in WAYS[1:]:
        for count in ROUTE_COUNTS:
            routes = templates(count)
            ways[f"{name} routes {count}"] = on_stage.start(name, **sections, routes=routes)
    return ways


def main() -> None:
    options = result.options_of(__doc__, "connections", add_options)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < DESCRIPTORS:
        sys.exit(f"needs {DESCRIPTORS} descriptors, the limit is {hard}: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # children inherit it
    with stage() as on_stage:
        on_stage.start_upstreams()
        ways = start_ways(on_stage)
        meters = Meter(on_stage.app_port), Meter(on_stage.shadow_port)
        for way in ways.values():
            beside_open(way, meters, ASKING, options)  # warm-up
        rounds = [one_round(ways, meters, options) for _ in range(options.rounds)]
        balanced = [
            way.sidecar.settled_ledger()["balanced"] for way in ways.values() if way.sidecar
        ]
    medians = result.medians_of(rounds)
    written = result.write(options, rounds, medians, ledgers_balanced=all(balanced))
    print(table(written))


if __name__ == "__main__":
    main()
