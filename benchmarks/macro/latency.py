"""The latency that each way adds, at half of the highest load of `inline`.

The benchmark first finds that load with wrk against `inline` on a full core. An open-loop client
(client.py) on the client's core then offers half of it to every way; `direct` is the app without a
proxy. The added latency is the percentile of a way minus that of `direct`. The ways alternate
within each round.

A way may not sustain the rate: half of inline's load can exceed the capacity of nginx's `mirror`.
It then has no latency, because the queue of an open loop grows without limit, and it is shown as
saturated.

Run: python -m benchmarks.macro.latency [--rounds 5] [--seconds 4] [--connections 64]
"""

import argparse
from functools import partial
from typing import Any

from benchmarks import result
from benchmarks.macro.client import ClientProcess
from benchmarks.macro.cores import busy_core_s, cpu_time
from benchmarks.macro.cpu_per_request import Meter, least_disturbed
from benchmarks.macro.ways import PEERS, Way, stage

PERCENTILES = ("p50_ms", "p99_ms")
SATURATED_UTILISATION = 0.97


def measure(way: Way, rate_rps: float, options: argparse.Namespace) -> result.Row:
    client = ClientProcess(way.port, options.connections, options.seconds, rate_rps)
    with client:
        cpu, busy_s = cpu_time(way.pids), busy_core_s()
    used_s, busy_s = (cpu_time(way.pids) - cpu).total_s, busy_core_s() - busy_s
    return {
        **client.report,
        "core_utilisation": round(used_s / options.seconds, 3),
        "foreign_share": round(max(0.0, busy_s - used_s) / options.seconds, 3),
    }


def summarise(rounds: list[result.Round]) -> result.Round:
    """Return medians, and the difference of each way to `direct`."""
    medians = result.medians_of(rounds)
    for values in medians.values():
        for name in PERCENTILES:
            values[f"added_{name}"] = round(values[name] - medians["direct"][name], 4)
    return medians


def table(found: dict[str, Any]) -> str:
    lines = [
        f"At {found['rate_rps']:,.0f} requests per second:",
        "",
        "| way | p50 ms | p99 ms | added p50 | added p99 | client late, p99 | core utilisation |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in found["medians"].items():
        columns = [*PERCENTILES, *(f"added_{percentile}" for percentile in PERCENTILES)]
        if row["core_utilisation"] > SATURATED_UTILISATION:
            cells = ["saturated"] * len(columns)
        elif name == "direct":
            cells = [f"{row[column]:.3f}" for column in PERCENTILES] + ["", ""]
        else:
            cells = [f"{row[column]:.3f}" for column in columns]
        utilisation = "" if name == "direct" else f"{row['core_utilisation']:.2f}"
        cells.append(f"{row['lag_p99_ms']:.3f}")
        lines.append(f"| {name} | {' | '.join(cells)} | {utilisation} |")
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one run")
    parser.add_argument("--connections", type=int, default=64)


def main() -> None:
    options = result.options_of(__doc__, "latency", add_options)
    with stage() as on_stage:
        on_stage.start_upstreams()
        ways = [Way("direct", on_stage.app_port, []), *map(on_stage.start, PEERS)]
        meter = Meter(on_stage.shadow_port)
        # Warm up all ways; the last one, inline, gives the rate.
        capacity_rps = [meter.measure(way, 2, 32)["rps"] for way in ways][-1]
        rate_rps = round(capacity_rps / 2, -2)
        rounds: list[result.Round] = []
        for number in range(options.rounds):
            rounds.append({})
            for way in ways:
                row = least_disturbed(partial(measure, way, rate_rps, options))
                rounds[-1][way.name] = row
                print(f"round {number + 1} {way.name:13} {row}", flush=True)
    written = result.write(
        options, rounds, summarise(rounds), rate_rps=rate_rps, inline_capacity_rps=capacity_rps
    )
    print(table(written))


if __name__ == "__main__":
    main()
