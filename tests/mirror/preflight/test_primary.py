"""Checks what is learned of the primary by one request."""

import asyncio
import socket

import pytest

from mirror.preflight.primary import PrimaryAnswer, ask_primary
from mirror.proxy.upstream.connection import Origin
from tests.fakes import StubUpstream


def asked(answer: bytes, close: bool = False) -> tuple[PrimaryAnswer, list[bytes]]:
    async def main() -> tuple[PrimaryAnswer, list[bytes]]:
        async with StubUpstream() as primary:
            primary._script = primary.answer(answer, close=close)
            got = await ask_primary(Origin("127.0.0.1", primary.port), "www.example.com")
            return got, primary.requests

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "status", "trouble"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, ""),
        (
            b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 404 No\nTransfer-Encoding: chunked\n\n",
            0,
            "?",
        ),
        (b"HTTP/1.0 999 No\nTransfer-Encoding: chunked\n\n2  \r\nok\r\n0\r\n\r\n", 999, ""),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil close", 200, ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", 0, "?"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 0, "?"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", 0, "reset"),
        (b"garbage\r\n\r\n", 0, "?"),
    ],
)
def test_the_answer_is_read_as_inline_reads_it(answer: bytes, status: int, trouble: str) -> None:
    got, requests = asked(answer, close=True)
    assert got.status == (status if not got.trouble else 0)
    assert got.trouble == trouble.replace("?", "protocol_error")
    assert requests[0].startswith(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n")


def test_no_primary_is_said() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        got = asyncio.run(ask_primary(Origin(*bound.getsockname())))
    assert got.trouble == "connect_failed"
