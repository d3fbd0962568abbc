"""Does production notice? Each fault in turn, beside the same run with nothing wrong.

A client offers one constant rate to a way (open loop, client.py); a run without the fault and one
with it alternate in each round, so that what else happens on the machine meets both. What is
measured is production's: requests that failed, p50 and p99 from the instant at which a request was
due. The p99 is the median of those of ten parts of a run, because the machine's own pauses, of some
milliseconds now and then, would decide it else (client.py); the highest of all stands beside it,
so that a pause that the fault brings shows there. Then how much memory the way took while the
fault lasted, and whether the ledger still added up after all rounds.

    shadow     the shadow is sick, in every way of sick_upstream.py, or its name vanishes
    primary    the same of the primary (sink mode leaves production to nginx: `plain`)
    process    what else happens to a sidecar, and to the peers where they know the same:
               the Agent gone, the disk full, a worker killed, a reload, 10,000 idle connections, a
               storm of other clients

Runs in a mount namespace of its own: a name vanishes from its /etc/hosts, a file system that is
full is its own. The result is written after each fault; `--faults a,b` measures these anew and
leaves the others as they are.

Run: python -m benchmarks.macro.faults [--faults a,b] [--rounds 5] [--seconds 1] [--rate 2000]
"""

import argparse
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks import result
from benchmarks.macro import sick_upstream
from benchmarks.macro.client import ClientProcess
from benchmarks.macro.connections import DESCRIPTORS, calm, idle_connections
from benchmarks.macro.cores import (
    CORE_OF_CLIENT,
    CORE_UNDER_TEST,
    awake,
    before_others,
    core,
    family,
)
from benchmarks.macro.sick_upstream import HEALTHY, become, requests_of
from benchmarks.macro.ways import MIRRORS, Stage, Way, stage, upstream_site
from benchmarks.macro.wrk import Wrk
from mirror.demo.processes import accepts, answers, free_ports

IN_NAMESPACE = "KAGAMI_FAULTS_IN_NAMESPACE"
NAME = "shadow.test"
HOSTS = Path("/etc/hosts")
LOOPBACK = "127.0.0.1 localhost\n"
RECOVERY_TIMEOUT_S = 20.0
SAMPLE_S = 0.1
IDLE_CONNECTIONS = 10_000
STORM_CONNECTIONS = 256
DISK_BYTES = 1 << 20
# A breaker that forgets an outage after half a second recovers before the next run; in the run
# itself it probes more often than one with the default window.
SHADOW = {"accept_server": ["istio-envoy"], "breaker": {"window": 0.5}}
ORDINARY = "ordinary"
"""Variant of a fault that keeps the core busy by itself. Ahead of others, two programs of a way
would keep it from each other for 100 ms, so here they are scheduled as usual."""


class Sick:
    """An upstream that can fall sick, in the place of app or shadow."""

    def __init__(self, on_stage: Stage, name: str) -> None:
        self.port, self.control_port = free_ports(2)
        ports = [str(self.port), str(self.control_port)]
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.macro.sick_upstream", *ports]
        with core(CORE_OF_CLIENT):
            on_stage.start_program(name, command, lambda: accepts(self.control_port))

    @contextmanager
    def being(self, fault: str) -> Iterator[None]:
        become(self.control_port, fault)
        try:
            yield
        finally:
            become(self.control_port, HEALTHY)

    @property
    def requests(self) -> int:
        return requests_of(self.control_port)


class Scene:
    """The stage with both upstreams, and the ways that a fault needs, started once each."""

    def __init__(self, on_stage: Stage) -> None:
        self.stage = on_stage
        self.shadow = Sick(on_stage, "shadow")
        self.primary = Sick(on_stage, "primary")
        # What is sick on their core must not keep the client or a healthy app waiting.
        with before_others(CORE_OF_CLIENT):
            on_stage.start_nginx("app", upstream_site(on_stage.app_port), on_stage.app_port)
        self.agent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.agent.bind(("127.0.0.1", 0))
        self.agent_port = int(self.agent.getsockname()[1])
        self.disk = Path(tempfile.mkdtemp(prefix="kagami-disk-"))
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(self.disk)]
        subprocess.run(mount, check=True)
        self._app_port = on_stage.app_port
        self._ways: dict[str, Way] = {}

    def way(self, name: str, variant: str) -> Way:
        key = f"{name} {variant}"
        if key not in self._ways:
            scheme = "https" if variant == "tls_failure" else "http"
            host = NAME if variant == "name_vanishing" else "127.0.0.1"
            self.stage.shadow_url = f"{scheme}://{host}:{self.shadow.port}"
            self.stage.app_port = self.primary.port if variant == "primary" else self._app_port
            sections: dict[str, Any] = {"shadow": SHADOW, "timeouts": {"head": 600, "idle": 600}}
            if variant == "agent_gone":
                sections["datadog"] = {"dogstatsd": f"udp://127.0.0.1:{self.agent_port}"}
            elif variant == "disk_full":
                sections["series"] = {"path": str(self.disk / f"{name}.db")}
            elif variant == "worker_killed":
                sections["workers"] = 2
            with nullcontext() if variant == ORDINARY else before_others(CORE_UNDER_TEST):
                self._ways[key] = self.stage.start(name, **sections)
        return self._ways[key]

    def recover(self, way: Way) -> float:
        """Wait until production is served and copies arrive again; seconds until then."""
        started_at = time.monotonic()
        before = self.shadow.requests
        while not (answers(way.port, status=200) and self._has_copies(way, before)):
            if time.monotonic() - started_at > RECOVERY_TIMEOUT_S:
                raise TimeoutError(f"{way.name} does not recover")
            time.sleep(0.05)
        return time.monotonic() - started_at

    def _has_copies(self, way: Way, before: int) -> bool:
        return not MIRRORS[way.name.removesuffix("_nginx")] or self.shadow.requests > before


