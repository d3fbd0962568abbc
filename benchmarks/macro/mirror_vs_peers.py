"""CPU per request of five ways to proxy an app, four of which mirror.

ways.py defines the ways. Everything under test runs on one core; the client (wrk) and both
upstreams (nginx with small responses) run on another. The ways alternate within each round, so that
a slow moment of the machine affects all of them. The result is the median over the rounds, and
cpu_per_request.py describes the measurement.

The shadow of nginx's `mirror` answers with a body, as any app does. nginx closes its mirror
connection after each such response, which causes most of its cost.

Run: python -m benchmarks.macro.mirror_vs_peers [--rounds 5] [--seconds 4] [--connections 32]
"""

import argparse
import os
import sys
from typing import Any

from benchmarks import result
from benchmarks.macro.cpu_per_request import Meter
from benchmarks.macro.ways import MIRRORS, stage

RATIOS = {
    "cpu_ratio_to_nginx_mirror": "nginx_mirror",
    "cpu_ratio_to_envoy": "envoy",
    "cpu_ratio_to_plain": "plain",
}


def summarise(rounds: list[result.Round]) -> result.Round:
    """Return medians, and CPU per request as ratios to the peers and to a proxy without mirror."""
    medians = result.medians_of(rounds)
    result.add_ratios(medians, "cpu_us_per_request", RATIOS)
    return medians


def table(found: dict[str, Any]) -> str:
    lines = [
        "| way | CPU µs per request | of it system | to nginx mirror | to Envoy | to plain "
        "| copies per request | rps |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {row['cpu_us_per_request']:.1f} | {row['system_us_per_request']:.1f} | "
        + " | ".join(f"{row[ratio]:.2f}" for ratio in RATIOS)
        + f" | {row['copies_per_request']:.3f} | {row['rps']:,.0f} |"
        for name, row in found["medians"].items()
    ]
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one run")
    parser.add_argument("--connections", type=int, default=32)


def main() -> None:
    options = result.options_of(__doc__, "mirror_vs_peers", add_options)
    if (os.cpu_count() or 1) < 2:
        sys.exit("needs two cores: one for what is measured, one for client and upstreams")
    with stage() as on_stage:
        on_stage.start_upstreams()
        ways = [on_stage.start(name) for name in MIRRORS]
        meter = Meter(on_stage.shadow_port)
        for way in ways:  # warm up caches, connections and the interpreter
            meter.measure(way, 1, options.connections)
        rounds: list[result.Round] = []
        for number in range(options.rounds):
            rounds.append({})
            for way in ways:
                row = meter.measure(way, options.seconds, options.connections)
                rounds[-1][way.name] = row
                print(f"round {number + 1} {way.name:13} {row}", flush=True)
        balanced = [way.sidecar.settled_ledger()["balanced"] for way in ways if way.sidecar]
    written = result.write(options, rounds, summarise(rounds), ledgers_balanced=all(balanced))
    print(table(written))


if __name__ == "__main__":
    main()
