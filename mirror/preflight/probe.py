"""One probe on request, for `mirror check` and the start of `mirror serve`.

It asks what proxy/upstream/admission.py asks of every connection to the shadow, and says in words
for the operator why a connection could not even be opened.
"""

import socket
import ssl
from collections.abc import Sequence

from mirror.core.acceptance import Verdict, printable, unreachable
from mirror.proxy.upstream.admission import Probe
from mirror.proxy.upstream.connection import Origin


async def probe(
    origin: Origin, accepted: Sequence[str], timeout_s: float, host: str | None = None
) -> Verdict:
    """Probe `origin` and judge its answer; nothing that the other side does raises.

    `accepted` lists values of the `server` header, or product names in it. `timeout_s` applies to
    the answer, the origin's own limit to the connect. `host` is the Host header, by default the
    address.
    """
    asking = Probe(host or origin.authority, accepted, keep_alive=False)
    try:
        await origin.connect(lambda: asking)
    except (OSError, ValueError) as error:  # TimeoutError and ssl.SSLError are OSErrors
        return unreachable(_connect_failure(origin, error))
    try:
        return await asking.verdict(timeout_s)
    finally:
        asking.abort()


def _connect_failure(origin: Origin, error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return (
            f"no connection within {origin.connect_timeout_s:g} s: packets are dropped on the "
            "way; check firewalls and network policies, and whether the address is that of a node"
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            f"connection refused: nothing listens on {origin}; check the NodePort of the "
            "Service and, with externalTrafficPolicy Local, whether the node runs a gateway Pod"
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted: {error.verify_message}; set shadow.tls.ca_file to "
            "the authority, or shadow.tls.server_name to the name in the certificate"
        )
    if isinstance(error, ssl.SSLError):
        return f"no TLS connection: {error.reason}; does this port speak TLS?"
    if isinstance(error, socket.gaierror | ValueError):
        return f"the name {printable(origin.host)} cannot be resolved: {error}"
    return f"cannot be connected to: {error}"
