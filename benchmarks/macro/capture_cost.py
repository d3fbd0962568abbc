"""The cost of recording a request in sink mode.

nginx with the sidecar runs on one core, once without a capture and once with a capture of every
request, including redaction. cpu_per_request.py describes how CPU is counted. The two alternate
within each round and use the compiled build, as the container image does. The table shows the
records per request, because a recorder that drops records does less work.

Run: python -m benchmarks.macro.capture_cost [--rounds 5] [--seconds 4] [--connections 32]
"""

import argparse
import os
import re
import sys
import time
from typing import Any

from benchmarks import result
from benchmarks.macro.cpu_per_request import Meter
from benchmarks.macro.ways import Way, stage
from mirror.demo.processes import fetch

OFF, ON = "sink", "sink, recording"
RECORDED = re.compile(rb"^mirror_capture_records_total(?:\{[^}]*\})? (\d+)", re.MULTILINE)
REPORT_S = 2.5
"""Seconds until a count is reported: workers and the recorder each report once a second."""


def recorded(way: Way) -> int:
    """Return the number of requests that the sidecar reports as recorded."""
    assert way.sidecar is not None
    time.sleep(REPORT_S)
    answer = fetch(way.sidecar.admin_port, "/metrics")
    return sum(int(found) for found in RECORDED.findall(answer.body if answer else b""))


def measure(meter: Meter, way: Way, options: argparse.Namespace) -> result.Row:
    """Measure a way as usual, and add the records per request of which the shadow got a copy."""
    records, copies = recorded(way), meter.settle()
    row = meter.measure(way, options.seconds, options.connections)
    records, copies = recorded(way) - records, meter.settle() - copies
    return row | {"records_per_request": round(records / copies, 3)}


def summarise(rounds: list[result.Round]) -> result.Round:
    """Return medians, and the cost of recording as the median of the rounds' differences."""
    medians = result.medians_of(rounds)
    added = [
        {"": {"us": each[ON]["cpu_us_per_request"] - each[OFF]["cpu_us_per_request"]}}
        for each in rounds
    ]
    medians[ON]["added_us_per_request"] = round(result.medians_of(added)[""]["us"], 2)
    return medians


def table(found: dict[str, Any]) -> str:
    lines = [
        "| way | CPU µs per request | of it system | rps | records per request |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {row['cpu_us_per_request']:.1f} | {row['system_us_per_request']:.1f} |"
        f" {row['rps']:,.0f} | {row['records_per_request']:.2f} |"
        for name, row in found["medians"].items()
    ]
    added_us = found["medians"][ON]["added_us_per_request"]
    return "\n".join([*lines, "", f"Recording adds {added_us:.1f} µs to a request."])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one run")
    parser.add_argument("--connections", type=int, default=32)


def main() -> None:
    options = result.options_of(__doc__, "capture_cost", add_options)
    if (os.cpu_count() or 1) < 2:
        sys.exit("needs two cores: one for what is measured, one for client and upstreams")
    with stage() as on_stage:
        on_stage.start_upstreams()
        capture = {"path": str(on_stage.home("capture"))}
        ways = {OFF: on_stage.start("sink"), ON: on_stage.start("sink", capture=capture)}
        meter = Meter(on_stage.shadow_port)
        for way in ways.values():  # warm up caches and connections
            meter.measure(way, 1, options.connections)
        rounds: list[result.Round] = []
        for number in range(options.rounds):
            rounds.append({name: measure(meter, way, options) for name, way in ways.items()})
            print(f"round {number + 1} {rounds[-1]}", flush=True)
    written = result.write(options, rounds, summarise(rounds))
    print(table(written))


if __name__ == "__main__":
    main()
