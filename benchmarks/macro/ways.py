"""The ways to proxy an app, each configured as in production, and their upstreams.

    plain         nginx proxies without mirroring
    nginx_mirror  nginx proxies, and its `mirror` directive sends the copy directly to the shadow
    envoy         Envoy routes with `request_mirror_policies` for the shadow
    sink          nginx proxies and mirrors to the sidecar, which forwards the copy
    inline        the sidecar proxies and sends the copy

The sidecar is the compiled build (setup.py), as in the container image. Two more ways show the
effect of compilation:

    sink_python, inline_python  the same source without compilation

`inline_nginx` is inline as in deploy/nginx, behind an nginx that can bypass it.

This module starts the ways and their upstreams, each on its core. All ways run at once, because an
idle way costs nothing. No program writes an access log, which would cost the same in each way. The
module does not know what is measured.
"""

import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from benchmarks.macro.cores import CORE_OF_CLIENT, CORE_UNDER_TEST, core
from mirror.demo import envoy
from mirror.demo.nginx import (
    PRODUCTION_HEADERS,
    SINK_LOCATION,
    WITHOUT_BODIES,
    inline_site,
    main_config,
    nginx_command,
    proxy_site,
    sink_site,
)
from mirror.demo.processes import Child, Processes, accepts, answers, find_program, free_ports
from mirror.demo.sidecar import Sidecar, serve_command, write_config

ROUTES = ("/watch/{id}", "/api/*", "/static/*")
TARGET = "/watch/42?from=feed"
BODY = "a small answer"
PEERS = ("plain", "nginx_mirror", "envoy", "sink", "inline")
VARIANTS = ("sink_python", "inline_python")
MIRRORS = {name: int(name != "plain") for name in (*PEERS, *VARIANTS)}
"""The number of copies that each way sends per request."""
COMPILED = Path(__file__).parents[2] / "build" / "compiled"
"""The folder in which `make compiled` puts the compiled build."""


@dataclass(frozen=True)
class Way:
    """One configuration: where the client connects, and the processes whose CPU time counts."""

    name: str
    port: int
    children: list[Child]
    sidecar: Sidecar | None = None

    @property
    def pids(self) -> list[int]:
        return [child.pid for child in self.children]

    def url(self, target: str = TARGET) -> str:
        return f"http://127.0.0.1:{self.port}{target}"


def templates(count: int) -> list[str]:
    """Return this many route templates; TARGET matches the last one."""
    others = [f"/service-{number}/{{id}}/details" for number in range(count - 1)]
    return [*others, ROUTES[0]]


def upstream_site(port: int) -> str:
    """Return the site of an app that answers with a few bytes and counts its requests."""
    return f"""
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 "{BODY}"; }}
        location = /requests {{ stub_status; }}
    }}
"""


def nginx_mirror_site(port: int, app_port: int, shadow_url: str) -> str:
    """Return a usual mirror site: the directives of the sink, with the shadow as the target."""
    location = SINK_LOCATION % {"bodies": WITHOUT_BODIES}
    scheme, _, shadow = shadow_url.partition("://")
    location = location.replace("http://mirror_sink", f"{scheme}://mirror_sink")
    return f"""
    upstream app {{ server 127.0.0.1:{app_port}; keepalive 64; }}
    upstream mirror_sink {{
        server {shadow};
        keepalive 64;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            mirror /__mirror;
            mirror_request_body off;
            {PRODUCTION_HEADERS}
            proxy_pass http://app;
        }}
        {location.replace("200ms", "1s").replace("50ms", "1s")}
    }}
"""


