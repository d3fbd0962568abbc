"""One question on request, for `mirror check` and the start of `mirror serve`.

It asks what proxy/upstream/admission.py asks of every connection to the shadow, and says in words
for the operator why a connection could not even be opened.
"""

import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mirror.core.acceptance import Headers, Verdict, printable, unreachable
from mirror.proxy.upstream.admission import Probe
from mirror.proxy.upstream.connection import Origin


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered to one HEAD request, and the verdict on it."""

    verdict: Verdict
    status: int
    """0 where no head came that could be read."""
    headers: Headers
    asked_s: float
    """The Unix time just before the connection was opened."""
    answered_s: float
    """The Unix time just after the head was read."""


async def ask(
    origin: Origin,
    accepted: Sequence[str],
    timeout_s: float,
    host: str | None = None,
    target: str = "/",
) -> Answer:
    """Send one HEAD request for `target`; nothing that the other side does raises.

    `accepted` lists values of the `server` header, or product names in it. `timeout_s` applies to
    the answer, the origin's own limit to the connect. `host` is the Host header, by default the
    address.
    """
    asking = Probe(host or origin.authority, accepted, keep_alive=False, target=target)
    asked_s = time.time()
    try:
        await origin.connect(lambda: asking)
    except (OSError, ValueError) as error:  # TimeoutError and ssl.SSLError are OSErrors
        return Answer(_connect_failure(origin, error), 0, (), asked_s, time.time())
    try:
        verdict = await asking.verdict(timeout_s)
        return Answer(verdict, asking.status, asking.headers, asked_s, time.time())
    finally:
        asking.abort()


def _connect_failure(origin: Origin, error: Exception) -> Verdict:
    if isinstance(error, TimeoutError):
        return unreachable(
            "no_connection",
            f"no connection within {origin.connect_timeout_s:g} s",
            "packets are dropped on the way; check firewalls and network policies, and whether "
            "the address is that of a node",
        )
    if isinstance(error, ConnectionRefusedError):
        return unreachable(
            "no_connection",
            f"connection refused: nothing listens on {origin}",
            "check the NodePort of the Service and, with externalTrafficPolicy Local, whether the "
            "node runs a gateway Pod",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return unreachable(
            "certificate",
            f"its certificate is not accepted: {error.verify_message}",
            "set shadow.tls.ca_file to the authority, or shadow.tls.server_name to the name in "
            "the certificate",
        )
    if isinstance(error, ssl.SSLError):
        return unreachable(
            "no_tls",
            f"no TLS connection: {error.reason}",
            "does this port speak TLS, and without a certificate of the client?",
        )
    if isinstance(error, socket.gaierror | ValueError):
        return unreachable(
            "no_name",
            f"the name {printable(origin.host)} cannot be resolved: {error}",
            "write the name or the address of a node in shadow.url",
        )
    return unreachable(
        "no_connection", f"cannot be connected to: {error}", "check the address of shadow.url"
    )
