"""Defines every fault: how it is caused and removed, and which ways it concerns.

Owns both sick upstreams, the name, the Agent and the disk that can fail, and the ways in the
variant that each fault needs. faults.py measures and evaluates them.
"""

import os
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

from benchmarks.macro import sick_upstream
from benchmarks.macro.connections import calm, idle_connections
from benchmarks.macro.cores import CORE_OF_CLIENT, CORE_UNDER_TEST, before_others, core
from benchmarks.macro.sick_upstream import HEALTHY, become, requests_of
from benchmarks.macro.ways import MIRRORS, Stage, Way, upstream_site
from benchmarks.macro.wrk import Wrk
from mirror.demo.processes import accepts, answers, free_ports

NAME = "shadow.test"
HOSTS = Path("/etc/hosts")
LOOPBACK = "127.0.0.1 localhost\n"
RECOVERY_TIMEOUT_S = 20.0
IDLE_CONNECTIONS = 10_000
STORM_CONNECTIONS = 256
DISK_BYTES = 1 << 20
# With a window of half a second the breaker recovers before the next run. In the run itself it
# probes more often than with the default window.
SHADOW = {"accept_server": ["istio-envoy"], "breaker": {"window": 0.5}}
ORDINARY = "ordinary"
"""Variant for a fault that keeps the core busy by itself. With priority over others, two programs
of a way could block each other for 100 ms, so they have ordinary priority here."""


class Sick:
    """An upstream with switchable faults, in place of app or shadow."""

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
    """The stage with both upstreams and the ways that a fault needs, each started once."""

    def __init__(self, on_stage: Stage) -> None:
        self.stage = on_stage
        self.shadow = Sick(on_stage, "shadow")
        self.primary = Sick(on_stage, "primary")
        # Sick programs on their core must not delay the client or a healthy app.
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
        """Wait until production is served and copies arrive again; return the seconds it took."""
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
    """Act like a deleted Service: the name has no address, and nothing listens at the old one."""
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
    """Call `act` in the middle of the run, while traffic flows."""
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


SHADOW_WAYS = ("nginx_mirror", "envoy", "sink", "inline")
PRIMARY_WAYS = ("plain", "envoy", "inline")


@dataclass(frozen=True)
class Fault:
    """A fault, and the ways that it concerns."""

    sicken: Sicken
    ways: tuple[str, ...]
    variant: str = ""
    """The sections of `Scene.way` that the fault needs."""


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