Sicken = Callable[[Scene, Way], AbstractContextManager[None]]


def sick_shadow(fault: str) -> Sicken:
    return lambda scene, way: scene.shadow.being(fault)


def sick_primary(fault: str) -> Sicken:
    return lambda scene, way: scene.primary.being(fault)


@contextmanager
def name_vanishing(scene: Scene, way: Way) -> Iterator[None]:
    """As when a Service is deleted: no address any more, and nobody at the old one."""
    with scene.shadow.being("refusing"):
        HOSTS.write_text(LOOPBACK)
        try:
            yield
        finally:
            HOSTS.write_text(f"{LOOPBACK}127.0.0.1 {NAME}\n")


@contextmanager
def agent_gone(scene: Scene, way: Way) -> Iterator[None]:
    scene.agent.close()
    try:
        yield
    finally:
        scene.agent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        scene.agent.bind(("127.0.0.1", scene.agent_port))


@contextmanager
def disk_full(scene: Scene, way: Way) -> Iterator[None]:
    filler = scene.disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def after_a_moment(seconds: float, act: Callable[[], object]) -> Iterator[None]:
    """In the middle of the run, when everything flows."""
    pid = os.fork()
    if pid == 0:
        time.sleep(seconds)
        act()
        os._exit(0)
    try:
        yield
    finally:
        os.waitpid(pid, 0)


def worker_killed(scene: Scene, way: Way) -> AbstractContextManager[None]:
    assert way.sidecar is not None
    pid = way.sidecar.status()["workers"][0]["pid"]
    return after_a_moment(0.2, lambda: os.kill(pid, signal.SIGKILL))


def reload(scene: Scene, way: Way) -> AbstractContextManager[None]:
    child = way.sidecar.child if way.sidecar else way.children[0]
    return after_a_moment(0.2, lambda: os.kill(child.pid, signal.SIGHUP))


@contextmanager
def idle_crowd(scene: Scene, way: Way) -> Iterator[None]:
    with idle_connections(way, IDLE_CONNECTIONS):
        calm(way)
        yield
    calm(way)


@contextmanager
def storm(scene: Scene, way: Way) -> Iterator[None]:
    with Wrk(way.url(), 600, STORM_CONNECTIONS):
        time.sleep(0.2)
        yield
    calm(way)


RUN_METRICS = ("errors", "p50_ms", "p99_ms", "highest_ms")
SHADOW_WAYS = ("nginx_mirror", "envoy", "sink", "inline")
PRIMARY_WAYS = ("plain", "envoy", "inline")


@dataclass(frozen=True)
class Fault:
    """What is made wrong, and for whom."""

    sicken: Sicken
    ways: tuple[str, ...]
    variant: str = ""
    """Which sections of `Scene.way` it needs."""


FAULTS: dict[str, Fault] = {
    **{
        f"shadow {name}": Fault(
            sick_shadow(name), SHADOW_WAYS, name if name == "tls_failure" else ""
        )
        for name in sick_upstream.FAULTS
    },
    "shadow name_vanishing": Fault(name_vanishing, SHADOW_WAYS, "name_vanishing"),
    **{
        f"primary {name}": Fault(sick_primary(name), PRIMARY_WAYS, "primary")
        for name in sick_upstream.FAULTS
        if name != "tls_failure"
    },
    "process agent_gone": Fault(agent_gone, ("sink", "inline"), "agent_gone"),
    "process disk_full": Fault(disk_full, ("sink", "inline"), "disk_full"),
    "process worker_killed": Fault(worker_killed, ("sink", "inline_nginx"), "worker_killed"),
    "process reload": Fault(reload, ("nginx_mirror", "sink", "inline_nginx")),
    "process idle_crowd": Fault(idle_crowd, SHADOW_WAYS),
    "process storm": Fault(storm, SHADOW_WAYS, ORDINARY),
}


def resident_bytes(processes: list[psutil.Process]) -> int:
    found = 0
    for process in processes:
        try:
            found += process.memory_info().rss
        except psutil.NoSuchProcess:  # the worker that was killed
            continue
    return found


def run(way: Way, options: argparse.Namespace) -> dict[str, float]:
    """Offer the rate once: what became of it, and the most memory meanwhile."""
    processes = family(way.pids)  # looked for once: that takes milliseconds of a core
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
    """One round of one way: healthy, sick, and back."""
    # A shadow that has TLS is never well here: the healthy run is that of the plain one.
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
    """Every round of a fault, and in each row whether the ledger added up at the end."""
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
    """One table for each family of faults, a line for each way."""
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
    """The rounds of faults that are not measured now, if they were measured in the same way."""
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
    """Titles with a comma between them, or the first words of some: `shadow,primary slow`."""
    beginnings = tuple(text.split(","))
    found = [title for title in FAULTS if title.startswith(beginnings)]
    if not found:
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(FAULTS)}")
    return found


def enter_namespace() -> None:
    """Start again where mounts are our own; as an ordinary user with a user namespace too."""
    if IN_NAMESPACE in os.environ:
        hosts = Path(tempfile.mkdtemp(prefix="kagami-hosts-")) / "hosts"
        hosts.write_text(f"{LOOPBACK}127.0.0.1 {NAME}\n")
        subprocess.run(["mount", "--bind", str(hosts), str(HOSTS)], check=True)
        # Names that are not in it are asked of nobody, and at once found missing.
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
    os.sched_setaffinity(0, {CORE_OF_CLIENT})  # what samples must not run where it is measured
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
