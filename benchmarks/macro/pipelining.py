"""What pipelined shadow requests cost the shadow: a real Envoy's CPU per mirrored request.

The sidecar (inline, compiled) mirrors to an Envoy before an app, with `shadow.pipelining` 1 and 8:
at the rate that wrk reaches, and in bursts of 32 requests at a rate that the Envoy serves easily
(hey, whose connections all ask at the same instants). Where requests come one by one there is
nothing to pipeline, and nothing to see. Both settings alternate within each round. Envoy and
sidecar share a core, apps and client the other.

This is the evidence of docs/adr/0005: mirroring is there to learn what the gateway costs, so it
must not change that.

Run: python -m benchmarks.macro.pipelining [--rounds 5] [--seconds 3] [--bursts 62]
"""

import argparse
import subprocess
from typing import Any

import yaml

from benchmarks import result
from benchmarks.macro.cores import CORE_OF_CLIENT, CORE_UNDER_TEST, core, cpu_time
from benchmarks.macro.cpu_per_request import Meter
from benchmarks.macro.ways import Stage, Way, stage
from benchmarks.macro.wrk import run_wrk
from mirror.demo import envoy
from mirror.demo.processes import Child, answers, free_ports

DEPTHS = (1, 8)
CONNECTIONS = 32


def start_envoy(on_stage: Stage) -> tuple[Child, int]:
    """An Envoy before the shadow's app; its process and its port."""
    port, admin_port = free_ports(2)
    path = on_stage.home("envoy") / "envoy.yaml"
    path.write_text(yaml.safe_dump(envoy.bootstrap(port, admin_port, on_stage.shadow_port)))
    command = envoy.envoy_command(on_stage.envoy_binary, path)
    with core(CORE_UNDER_TEST):
        child = on_stage.start_program(
            "envoy", command, lambda: answers(admin_port, "/ready", status=200)
        )
    return child, port


def run_hey(url: str, seconds: float, bursts: int) -> None:
    """So many times a second one request on each connection."""
    command = ["hey", "-z", f"{seconds:g}s", "-c", str(CONNECTIONS), "-q", str(bursts), url]
    with core(CORE_OF_CLIENT):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=seconds + 30)


def measure(
    way: Way, shadow: Child, meter: Meter, bursts: int | None, seconds: float
) -> result.Row:
    """Envoy's and the sidecar's CPU per copy that arrived; without bursts as fast as it goes."""
    arrived = meter.settle()
    shadow_cpu, sidecar_cpu = cpu_time([shadow.pid]), cpu_time(way.pids)
    if bursts is None:
        run_wrk(way.url(), seconds, CONNECTIONS)
    else:
        run_hey(way.url(), seconds, bursts)
    arrived = meter.settle() - arrived
    shadow_cpu, sidecar_cpu = (
        cpu_time([shadow.pid]) - shadow_cpu,
        cpu_time(way.pids) - sidecar_cpu,
    )
    return {
        "envoy_cpu_us": round(shadow_cpu.total_s * 1e6 / arrived, 2),
        "sidecar_cpu_us": round(sidecar_cpu.total_s * 1e6 / arrived, 2),
        "copies": arrived,
    }


def table(found: dict[str, Any]) -> str:
    lines = [
        "| load | pipelining | Envoy CPU µs per mirrored request | sidecar CPU µs per request |",
        "|---|---:|---:|---:|",
    ]
    for name, row in found["medians"].items():
        load, _, depth = name.rpartition(" ")
        lines.append(
            f"| {load} | {depth} | {row['envoy_cpu_us']:.1f} | {row['sidecar_cpu_us']:.1f} |"
        )
    return "\n".join(lines)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one run")
    parser.add_argument("--bursts", type=int, default=62, help="bursts of 32 in a second")


def main() -> None:
    options = result.options_of(__doc__, "pipelining", add_options)
    loads = {"full": None, f"bursts of {CONNECTIONS}": options.bursts}
    with stage() as on_stage:
        on_stage.start_upstreams()
        shadow, port = start_envoy(on_stage)
        target = {"url": f"http://127.0.0.1:{port}", "accept_server": ["istio-envoy"]}
        ways = {
            depth: on_stage.start("inline", shadow={**target, "pipelining": depth})
            for depth in DEPTHS
        }
        meter = Meter(on_stage.shadow_port)
        for way in ways.values():
            measure(way, shadow, meter, None, 1)  # warm-up
        rounds: list[result.Round] = []
        for number in range(options.rounds):
            rounds.append({})
            for load, bursts in loads.items():
                for depth, way in ways.items():
                    row = measure(way, shadow, meter, bursts, options.seconds)
                    rounds[-1][f"{load} {depth}"] = row
                    print(f"round {number + 1} {load} {depth} {row}", flush=True)
    print(table(result.write(options, rounds, result.medians_of(rounds))))


if __name__ == "__main__":
    main()