def envoy_bootstrap(ports: tuple[int, int], app_port: int, shadow_url: str) -> dict[str, Any]:
    """Return the demo's Envoy bootstrap with a second cluster that gets a copy of every request.

    Both clusters keep their connections open, which is Envoy's default.
    """
    target = urlsplit(shadow_url)
    found = envoy.bootstrap(*ports, app_port)
    resources = found["static_resources"]
    shadow = envoy.bootstrap(*ports, target.port or 80)["static_resources"]["clusters"][0]
    shadow |= {"name": "shadow", "alt_stat_name": "shadow"}
    assignment = shadow["load_assignment"]
    assignment["cluster_name"] = "shadow"
    if target.hostname != "127.0.0.1":
        endpoint = assignment["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        endpoint["address"]["socket_address"]["address"] = target.hostname
        shadow |= {"type": "STRICT_DNS", "dns_lookup_family": "V4_ONLY"}
    if target.scheme == "https":
        kind = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
        shadow["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {"@type": f"type.googleapis.com/{kind}"},
        }
    resources["clusters"].append(shadow)
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        route["route"]["request_mirror_policies"] = [{"cluster": "shadow"}]
    return found


class Stage:
    """Upstreams and ways, started one by one; `stage` creates it and ends its programs."""

    def __init__(self, processes: Processes, directory: Path, agent_port: int) -> None:
        self._processes = processes
        self._directory = directory
        self._agent_port = agent_port
        nginx, envoy_binary = find_program("nginx"), envoy.find_envoy()
        if nginx is None or find_program("wrk") is None or envoy_binary is None:
            sys.exit("needs nginx, wrk (apt-get install nginx-light wrk) and the demo's Envoy")
        if not COMPILED.is_dir():
            sys.exit("needs the compiled build: make compiled")
        self._nginx, self.envoy_binary = nginx, envoy_binary
        self.app_port, self.shadow_port = free_ports(2)
        self.shadow_url = f"http://127.0.0.1:{self.shadow_port}"
        """The shadow of the ways that are started from now on."""
        self.sidecar_config: dict[str, Any] = {}
        """Sections for the configuration of every sidecar that is started from now on."""

    def start_upstreams(self) -> None:
        """Start app and shadow on the client's core, each an nginx that answers at once."""
        with core(CORE_OF_CLIENT):
            self.start_nginx("app", upstream_site(self.app_port), self.app_port)
            self.start_nginx("shadow", upstream_site(self.shadow_port), self.shadow_port)

    def start_program(
        self, name: str, argv: list[str | Path], is_ready: Callable[[], bool]
    ) -> Child:
        """Start any other program on the core of the caller."""
        child = self._processes.start(name, argv)
        child.wait_until(is_ready)
        return child

    def start_nginx(self, name: str, site: str, port: int) -> Child:
        """Start nginx with this site on the core of the caller."""
        home = self.home(name)
        config = main_config(site, home)
        # The client may hold ten thousand connections, which must stay open.
        config = config.replace("worker_connections 4096", "worker_connections 19000")
        config = config.replace("http {", "http { access_log off; keepalive_timeout 3600s;")
        config = config.replace(f"access_log {home}/access.log mirror_json;", "")
        (home / "nginx.conf").write_text(config)
        command = nginx_command(self._nginx, home / "nginx.conf")
        return self.start_program(name, command, lambda: accepts(port))

    def start(self, name: str, **sections: Any) -> Way:
        """Start a way by name on the core under test; `sections` configure its sidecar."""
        (port,) = free_ports(1)
        with core(CORE_UNDER_TEST):
            if name == "plain":
                return self.proxy(name, proxy_site(port, self.app_port), port)
            if name == "nginx_mirror":
                site = nginx_mirror_site(port, self.app_port, self.shadow_url)
                return self.proxy(name, site, port)
            if name == "envoy":
                return self._start_envoy(port)
            mode, _, variant = name.partition("_")
            is_compiled = variant != "python"
            if mode == "sink":
                return self._start_sink(name, port, is_compiled, sections)
            assert mode == "inline", name
            primary = f"http://127.0.0.1:{self.app_port}"
            address = f"127.0.0.1:{port}"
            if variant == "nginx":
                address = f"unix:{self.home('socket')}/inline.sock"
            inline = {"mode": "inline", "listen": address, "primary": primary}
            sidecar = self._start_sidecar(is_compiled, **inline, **sections)
            children = [sidecar.child]
            if variant == "nginx":
                site = inline_site(port, self.app_port, address)
                children.append(self.start_nginx("inline", site, port))
            return Way(name, port, children, sidecar)

    def proxy(self, name: str, site: str, port: int) -> Way:
        """Start an nginx with this site as a way."""
        with core(CORE_UNDER_TEST):
            return Way(name, port, [self.start_nginx(name, site, port)])

    def home(self, name: str) -> Path:
        """Return a new directory for a program, because a way may be started more than once."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._directory))

    def _start_envoy(self, port: int) -> Way:
        (admin_port,) = free_ports(1)
        config = envoy_bootstrap((port, admin_port), self.app_port, self.shadow_url)
        path = self.home("envoy") / "envoy.yaml"
        path.write_text(yaml.safe_dump(config))
        command = envoy.envoy_command(self.envoy_binary, path)
        child = self.start_program(
            "envoy", command, lambda: answers(admin_port, "/ready", status=200)
        )
        return Way("envoy", port, [child])

    def _start_sink(
        self, name: str, port: int, is_compiled: bool, sections: Mapping[str, Any]
    ) -> Way:
        (void_port,) = free_ports(1)
        socket_path = f"unix:{self.home('socket')}/sink.sock"
        sidecar = self._start_sidecar(is_compiled, mode="sink", listen=socket_path, **sections)
        site = sink_site(port, self.app_port, socket_path, void_port)
        return Way(name, port, [self.start_nginx("sink", site, port), sidecar.child], sidecar)

    def _start_sidecar(self, is_compiled: bool, **sections: Any) -> Sidecar:
        """Start a sidecar with everything enabled: routes, deadlines, DogStatsD, `series.db`."""
        home = self.home("mirror")
        (admin_port,) = free_ports(1)
        config = {
            "routes": list(ROUTES),
            "datadog": {"dogstatsd": f"udp://127.0.0.1:{self._agent_port}", "tags": ["env:bench"]},
            "series": {"path": str(home / "series.db")},
            "admin": f"127.0.0.1:{admin_port}",
            **self.sidecar_config,
            **sections,
        }
        shadow = {"url": self.shadow_url, "accept_server": ["nginx"]}
        config["shadow"] = shadow | config.get("shadow", {})
        child = self._processes.start(
            "mirror",
            serve_command(write_config(home, config)),
            environment={"PYTHONPATH": str(COMPILED)} if is_compiled else {},
        )
        child.wait_until(lambda: answers(admin_port, "/readyz", status=200))
        return Sidecar(child, admin_port)


@contextmanager
def stage() -> Iterator[Stage]:
    """Yield a stage in a temporary directory; all its programs end with the block."""
    # The default action of the signal would skip the cleanup and leave servers behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with (
        tempfile.TemporaryDirectory(prefix="kagami-") as name,
        # This socket replaces the Datadog Agent; the kernel drops what is not read.
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as agent,
        Processes(Path(name)) as processes,
    ):
        agent.bind(("127.0.0.1", 0))
        yield Stage(processes, Path(name), agent.getsockname()[1])
