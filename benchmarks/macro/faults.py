"""Measures whether production notices a fault, for each fault in comparison with a healthy run.

A client offers a constant rate to a way (open loop, client.py). Runs with and without the fault
alternate in each round, so that disturbances of the machine affect both. The benchmark measures
production: failed requests, and p50 and p99 from the instant at which a request was due. The p99 is
the median over ten parts of a run, because the machine's own occasional pauses of some milliseconds
would dominate it otherwise (client.py). The highest latency is shown as well, where a pause caused
by the fault is visible. The benchmark also measures the memory of the way during the fault, and
checks that the ledger adds up after all rounds.

    shadow     the shadow has each fault of sick_upstream.py, or its name vanishes
    primary    the primary has the same faults (in sink mode nginx serves production: `plain`)
    process    other faults of a sidecar, and of the peers if they apply: the Agent is gone, the
               disk is full, a worker is killed, a reload, 10,000 idle connections, a storm of
               other clients

It runs in a separate mount namespace with its own /etc/hosts, from which a name vanishes, and its
own full file system. The result is written after each fault; `--faults a,b` measures these faults
again and keeps the others.

Run: python -m benchmarks.macro.faults [--faults a,b] [--rounds 5] [--seconds 1] [--rate 2000]
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil

from benchmarks import result
from benchmarks.macro.client import ClientProcess
from benchmarks.macro.connections import DESCRIPTORS
from benchmarks.macro.cores import CORE_OF_CLIENT, CORE_UNDER_TEST, awake, family
from benchmarks.macro.fault_scene import FAULTS, HOSTS, LOOPBACK, NAME, ORDINARY, Fault, Scene
from benchmarks.macro.ways import Way, stage

IN_NAMESPACE = "KAGAMI_FAULTS_IN_NAMESPACE"
SAMPLE_S = 0.1
RUN_METRICS = ("errors", "p50_ms", "p99_ms", "highest_ms")


def resident_bytes(processes: list[psutil.Process]) -> int:
    found = 0
    for process in processes:
        try:
            found += process.memory_info().rss
        except psutil.NoSuchProcess:  # the killed worker
            continue
    return found


def run(way: Way, options: argparse.Namespace) -> dict[str, float]:
    """Offer the rate once; return the client's report and the highest memory."""
    processes = family(way.pids)  # found only once, because it takes milliseconds of a core
    before = most = resident_bytes(processes)
    client = ClientProcess(
        way.port, options.connections, options.seconds, options.rate, may_fail=True
    )
    with client:
        until = time.monotonic() + options.seconds
        while time.monotonic() < until:
            time.sleep(SAMPLE_S)
            most = max(most, resident_bytes(processes))
    return {
        "errors": sum(client.failures.values()),
        "unanswered": client.failures.get("unanswered", 0),
        "p50_ms": client.report["p50_ms"],
        "p99_ms": client.report["tenths_p99_ms"],
        "highest_ms": client.report["highest_ms"],
        "growth_bytes": most - before,
    }


def measure(scene: Scene, fault: Fault, name: str, options: argparse.Namespace) -> result.Row:
    """Measure one round of one way: without the fault, with it, and the recovery."""
    # A shadow with TLS is never healthy here, so the healthy run uses the plain one.
    is_never_well = fault.variant == "tls_failure"
    way = scene.way(name, fault.variant)
    well = scene.way(name, "") if is_never_well else way
    scene.recover(well)
    healthy = run(well, options)
    with fault.sicken(scene, way):
        sick = run(way, options)
    recovered_s = scene.recover(well)
    found: result.Row = {**sick, "recovered_s": round(recovered_s, 3)}
    found |= {f"healthy_{metric}": healthy[metric] for metric in RUN_METRICS}
    found["p99_ratio"] = round(sick["p99_ms"] / healthy["p99_ms"], 3)
    return found


def measure_fault(
    scene: Scene, title: str, options: argparse.Namespace, progress: str
) -> list[result.Round]:
    """Return all rounds of a fault; each row says whether the ledger added up at the end."""
    fault = FAULTS[title]
    rounds: list[result.Round] = []
    for number in range(options.rounds):
        rounds.append({})
        for name in fault.ways:
            row = measure(scene, fault, name, options)
            rounds[-1][f"{title} {name}"] = row
            shown = " ".join(f"{metric}={value:g}" for metric, value in row.items())
            print(f"{progress} round {number + 1} {title} {name}: {shown}", flush=True)
    for name in fault.ways:
        sidecar = scene.way(name, fault.variant).sidecar
        is_balanced = sidecar is None or sidecar.settled_ledger()["balanced"]
        for found in rounds:
            found[f"{title} {name}"]["balanced"] = float(is_balanced)
    return rounds


