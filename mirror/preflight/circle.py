"""Whether an upstream is the sidecar itself, so that every request would come back for ever.

What no preflight can see, such as a primary that is the nginx in front of the sidecar, ends at the
first request that comes back: it carries our name in Via and is answered 508.
"""

import ipaddress
import os
import socket

from mirror.addresses import Address, UnixAddress, Url
from mirror.config import Config


def circles(config: Config) -> list[str]:
    """Return one problem, with its key, for each upstream that is an address of the sidecar."""
    own: list[tuple[str, Address]] = [("listen", address) for address in config.listen]
    own.append(("admin", config.admin))
    upstreams = [("shadow.url", config.shadow.url)]
    if config.primary is not None:
        upstreams.append(("primary", config.primary))
    return [
        f"{key}: {url} is the sidecar's own address ({name} {address}), so every request would "
        "come back; expected the address of another server"
        for key, url in upstreams
        for name, address in own
        if _is_same(url, address)
    ]


def _is_same(url: Url, address: Address) -> bool:
    if isinstance(address, UnixAddress):
        return not url.port and os.path.realpath(url.host) == os.path.realpath(address.path)
    if url.port != address.port:
        return False
    targets = _addresses_of(url.host)
    listening = _addresses_of(address.host)
    if any(ipaddress.ip_address(ip).is_unspecified for ip in listening):
        return any(_is_of_this_host(ip) for ip in targets)
    return bool(targets & listening)


def _addresses_of(host: str) -> set[str]:
    """Return the addresses of a name; none if it cannot be resolved now."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return set()
    return {str(address[0]).partition("%")[0] for *_, address in found}


def _is_of_this_host(ip: str) -> bool:
    """Say whether this host has the address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((ip, 0))
        except OSError:
            return False
    return True
