"""One GET for a JSON object, and what each of its failures means.

Redirects are not followed: keys travel in headers, and only to the host that they were meant for.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp

from mirror.errors import SamplingError, without_user
from mirror.tls import client_context

TIMEOUT_S = 30.0
EXCERPT_CHARS = 200


def ask(
    url: str, parameters: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the object that was answered with status 200. Raises SamplingError."""
    return asyncio.run(_ask(url, parameters, headers))


async def _ask(
    url: str, parameters: Mapping[str, str], headers: Mapping[str, str] | None
) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    headers = {"Accept": "application/json", **(headers or {})}
    try:
        async with (
            aiohttp.ClientSession(
                timeout=timeout,
                trust_env=True,
                connector=aiohttp.TCPConnector(ssl=client_context()),
            ) as session,
            session.get(url, params=parameters, headers=headers, allow_redirects=False) as response,
        ):
            if response.status != 200:
                said = (await response.text(errors="replace"))[:EXCERPT_CHARS]
                raise SamplingError(f"{without_user(url)} answered {response.status}: {said}")
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise SamplingError(
            f"{without_user(url)} cannot be asked: {error or type(error).__name__}"
        ) from error
    if not isinstance(answer, dict):
        raise SamplingError(f"{without_user(url)} answered no JSON object")
    return answer
