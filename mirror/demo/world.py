"""The whole small world: an old cluster, a new one, and the sidecar between them.

With nginx:     client -> nginx -> app (primary)
                             \\-> mirror (sink) -> Envoy -> app (shadow)
Without nginx:  client -> mirror (inline) -> app (primary)
                             \\-> Envoy -> app (shadow)

If there is no Envoy for this platform, the shadow is the second app itself. This module decides
which program runs on which port; each program's own module knows how to run it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror.demo.app import SERVER_NAME, start_app
from mirror.demo.envoy import Envoy, find_envoy, start_envoy
from mirror.demo.nginx import Nginx, sink_site, start_nginx
from mirror.demo.processes import Processes, find_program, free_ports
from mirror.demo.sidecar import Sidecar, start_sidecar

ROUTES = ("/watch/{id}", "/api/*", "/static/*")
DECLARED_PREFIXES = ("/watch/", "/api/", "/static/")
"""What the new cluster's VirtualService declares: the front page was forgotten, as happens."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that runs."""

    mode: str
    front_port: int
    """Where clients go: nginx, or the sidecar in inline mode."""
    sidecar: Sidecar
    envoy: Envoy | None
    """None if this platform has no Envoy wheel; shadow legs then go to the app itself."""
    nginx: Nginx | None
    """None in inline mode."""
    series: Path


def start_world(
    processes: Processes, directory: Path, socket_directory: Path, *, with_nginx: bool = True
) -> World:
    """Start every program, with nginx and Envoy if they are installed.

    `socket_directory` is a separate parameter because the path of a unix socket must be short.
    """
    front_port, primary_port, shadow_port, void_port, admin_port, *envoy_ports = free_ports(7)
    nginx = find_program("nginx") if with_nginx else None
    front: Nginx | None = None
    start_app(processes, "primary-app", primary_port)
    start_app(processes, "shadow-app", shadow_port)
    envoy = None
    if envoy_binary := find_envoy():
        envoy = start_envoy(
            processes,
            directory,
            envoy_binary,
            ports=(envoy_ports[0], envoy_ports[1]),
            app_port=shadow_port,
            prefixes=DECLARED_PREFIXES,
        )
    series = directory / "series.db"
    config = _config(series, admin_port, envoy.port if envoy else shadow_port, bool(envoy))
    if nginx:
        socket_path = socket_directory / "mirror.sock"
        log = directory / "nginx" / "access.log"
        config |= {
            "mode": "sink",
            "listen": f"unix:{socket_path}",
            "comparison": {"access_log": f"file:{log}"},
        }
        sidecar = start_sidecar(processes, directory, config)
        site = sink_site(front_port, primary_port, f"unix:{socket_path}", void_port)
        front = start_nginx(processes, log.parent, nginx, site=site, port=front_port)
    else:
        config |= {
            "mode": "inline",
            "listen": f"127.0.0.1:{front_port}",
            "primary": f"http://127.0.0.1:{primary_port}",
        }
        sidecar = start_sidecar(processes, directory, config)
    return World(str(config["mode"]), front_port, sidecar, envoy, front, series)


def _config(series: Path, admin_port: int, shadow_port: int, has_envoy: bool) -> dict[str, Any]:
    shadow: dict[str, Any] = {"url": f"http://127.0.0.1:{shadow_port}"}
    if not has_envoy:
        # The preflight expects an Envoy; here the app is the target on purpose.
        shadow["accept_server"] = [SERVER_NAME]
    return {
        "shadow": shadow,
        "routes": list(ROUTES),
        "series": {"path": str(series)},
        "admin": f"127.0.0.1:{admin_port}",
    }
