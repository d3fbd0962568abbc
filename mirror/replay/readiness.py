"""Before the first request: open descriptors, whose site it is sent to, and whose secrets go along.

Without enough descriptors an upstream would seem to refuse connections. A target that the internet
routes may be somebody else's, or production: loopback, private, link-local and other addresses that
it does not route need no question.
"""

import ipaddress
import resource
import socket

from mirror.addresses import Url
from mirror.errors import InputError
from mirror.replay.requests import RequestList

SPARE_DESCRIPTORS = 64
"""For files, the loop and the standard streams."""
MOST_NAMES_SHOWN = 5


def allow_descriptors(connections: int) -> None:
    """Let this process open that many connections. Raises InputError if the hard limit forbids."""
    needed = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise InputError(
            f"--connections: this process may open {hard} descriptors (ulimit -Hn), {needed} are"
            " needed"
        )
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def public_address(target: Url) -> str | None:
    """Return an address of the target that the internet routes; None if none of them is.

    A name that cannot be looked up has none: the replay itself says that it cannot connect.
    """
    if target.port == 0:
        return None  # a unix socket
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    return next((text for text in (str(entry[4][0]) for entry in found) if is_public(text)), None)


def is_public(text: str) -> bool:
    """Return whether the internet routes this IP address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_global


def credentials_sent(requests: RequestList, target: Url) -> str | None:
    """Return which secret values will be sent, in words; None if none will, as far as was read."""
    if not requests.credentials:
        return None
    named = [f"{name} in {n}" for name, n in requests.credentials.most_common(MOST_NAMES_SHOWN)]
    if (more := len(requests.credentials) - MOST_NAMES_SHOWN) > 0:
        named.append(f"{more} more names")
    of = f"of the {'' if requests.is_whole else 'first '}{len(requests.held)} requests"
    return (
        f"credentials are sent to {target}, {of}: {', '.join(named)}; --remove-header NAME leaves"
        " a header out"
    )
