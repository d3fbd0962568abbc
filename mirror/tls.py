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