def cells(row: result.Row) -> str:
    bad = " ⚠" if row["errors"] and not row["healthy_errors"] else ""
    growth = row["growth_bytes"] / (1 << 20)
    return (
        f"{row['errors']:g}{bad} | {row['healthy_p50_ms']:.2f} → {row['p50_ms']:.2f} | "
        f"{row['healthy_p99_ms']:.2f} → {row['p99_ms']:.2f} | {row['p99_ratio']:.2f} | "
        f"{row['healthy_highest_ms']:.1f} → {row['highest_ms']:.1f} | "
        f"{growth:.1f}"
    )


def table(found: dict[str, Any]) -> str:
    """Return a table for each family of faults, with a line for each way."""
    parameters = found["parameters"]
    requests = parameters["rate"] * parameters["seconds"]
    lines = [f"{requests:,.0f} requests a run, at {parameters['rate']:,.0f} per second:"]
    family_before = ""
    for key, row in found["medians"].items():
        kind, fault, way = key.split(" ")
        if kind != family_before:
            lines += [
                "",
                f"| {kind} | way | errors | p50 ms | p99 ms | ratio | highest ms | MiB more"
                " | ledger |",
                "|---|---|---:|---:|---:|---:|---:|---:|---|",
            ]
            family_before = kind
        has_ledger = way.partition("_")[0] in ("sink", "inline")
        ledger = ("sums" if row["balanced"] else "**broken**") if has_ledger else "none"
        lines.append(f"| {fault.replace('_', ' ')} | {way} | {cells(row)} | {ledger} |")
    return "\n".join(lines)


def earlier(options: argparse.Namespace) -> list[result.Round]:
    """Return earlier rounds of the other faults, if they were measured with the same options."""
    if not options.output.exists():
        return []
    found = result.read(options.output)
    now = {name: value for name, value in vars(options).items() if isinstance(value, int | float)}
    if any(found["parameters"][name] != value for name, value in now.items()):
        return []
    chosen = tuple(f"{title} " for title in options.faults)
    return [
        {key: row for key, row in rows.items() if not key.startswith(chosen)}
        for rows in found["rounds"]
    ]


def in_order(rows: result.Round) -> result.Round:
    keys = [f"{title} {way}" for title, fault in FAULTS.items() for way in fault.ways]
    return {key: rows[key] for key in keys if key in rows}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one run")
    parser.add_argument("--rate", type=float, default=2000, help="requests per second")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--faults", type=chosen_faults, default=list(FAULTS))


def chosen_faults(text: str) -> list[str]:
    """Return the faults whose titles begin with one of these words: `shadow,primary slow`."""
    beginnings = tuple(text.split(","))
    found = [title for title in FAULTS if title.startswith(beginnings)]
    if not found:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(FAULTS)}")
    return found


def enter_namespace() -> None:
    """Restart in a new mount namespace; an ordinary user gets a user namespace, too."""
    if IN_NAMESPACE in os.environ:
        hosts = Path(tempfile.mkdtemp(prefix="kagami-hosts-")) / "hosts"
        hosts.write_text(f"{LOOPBACK}127.0.0.1 {NAME}\n")
        subprocess.run(["mount", "--bind", str(hosts), str(HOSTS)], check=True)
        # Names that are not in it cause no query and are missing at once.
        resolver = hosts.with_name("resolv.conf")
        resolver.write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:1\n")
        subprocess.run(["mount", "--bind", str(resolver), "/etc/resolv.conf"], check=True)
        return
    os.environ[IN_NAMESPACE] = "1"
    kind = "-m" if os.geteuid() == 0 else "-rm"
    program = [sys.executable, "-m", "benchmarks.macro.faults", *sys.argv[1:]]
    os.execvp("unshare", ["unshare", kind, *program])


def main() -> None:
    options = result.options_of(__doc__, "faults", add_options)
    enter_namespace()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < DESCRIPTORS:
        sys.exit(f"needs {DESCRIPTORS} descriptors, the limit is {hard}: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # children inherit it
    os.sched_setaffinity(0, {CORE_OF_CLIENT})  # sampling must not use the core under test
    rounds = earlier(options) or [{} for _ in range(options.rounds)]
    with stage() as on_stage:
        scene = Scene(on_stage)
        for number, title in enumerate(options.faults):
            progress = f"[{number + 1}/{len(options.faults)}]"
            is_ordinary = FAULTS[title].variant == ORDINARY
            with nullcontext() if is_ordinary else awake(CORE_UNDER_TEST):
                found = measure_fault(scene, title, options, progress)
            for rows, measured in zip(rounds, found, strict=True):
                rows |= measured
            rounds = [in_order(rows) for rows in rounds]
            written = result.write(options, rounds, result.medians_of(rounds))
    print(table(written))


if __name__ == "__main__":
    main()
