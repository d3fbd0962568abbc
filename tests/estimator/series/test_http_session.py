"""Checks sessions with monitoring systems: TLS 1.2, verification, and a time limit."""

import asyncio
import ssl

import aiohttp

from estimator.series.http_session import open_session


def test_session_speaks_tls_1_2_and_verifies() -> None:
    async def look() -> tuple[ssl.SSLContext, aiohttp.ClientTimeout]:
        async with open_session({}, 3.0) as session:
            connector = session.connector
            assert isinstance(connector, aiohttp.TCPConnector)
            context = connector._ssl
            assert isinstance(context, ssl.SSLContext)
            return context, session.timeout

    context, timeout = asyncio.run(look())
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert timeout.total == 3.0
