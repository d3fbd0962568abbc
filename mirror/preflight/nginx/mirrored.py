"""Which servers and locations are mirrored, and whether the server that takes a host is one.

A location without a `mirror` is no mistake, so it has no finding of its own: one note lists what
was read, and the reader looks for the name that is missing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mirror.addresses import Url
from mirror.preflight.findings import Finding
from mirror.preflight.nginx import rules
from mirror.preflight.nginx.destinations import EVERYWHERE, is_same_host, split_address
from mirror.preflight.nginx.expressions import Expressions, PatternError
from mirror.preflight.nginx.locations import Location
from mirror.preflight.nginx.scopes import Scope

MOST_NAMES = 20
"""Most locations that the note lists of the mirrored ones, and of the others."""
MOST_LETTERS = 60
"""Most characters of a name in the note."""


_LOOPBACK = ("127.", "[::1]", "localhost", "unix:")


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A server, and those of its locations that serve clients."""

    scope: Scope
    mirrored: list[Location] = field(default_factory=list)
    """The ones from which a way leads to the sidecar."""
    others: list[Location] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The names of `server_name`, in lower case."""
        return [name.lower() for line in self.scope.own("server_name") for name in line.args]

    @property
    def shown(self) -> str:
        """The first name, or else the first address."""
        named = [name for name in self.names if name not in ("", "_")]
        return _cut(named[0] if named else f"listen {next(iter(self.addresses()))}")

    def addresses(self) -> dict[str, bool]:
        """Return what the server listens on, and whether it is declared as the default there."""
        found = {
            _address(line.args[0]): not {"default_server", "default"}.isdisjoint(line.args)
            for line in self.scope.own("listen")
            if line.args
        }
        return found or {_address("80"): False}


def mirrored_note(path: str, servers: Sequence[Served]) -> Finding:
    """Return the note about the configuration at `path`: what is mirrored, and what is not."""
    parts = []
    for word, found in (
        ("Mirrored", [(server, server.mirrored) for server in servers]),
        ("Not mirrored", [(server, server.others) for server in servers if _serves(server)]),
    ):
        names = [(server, location) for server, listed in found for location in listed]
        if names:
            parts.append(f"{word}: {_listed(names)}.")
    return rules.MIRRORED.at(path, " ".join(parts))


def host_findings(servers: Sequence[Served], host: str, expressions: Expressions) -> list[Finding]:
    """Return a finding where no server that takes requests for `host` mirrors anything."""
    try:
        takers = _takers(servers, re.sub(r":\d*$", "", host).lower(), expressions)
    except PatternError as error:
        return [rules.NOT_JUDGED.at("--host", f"A server_name is not judged: {error}.")]
    if not takers or any(server.mirrored for server in takers):
        return []
    what = f"{host} is taken by {takers[0].shown}, in which no location leads to the sidecar."
    return [rules.HOST_NOT_MIRRORED.at(takers[0].scope.directive.where, what)]


def circle_findings(servers: Sequence[Served], shadow: Url) -> list[Finding]:
    """Return a finding where the shadow is an address of a server that mirrors.

    Addresses are compared as they are written; one on all addresses is on loopback, too.
    """
    for server in servers:
        for address in server.addresses() if server.mirrored else ():
            host, port = split_address(address, 80)
            fits = is_same_host("localhost" if host in EVERYWHERE else host, shadow.host)
            if port and port == shadow.port and fits:
                what = f"{server.shown} listens on {address} and mirrors to the sidecar."
                return [rules.SHADOW_MIRRORS.at(f"shadow.url {shadow}", what)]
    return []


def _takers(servers: Sequence[Served], host: str, expressions: Expressions) -> list[Served]:
    """Return the server that takes a host, one for each address on which a name fits.

    Where no name fits, the default servers take it (ngx_http_find_virtual_server).
    """
    by_address: dict[str, list[Served]] = {}
    defaults: dict[str, Served] = {}
    for server in filter(_serves, servers):
        for address, is_default in server.addresses().items():
            by_address.setdefault(address, []).append(server)
            if is_default:
                defaults[address] = server
    named = [_by_name(found, host, expressions) for found in by_address.values()]
    takers = [server for server in named if server is not None]
    if not takers:
        takers = [defaults.get(address, found[0]) for address, found in by_address.items()]
    return takers


def _by_name(servers: Sequence[Served], host: str, expressions: Expressions) -> Served | None:
    """Return the server that nginx chooses by name: exact, `*.name`, `name.*`, expression."""
    names = [(name, server) for server in servers for name in server.names]
    plain = [(name, server) for name, server in names if not name.startswith("~")]
    for name, server in plain:
        if host in (name, name.removeprefix(".")):
            return server
    ranked = [(len(name), server) for name, server in plain if _is_end(name, host)] or [
        (len(name), server)
        for name, server in plain
        if name.endswith(".*") and host.startswith(name[:-1])
    ]
    if ranked:
        return max(ranked, key=lambda pair: pair[0])[1]
    for name, server in names:
        if name.startswith("~") and expressions.fits(name[1:], True, host):
            return server
    return None


def _is_end(name: str, host: str) -> bool:
    """Say whether `*.example.com`, or `.example.com`, fits a host."""
    return name.startswith((".", "*.")) and host.endswith(name.removeprefix("*"))


def _address(text: str) -> str:
    """Return an argument of `listen` with the address and the port that it leaves out."""
    if text.isdigit():
        return f"*:{text}"
    has_port = text.startswith("unix:") or re.search(r":\d+$", text) is not None
    return text if has_port else f"{text}:80"


def _serves(server: Served) -> bool:
    """Say whether a server is for clients; the one that discards copies has no name or location."""
    has_locations = any(location.scope is not server.scope for location in server.others)
    is_private = all(address.startswith(_LOOPBACK) for address in server.addresses())
    return bool(server.mirrored or server.names or has_locations or not is_private)


def _listed(names: Sequence[tuple[Served, Location]]) -> str:
    texts: dict[Served, list[str]] = {}
    for server, location in names[:MOST_NAMES]:
        texts.setdefault(server, [])
        if location.scope is not server.scope:
            texts[server].append(_cut(" ".join(location.scope.directive.args)))
    listed = "; ".join(_of_server(server, found) for server, found in texts.items())
    left = len(names) - MOST_NAMES
    return f"{listed}, and {left:,} more" if left > 0 else listed


def _of_server(server: Served, locations: Sequence[str]) -> str:
    return f"{server.shown}: {', '.join(locations)}" if locations else server.shown


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 3]}..."
