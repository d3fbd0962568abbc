"""The way from nginx to the sidecar, in both modes: keep-alive, backup, Host.

Each check looks at what is in force in the location with the proxy_pass, wherever it stands.
"""

import re
from functools import lru_cache

from mirror.preflight.findings import Finding
from mirror.preflight.nginx import rules
from mirror.preflight.nginx.destinations import Destination, Site
from mirror.preflight.nginx.locations import Location

_HOSTS = ("$host", "$hostname", "$server_name", "")
"""What may stand for the Host of a request besides the `$http_` variables; a map may end in these.
"""
_SHOWN_HOSTS = 5
"""Most values of a Host that one finding lists."""
_PORT = re.compile(r":\$|\$\{?(server|proxy)_port|:\d+$")


def connection_findings(location: Location, to: Destination, site: Site) -> list[Finding]:
    """Return what is wrong with the connections of a location to the sidecar."""
    return [
        *_keepalive(location, to, site),
        *_backup(to),
        *_host(location, site),
    ]


def _keepalive(location: Location, to: Destination, site: Site) -> list[Finding]:
    scope = location.scope
    found = []
    if to.upstream is None:
        what = f"`{to.proxy_pass.shown}` names the sidecar's address instead of an upstream."
        found.append(rules.KEEPALIVE.at(to.proxy_pass.where, what))
    elif not any(line.args != ("0",) for line in to.upstream.own("keepalive")):
        what = f"`{to.upstream.directive.shown}` has no `keepalive`."
        found.append(rules.KEEPALIVE.at(to.upstream.directive.where, what))
    if (version := scope.value("proxy_http_version", "not set")) in ("not set", "1.0"):
        what = f"proxy_http_version is {version} in {location.name}."
        found.append(rules.HTTP_VERSION.at(scope.place("proxy_http_version"), what))
    return [*found, *_connection_header(location, site)]


def _connection_header(location: Location, site: Site) -> list[Finding]:
    header = location.scope.header("Connection")
    if header is None:
        return [rules.CONNECTION.at(*_missing(location, "Connection"))]
    value = site.variables.without_source(header.args[1]).lower()
    if value in ("", "keep-alive"):
        return []
    if value.startswith("$") and value != "$http_connection":
        what = f"Connection is {header.args[1]}, which no map here defines."
        return [rules.NOT_JUDGED.at(header.where, what)]
    what = f"Connection is {header.args[1]}, which is `{value}` for a request without an upgrade."
    return [rules.CONNECTION.at(header.where, what)]


def _backup(to: Destination) -> list[Finding]:
    if to.has_backup:
        return []
    place = to.upstream.directive if to.upstream else to.proxy_pass
    return [rules.BACKUP.at(place.where, f"`{place.shown}` has no server with `backup`.")]


def _host(location: Location, site: Site) -> list[Finding]:
    header = location.scope.header("Host")
    if header is None:
        return [rules.HOST.at(*_missing(location, "Host"))]
    value = header.args[1]
    if "$" not in value or "$proxy_host" in value:
        return [rules.HOST.at(header.where, f"`{header.shown}` is not the Host of the request.")]
    adds_port, unknown = _judged(site.variables.leaves(value))
    if adds_port:
        return [rules.HOST_WITH_PORT.at(header.where, f"`{header.shown}` adds a port.")]
    if not unknown:
        return []
    listed = ", ".join(unknown[:_SHOWN_HOSTS])
    listed += f" and {len(unknown) - _SHOWN_HOSTS} others" if len(unknown) > _SHOWN_HOSTS else ""
    what = f"`{header.shown}` may come to {listed}; whether that is production's host is not known."
    return [rules.NOT_JUDGED.at(header.where, what)]


@lru_cache(maxsize=16)
def _judged(leaves: frozenset[str]) -> tuple[bool, list[str]]:
    """Say whether a Host gets a port, and return what it may be otherwise than production's.

    Thousands of locations ask the same about one map, which may have as many entries.
    """
    unknown = sorted(
        leaf for leaf in leaves if leaf not in _HOSTS and not leaf.startswith("$http_")
    )
    return any(_PORT.search(leaf) for leaf in leaves), unknown


def _missing(location: Location, name: str) -> tuple[str, str]:
    """Return the place of a header that is not set, and why none is in force."""
    inherited = location.scope.in_force("proxy_set_header")
    what = f"No `proxy_set_header {name}` is in force in {location.name}"
    if location.scope.own("proxy_set_header"):
        what += ", whose own proxy_set_header lines end the inheritance of those above"
    place = inherited[0].where if inherited else location.scope.directive.where
    return place, f"{what}."
