"""CPU per request of `mirror replay`, compared with wrk, hey and ab.

Each generator is alone on one core; the app, an nginx with small responses, has the other. Replay
(open loop) and hey (closed loop with slowed workers) are compared at one rate. At full speed, the
benchmark compares wrk, hey and ab with replay at the highest tried rate at which it does not report
itself as the bottleneck. wrk, hey and ab are closed loops: a connection sends its next request when
it gets a response, so they are never late. wrk and ab cannot limit their rate and are therefore
not compared at an equal rate.

CPU is user plus system time. For the peers it covers the whole process; for replay it covers its
thread in the steady part, because it reads the request list only once, before that part.

Run: python -m benchmarks.macro.replay_speed [--rounds 5] [--seconds 4] [--rate 4000]
"""

import argparse
import re
import resource
import subprocess
import sys
from typing import Any

from benchmarks import result
from benchmarks.macro.cores import CORE_UNDER_TEST, before_others
from benchmarks.macro.replaying import Loaded, cpu_us_per_request, loaded
from mirror.demo.processes import find_program

RATES = (4000, 10_000, 15_000, 20_000, 25_000, 30_000, 36_000, 42_000, 50_000, 60_000)
"""Rates in rps that are tried one after the other to find the capacity."""


def wrk(url: str, seconds: float, connections: int) -> tuple[list[str], str]:
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds:g}s", url]
    return command, r"(\d+) requests in"


def ab(url: str, seconds: float, connections: int) -> tuple[list[str], str]:
    limits = ["-t", f"{seconds:.0f}", "-n", "100000000"]
    command = ["ab", "-q", "-k", "-c", str(connections), *limits, url]
    return command, r"Complete requests:\s+(\d+)"


def hey(url: str, seconds: float, connections: int, rate: float = 0) -> tuple[list[str], str]:
    """Return hey's command line and the pattern of its rate; a rate of 0 means full speed."""
    slowed = ["-q", f"{rate / connections:g}"] if rate else []
    command = ["hey", "-cpus", "1", "-c", str(connections), "-z", f"{seconds:g}s", *slowed, url]
    return command, r"\[200\]\s+(\d+) responses"


def measure_peer(command: list[str], pattern: str, seconds: float) -> result.Row:
    """Run a generator and measure the whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with before_others(CORE_UNDER_TEST):
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=60 + 2 * seconds
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(pattern, done.stdout)
    if found is None:
        sys.exit(f"{command[0]} does not say what it did: {done.stdout}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    requests = int(found[1])
    return {"rps": round(requests / seconds, 1), "cpu_us_per_request": _us(cpu_s / requests)}


def measure_replay(app: Loaded, rates: tuple[float, ...], seconds: float) -> result.Row:
    """Run replay at these rates and return the fastest valid step."""
    steps = app.replay(rates, seconds)
    # If no step is valid, use the slowest one, whose rps shows that it was late.
    best = max((step for step in steps if step["is_valid"]), key=_achieved, default=steps[0])
    cost = round(cpu_us_per_request(best), 2)
    return {"rps": round(_achieved(best), 1), "cpu_us_per_request": cost}


def _achieved(step: dict[str, Any]) -> float:
    return float(step["achieved_rps"])


def _us(cpu_s: float) -> float:
    return round(cpu_s * 1e6, 2)


def one_round(app: Loaded, options: argparse.Namespace) -> result.Round:
    seconds, connections, rate = options.seconds, options.connections, options.rate
    url = f"{app.url}/"
    return {
        "replay at the rate": measure_replay(app, (rate,), seconds),
        "hey at the rate": measure_peer(*hey(url, seconds, connections, rate), seconds),
        "replay": measure_replay(app, RATES, seconds),
        "hey": measure_peer(*hey(url, seconds, connections), seconds),
        "wrk": measure_peer(*wrk(url, seconds, connections), seconds),
        "ab": measure_peer(*ab(url, seconds, connections), seconds),
    }


def table(found: dict[str, Any]) -> str:
    lines = ["| generator | loop | rps | CPU µs per request |", "|---|---|---:|---:|"]
    for name, row in found["medians"].items():
        loop = "open" if name.startswith("replay") else "closed"
        lines.append(f"| {name} | {loop} | {row['rps']:,.0f} | {row['cpu_us_per_request']:.1f} |")
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one run or step")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rate", type=float, default=4000.0, help="the one rate")


def main() -> None:
    options = result.options_of(__doc__, "replay_speed", add_options)
    missing = [name for name in ("wrk", "hey", "ab") if find_program(name) is None]
    if missing:
        sys.exit(f"needs {', '.join(missing)} (apt-get install wrk hey apache2-utils)")
    with loaded(options.connections) as app:
        rounds = []
        for number in range(options.rounds):
            rounds.append(one_round(app, options))
            print(f"round {number + 1} {rounds[-1]}", flush=True)
    written = result.write(options, rounds, result.medians_of(rounds))
    print(table(written))


if __name__ == "__main__":
    main()
