"""CPU per request from 10 to 10,000 open connections, and from 1 to 50 configured routes.

N open connections are used in two ways:

    steady  one constant rate for every N, open loop, the connections take turns (client.py): the
            same work held by more connections, which the cost should not depend on
    active  all N ask at once, closed loop (wrk): a queue N long, which is overload

A closed loop whose connections take turns would not do: before `sink` a client is answered while
the copy is still under way, so that nothing slows it down to what the sidecar can take.

Plain nginx stands beside `inline` and `sink` as the control: what the kernel and the sockets cost
it, everybody pays. CPU is counted in a window in which every connection is open already, so that
accepting is not in it; the app counts the requests of the window, the shadow the copies.

The sidecar may hold as many shadow legs waiting as there are connections: with its default of 1024
a burst of ten thousand would be shed, and shedding is cheap. The column of copies shows what was
shed or fell behind nevertheless.

Flatness is the largest row of a family divided by the smallest.

Run: python -m benchmarks.macro.connections [--rounds 3] [--seconds 1.5] [--rate 8000]
"""

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import result
from benchmarks.macro.client import ClientProcess
from benchmarks.macro.cores import busy_core_s, cpu_time, family
from benchmarks.macro.cpu_per_request import Meter, least_disturbed
from benchmarks.macro.ways import Stage, Way, stage, templates
from benchmarks.macro.wrk import Wrk

LEVELS = (10, 100, 1000, 10_000)
ROUTE_COUNTS = (1, 50)
ROUTE_CONNECTIONS = 32
WAYS = ("plain", "sink", "inline")
DESCRIPTORS = 19_500
CONNECT_TIMEOUT_S = 30.0
CALM_STEP_S = 0.3
CALM_UTILISATION = 0.1

# Nothing may end while it is counted.
TIMEOUTS = {"head": 3600.0, "idle": 3600.0}
SHADOW = {"waiting": 16_384}


def open_descriptors(way: Way) -> int:
    """Of the process of the way that has most: the one that holds the client's connections."""
    return max(len(os.listdir(f"/proc/{process.pid}/fd")) for process in family(way.pids))


def wait_for_connections(way: Way, count: int) -> int:
    """Until that many are open, or for a while; how many descriptors are open then."""
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    while (found := open_descriptors(way)) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def calm(way: Way) -> None:
    """Wait until the way does nothing any more: what it closes or sheds is not the next run's."""
    deadline = time.monotonic() + CONNECT_TIMEOUT_S
    used_s = CALM_STEP_S
    while used_s > CALM_STEP_S * CALM_UTILISATION and time.monotonic() < deadline:
        before = cpu_time(way.pids)
        time.sleep(CALM_STEP_S)
        used_s = (cpu_time(way.pids) - before).total_s


def window(way: Way, meters: tuple[Meter, Meter], seconds: float) -> result.Row:
    """Costs of what happens now; `meters` count what app and shadow get."""
    app, shadow = meters
    started_at, busy_s, cpu = time.monotonic(), busy_core_s(), cpu_time(way.pids)
    requests, copies = app.arrived(), shadow.arrived()
    time.sleep(seconds)
    requests, copies = app.arrived() - requests, shadow.arrived() - copies
    cpu, busy_s = cpu_time(way.pids) - cpu, busy_core_s() - busy_s
    elapsed_s = time.monotonic() - started_at
    requests = max(requests, 1)  # a way that is stuck
    return {
        "cpu_us_per_request": round(cpu.total_s * 1e6 / requests, 2),
        "copies_per_request": round(copies / requests, 3),
        "rps": round(requests / elapsed_s, 1),
        "core_utilisation": round(cpu.total_s / elapsed_s, 3),
        "foreign_share": round(max(0.0, busy_s - cpu.total_s) / elapsed_s, 3),
    }


def active(
    way: Way, meters: tuple[Meter, Meter], connections: int, options: argparse.Namespace
) -> result.Row:
    with Wrk(way.url(), 600, connections) as wrk:
        missing = max(0, connections - wait_for_connections(way, connections))
        time.sleep(0.3 + connections / 10_000)
        row = window(way, meters, options.seconds)
    calm(way)
    report = wrk.report
    return {**row, "p99_ms": report.p99_ms, "errors": report.errors, "missing": missing}


def steady(
    way: Way, meters: tuple[Meter, Meter], connections: int, options: argparse.Namespace
) -> result.Row:
    # A turn of all connections first, for each to have been used.
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
            runs.append((f"{name} active {count}", active, name, count))
    for count in ROUTE_COUNTS:
        for name in WAYS[1:]:
            row = f"{name} routes {count}"
            runs.append((row, active, row, ROUTE_CONNECTIONS))
    found = {}
    for row, measure, name, count in runs:
        found[row] = least_disturbed(partial(measure, ways[name], meters, count, options))
        print(f"{row:20} {found[row]}", flush=True)
    return found


def families(rows: result.Round) -> dict[str, list[tuple[int, result.Row]]]:
    """Rows that should cost the same, by what they have in common, in the order of their number."""
    found: dict[str, list[tuple[int, result.Row]]] = {}
    for row, values in rows.items():
        family_name, _, number = row.rpartition(" ")
        found.setdefault(family_name, []).append((int(number), values))
    return {name: sorted(rows, key=lambda row: row[0]) for name, rows in found.items()}


def flatness(rows: list[tuple[int, result.Row]]) -> float:
    """Largest ÷ smallest CPU per request; of 10, 11 and 11.5 µs it is 1.15."""
    costs = [row["cpu_us_per_request"] for _, row in rows]
    return max(costs) / min(costs)


def cell(row: result.Row) -> str:
    """CPU per request; marked where wrk met errors or could not open every connection."""
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
    sections = {"timeouts": TIMEOUTS, "shadow": SHADOW}
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
            active(way, meters, ROUTE_CONNECTIONS, options)  # warm-up
        rounds = [one_round(ways, meters, options) for _ in range(options.rounds)]
        balanced = [
            way.sidecar.settled_ledger()["balanced"] for way in ways.values() if way.sidecar
        ]
    medians = result.medians_of(rounds)
    written = result.write(options, rounds, medians, ledgers_balanced=all(balanced))
    print(table(written))


if __name__ == "__main__":
    main()
