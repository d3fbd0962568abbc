"""From the configuration of an upstream to its origin: address, TLS context, limits.

TLS verifies the certificate and its name against the system's authorities, or those of a given
file, unless the configuration says otherwise.
"""

import ssl

from mirror.config import TlsSection, Url
from mirror.errors import TlsError
from mirror.proxy.upstream import Origin


def origin_of(url: Url, tls: TlsSection, connect_timeout_s: float, max_head_bytes: int) -> Origin:
    """Raises TlsError where the authorities cannot be read."""
    context = tls_context(tls) if url.is_tls else None
    return Origin(url.host, url.port, context, tls.server_name, connect_timeout_s, max_head_bytes)


def tls_context(tls: TlsSection) -> ssl.SSLContext:
    """A client's context, TLS 1.2 or later; raises TlsError."""
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"cannot read certificates from {tls.ca_file}: {error}") from error
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
