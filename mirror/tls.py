"""The TLS context of every connection that this package opens as a client.

Python leaves the minimum version to OpenSSL's configuration, and distributions differ: Debian's
interpreter reports `MINIMUM_SUPPORTED`, which promises nothing. The minimum is therefore set here:
TLS 1.2, as RFC 9325 section 3.1.1 demands, or the later version that the system requires.
"""

import ssl


def client_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Return a context that verifies the certificate and the name of the server.

    `ca_file` is a PEM file of the authorities to trust; without it the system's are trusted.
    Raises OSError (which `ssl.SSLError` is) where the file cannot be read or holds none.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context


def inspecting_context(trusted: bytes | None = None) -> ssl.SSLContext:
    """Return a context to look at a server's certificate, over which nothing may be sent.

    It verifies nothing, or with `trusted`, a certificate in DER, that the server has exactly that
    one and that it is valid today: Python describes only a certificate that it has verified. Raises
    ssl.SSLError for bytes that are no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE if trusted is None else ssl.CERT_REQUIRED
    if trusted is not None:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=trusted)
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return context
