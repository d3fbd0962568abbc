"""Whether the Datadog Agent takes metrics: DogStatsD is one-way, so nothing else would say so.

On UDP the kernel of the Agent's host answers a datagram to a closed port with ICMP, which a
connected socket reports on its next call. A firewall may drop that answer, so silence proves
nothing. A unix socket that nobody reads refuses the connect.
"""

import errno
import socket

from mirror.addresses import Address, UnixAddress
from mirror.config import Config
from mirror.preflight.findings import Finding
from mirror.preflight.rules import DOGSTATSD

ICMP_WAIT_S = 0.2
"""Longest wait for the refusal of a datagram."""


def agent_findings(config: Config) -> list[Finding]:
    """Return a finding where the Agent's address refuses what is sent. Takes up to ICMP_WAIT_S."""
    address = config.datadog.dogstatsd
    if address is None or not (reason := _refusal(address)):
        return []
    return [DOGSTATSD.at("datadog.dogstatsd", f"{address}: {reason}.")]


def _refusal(address: Address) -> str:
    """Return why a datagram to the address is refused; empty where it may arrive."""
    try:
        if isinstance(address, UnixAddress):
            _connect_unix(address.path)
        else:
            _send_nothing(address.host, address.port)
    except ConnectionRefusedError:
        return "nothing receives there"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _connect_unix(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        try:
            datagrams.connect(path)
        except OSError as error:
            # EPROTOTYPE: the Agent also offers a stream socket, which the sidecar's client uses.
            if error.errno != errno.EPROTOTYPE:
                raise


def _send_nothing(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as datagrams:
        datagrams.settimeout(ICMP_WAIT_S)
        datagrams.connect((host, port))
        datagrams.send(b"")  # an empty packet is no metric
        try:
            datagrams.recv(1)
        except TimeoutError:
            return
