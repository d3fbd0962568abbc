"""The lag of `mirror replay` at 10, 50 and 90 % of its capacity.

The capacity is the highest tried rate at which replay does not report itself as the bottleneck. The
lag of a request is the time from the instant at which it was due until the generator handles it.
Percentiles cover all requests in the steady part of a step and are medians over the rounds. The
generator and the app have one core each; as root, both have priority over other processes.

Run: python -m benchmarks.macro.replay_schedule [--rounds 5] [--seconds 8]
"""

import argparse
import statistics
from typing import Any

from benchmarks import result
from benchmarks.macro.replay_speed import RATES
from benchmarks.macro.replaying import cpu_us_per_request, loaded

SHARES = (0.1, 0.5, 0.9)
PERCENTILES = ("p50", "p90", "p99", "p99_9", "max")


def row_of(step: dict[str, Any]) -> result.Row:
    lags = step["schedule_lag_ms"]
    return {
        "rps": round(step["achieved_rps"], 1),
        "cpu_us_per_request": round(cpu_us_per_request(step), 2),
        **{f"lag_{name}_ms": round(lags[name], 4) for name in PERCENTILES},
    }


def table(found: dict[str, Any]) -> str:
    lines = [
        "| load | rps | lag p50 ms | p90 | p99 | p99.9 | highest | CPU µs per request |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in found["medians"].items():
        lags = " | ".join(f"{row[f'lag_{percentile}_ms']:.3f}" for percentile in PERCENTILES)
        lines.append(f"| {name} | {row['rps']:,.0f} | {lags} | {row['cpu_us_per_request']:.1f} |")
    lines += ["", f"The capacity was {found['capacity_rps']:,.0f} rps."]
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of one step")
    parser.add_argument("--connections", type=int, default=32)


def main() -> None:
    options = result.options_of(__doc__, "replay_schedule", add_options)
    with loaded(options.connections) as app:
        found = [app.capacity_rps(RATES, options.seconds / 2) for _ in range(3)]
        # The capacity must be above zero, which it may not be on a machine without a free core.
        capacity_rps = max(statistics.median(found), float(RATES[0]))
        rounds: list[result.Round] = []
        for number in range(options.rounds):
            rates = [share * capacity_rps for share in SHARES]
            steps = app.replay(rates, options.seconds)
            names = [f"{share:.0%}" for share in SHARES]
            rounds.append(dict(zip(names, map(row_of, steps), strict=True)))
            print(f"round {number + 1} {rounds[-1]}", flush=True)
    medians = result.medians_of(rounds)
    written = result.write(options, rounds, medians, capacity_rps=round(capacity_rps, 1))
    print(table(written))


if __name__ == "__main__":
    main()
