"""From the configuration of an upstream to its origin: address, TLS context, limits.

TLS verifies the certificate and its name against the authorities of the system or of a file, unless
the configuration disables verification.
"""

import ssl

from mirror.addresses import Url
from mirror.config import Config
from mirror.config_sections import TlsSection
from mirror.errors import TlsError
from mirror.proxy.upstream.connection import Origin
from mirror.tls import client_context


def shadow_origin(config: Config) -> Origin:
    """Return the origin of the shadow. Raises TlsError that names the key."""
    shadow = config.shadow
    return _origin(shadow.url, shadow.tls, "shadow.tls", config)


def primary_origin(config: Config) -> Origin:
    """Return the origin of the primary in mode inline. Raises TlsError that names the key."""
    assert config.primary is not None
    return _origin(config.primary, config.primary_tls, "primary_tls", config)


def check_origins(config: Config) -> None:
    """Check the TLS settings that a worker needs at start. Raises TlsError that names the key."""
    shadow_origin(config)
    if config.primary is not None:
        primary_origin(config)


def replay_origin(url: Url, connect_timeout_s: float, max_head_bytes: int) -> Origin:
    """Return the origin of a replay, whose TLS is verified by the system's authorities."""
    context = _context(TlsSection(), "") if url.is_tls else None
    return Origin(url.host, url.port, context, None, connect_timeout_s, max_head_bytes)


def _origin(url: Url, tls: TlsSection, key: str, config: Config) -> Origin:
    context = _context(tls, key) if url.is_tls else None
    return Origin(
        url.host,
        url.port,
        context,
        tls.server_name,
        config.timeouts.connect,
        config.max_head_bytes,
        config.timeouts.resolve,
    )


def _context(tls: TlsSection, key: str) -> ssl.SSLContext:
    """Return the context for one upstream, which offers HTTP/1.1 by ALPN."""
    try:
        context = client_context(tls.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise TlsError(f"{key}.ca_file: cannot read {tls.ca_file}: {error}") from error
    context.set_alpn_protocols(["http/1.1"])
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
