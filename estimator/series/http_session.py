"""The HTTP session with which every API of a monitoring system is asked.

Python leaves the minimum version of TLS to OpenSSL's configuration, and distributions differ:
Debian's interpreter reports `MINIMUM_SUPPORTED`, which promises nothing. The minimum is therefore
set here: TLS 1.2, as RFC 9325 section 3.1.1 demands, or the later version that the system requires.
"""

import ssl
from collections.abc import Mapping

import aiohttp


def open_session(headers: Mapping[str, str], timeout_s: float) -> aiohttp.ClientSession:
    """Return a session that verifies certificates and goes through the proxies of the environment.

    `headers` are sent with every request; `timeout_s` bounds one request in seconds, its answer
    included. The caller closes the session.
    """
    context = ssl.create_default_context()
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    return aiohttp.ClientSession(
        headers=headers,
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        trust_env=True,
        connector=aiohttp.TCPConnector(ssl=context),
    )
