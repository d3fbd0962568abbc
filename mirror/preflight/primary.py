"""One request to the primary, as mode inline would send it: would its answer be passed on?

An answer that two parsers could frame differently becomes a 502, although the application behaves
well towards nginx. It is better to learn that before the sidecar stands in the path of production.
"""

import asyncio
from dataclasses import dataclass

from mirror.core.acceptance import USER_AGENT
from mirror.core.pool import Pool
from mirror.core.response_head import ResponseHead
from mirror.proxy.upstream.connection import Origin
from mirror.proxy.upstream.relaying import RelayingConnection, RelayingUpstream

TIMEOUT_S = 10.0
"""The longest wait for the whole answer."""


@dataclass(frozen=True, slots=True)
class PrimaryAnswer:
    """What the primary answered to `GET /`."""

    status: int
    """0 if there was no answer that could be passed on."""
    trouble: str
    """Why not: an outcome of docs/metrics.md; empty for an answer."""


class _Question:
    """The leg that asks; a RelayedLeg."""

    answers_head = False

    def __init__(self, host: str) -> None:
        self._host = host
        self._status = 0
        self.answer: asyncio.Future[PrimaryAnswer] = asyncio.get_running_loop().create_future()

    def on_assigned(self, connection: RelayingConnection) -> None:
        fields = f"Host: {self._host}\r\nUser-Agent: {USER_AGENT}\r\nConnection: close\r\n"
        connection.write(f"GET / HTTP/1.1\r\n{fields}\r\n".encode("latin-1"))
        connection.end_request()

    def on_informational(self, head: ResponseHead) -> None:
        """Wait for the final answer."""

    def on_response(
        self, head: ResponseHead | None, body: bytes, trailers: list[bytes], ended: bool
    ) -> None:
        if head is not None:
            self._status = head.status
        if ended and not self.answer.done():
            self.answer.set_result(PrimaryAnswer(self._status, ""))

    def on_switched(self, head: ResponseHead, rest: bytes) -> None:
        self.on_failure("protocol_error", is_stale=False)

    def on_failure(self, outcome: str, is_stale: bool) -> None:
        if not self.answer.done():
            self.answer.set_result(PrimaryAnswer(0, outcome))

    def on_writable(self, writable: bool) -> None:
        """Send nothing more."""


async def ask_primary(origin: Origin, host: str | None = None) -> PrimaryAnswer:
    """Send `GET /` to the primary and read its whole answer, within TIMEOUT_S.

    `host` is the Host header, by default the address.
    """
    upstream = RelayingUpstream(origin, Pool(1, 0, 0))
    question = _Question(host or origin.authority)
    upstream.start(question)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await question.answer
    except TimeoutError:
        return PrimaryAnswer(0, "timeout")
    finally:
        upstream.close()
