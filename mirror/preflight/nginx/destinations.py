"""Where a proxy_pass leads: the sidecar, the shadow, another server, or nobody can say.

Addresses are compared as they are written and no name is looked up: the check may run on another
host than nginx, in whose containers a name means something else.
"""

import os
import re
from dataclasses import dataclass, replace
from typing import Literal

from mirror.addresses import Address, UnixAddress, Url
from mirror.config import Config
from mirror.preflight.nginx.expressions import Expressions
from mirror.preflight.nginx.reading import Directive
from mirror.preflight.nginx.scopes import Scope, Variables

_PROXY_PASS = re.compile(
    r"(?P<scheme>https?)://(?:unix:(?P<path>[^:]+)(?::(?P<socket_rest>.*))?"
    r"|(?P<name>[^/$]+)(?P<rest>.*))",
    re.DOTALL,
)
_VARIABLE_HOST = re.compile(
    r"(?P<scheme>https?)://(?P<name>\$\w+|\$\{\w+\})(?P<rest>.*)", re.DOTALL
)
_PORTS = {"http": 80, "https": 443}
EVERYWHERE = ("0.0.0.0", "::", "*")

Kind = Literal["sidecar", "shadow", "near_shadow", "other", "unknown"]
"""near_shadow: another port of the shadow's host, where the nginx that logs may be."""
_WORST_FIRST: tuple[Kind, ...] = ("sidecar", "shadow", "near_shadow", "other", "unknown")


@dataclass(frozen=True, slots=True)
class Destination:
    """What a proxy_pass leads to."""

    kind: Kind
    proxy_pass: Directive
    rest: str
    """What follows the server in the URL: the path, often `$request_uri`."""
    servers: tuple[Directive, ...] = ()
    """The `server` lines of its upstream; empty where it names an address itself."""
    upstream: Scope | None = None

    @property
    def has_backup(self) -> bool:
        return any("backup" in server.args[1:] for server in self.servers)


class Destinations:
    """The upstreams of a configuration, and the addresses that matter to the sidecar."""

    def __init__(self, http: Scope, config: Config, variables: Variables) -> None:
        self._variables = variables
        self._upstreams = {
            directive.args[0]: Scope(directive, http)
            for directive in http.own("upstream")
            if directive.args and directive.block is not None
        }
        self._listen = config.listen
        self._shadow = config.shadow.url
        self._found: dict[str, Destination] = {}

    def of(self, proxy_pass: Directive) -> Destination:
        """Return where a `proxy_pass` leads; of the servers that a map chooses, the worst one."""
        url = proxy_pass.args[0] if proxy_pass.args else ""
        if url not in self._found:  # thousands of locations may share one upstream
            self._found[url] = self._find(proxy_pass, url)
        return replace(self._found[url], proxy_pass=proxy_pass)

    def _find(self, proxy_pass: Directive, url: str) -> Destination:
        if (match := _VARIABLE_HOST.fullmatch(url)) is not None:
            chosen = [
                self._to(proxy_pass, f"{match['scheme']}://{leaf}{match['rest']}")
                for leaf in sorted(self._variables.leaves(match["name"]))
                if leaf  # nginx sends nothing to an empty name
            ]
            return min(
                chosen,
                key=lambda found: _WORST_FIRST.index(found.kind),
                default=Destination("unknown", proxy_pass, ""),
            )
        return self._to(proxy_pass, url)

    def _to(self, proxy_pass: Directive, url: str) -> Destination:
        match = _PROXY_PASS.fullmatch(url)
        if match is None:
            return Destination("unknown", proxy_pass, "")
        if match["path"] is not None:
            kind = self._kind([f"unix:{match['path']}"], match["scheme"])
            return Destination(kind, proxy_pass, match["socket_rest"] or "")
        upstream = self._upstreams.get(match["name"])
        if upstream is None:
            kind = self._kind([match["name"]], match["scheme"])
            return Destination(kind, proxy_pass, match["rest"])
        servers = tuple(server for server in upstream.own("server") if server.args)
        used = [
            server.args[0]
            for server in servers
            if "backup" not in server.args[1:] and "down" not in server.args[1:]
        ]
        kind = self._kind(used, match["scheme"])
        return Destination(kind, proxy_pass, match["rest"], servers, upstream)

    def _kind(self, addresses: list[str], scheme: str) -> Kind:
        split = [split_address(address, _PORTS[scheme]) for address in addresses]
        if any(_is_of(listen, *address) for listen in self._listen for address in split):
            return "sidecar"
        if any(_is_shadow(self._shadow, *address) for address in split):
            return "shadow"
        if self._shadow.port and any(is_same_host(host, self._shadow.host) for host, _ in split):
            # Every program of this host is near a shadow on loopback.
            return "other" if _is_loopback(self._shadow.host) else "near_shadow"
        return "other"


def split_address(address: str, port: int) -> tuple[str, int]:
    """Return host and port of an address as nginx takes it; a socket's path and 0."""
    if address.startswith("unix:"):
        return address.removeprefix("unix:"), 0
    host, colon, number = address.rpartition(":")
    if colon and number.isascii() and number.isdigit() and not host.endswith(":"):
        return host.strip("[]").lower(), int(number)
    return address.strip("[]").lower(), port


def _is_of(listen: Address, host: str, port: int) -> bool:
    if isinstance(listen, UnixAddress):
        return not port and is_same_path(host, listen.path)
    return port == listen.port and (listen.host in EVERYWHERE or is_same_host(host, listen.host))


def _is_shadow(shadow: Url, host: str, port: int) -> bool:
    return port == shadow.port and is_same_host(host, shadow.host)


def is_same_path(path: str, ours: str) -> bool:
    """Say whether nginx's path may be ours, which starts at another folder where it is relative."""
    ours = os.path.normpath(ours)
    return path == ours or (not os.path.isabs(ours) and path.endswith(f"/{ours}"))


def is_same_host(host: str, other: str) -> bool:
    """Say whether two hosts are written alike, or are both loopback."""
    return host == other.lower() or (_is_loopback(host) and _is_loopback(other))


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


@dataclass(frozen=True, slots=True)
class Site:
    """What every check needs: what nginx names once for all, and the sidecar's configuration."""

    config: Config
    variables: Variables
    destinations: Destinations
    log_formats: dict[str, str]
    expressions: Expressions

    @classmethod
    def of(cls, http: Scope, config: Config) -> "Site":
        variables = Variables.of(http)
        formats = {
            line.args[0]: " ".join(line.args[1:]) for line in http.own("log_format") if line.args
        }
        destinations = Destinations(http, config, variables)
        return cls(config, variables, destinations, formats, Expressions())
