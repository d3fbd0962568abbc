"""Parts of an Envoy configuration, for tests that run one Envoy with many listeners."""

from typing import Any

API = "type.googleapis.com/envoy"
HTTP_MANAGER = f"{API}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = f"{API}.extensions.filters.http.router.v3.Router"

Object = dict[str, Any]


def address(port: int) -> Object:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster(name: str, port: int, **more: Any) -> Object:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]
    return {
        "name": name,
        "type": "STATIC",
        # A machine that is busy answers later; a closed port refuses at once.
        "connect_timeout": "20s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
        **more,
    }


def http_listener(name: str, port: int, routes: list[Object], **more: Any) -> Object:
    """Return a listener with these routes for every host; `more` goes to its HTTP manager."""
    hosts = [{"name": "site", "domains": ["*"], "routes": routes}]
    manager = {
        "@type": HTTP_MANAGER,
        "stat_prefix": name,
        "route_config": {"name": name, "virtual_hosts": hosts},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER}}],
        **more,
    }
    return network_listener(name, port, "http_connection_manager", manager)


def network_listener(name: str, port: int, kind: str, config: Object) -> Object:
    network_filter = {"name": f"envoy.filters.network.{kind}", "typed_config": config}
    return {
        "name": name,
        "address": address(port),
        "filter_chains": [{"filters": [network_filter]}],
    }


def bootstrap(
    admin_port: int, listeners: list[Object], clusters: list[Object], **more: Any
) -> Object:
    return {
        "admin": {"address": address(admin_port)},
        "static_resources": {"listeners": listeners, "clusters": clusters},
        **more,
    }
