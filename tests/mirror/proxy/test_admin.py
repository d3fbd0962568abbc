"""The admin port says what it is asked, and a taken port is an error that names it."""

import asyncio
import socket

import aiohttp
import pytest

from mirror.addresses import TcpAddress
from mirror.errors import ListenError
from mirror.proxy.admin import Admin


def free_address() -> TcpAddress:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return TcpAddress("127.0.0.1", server.getsockname()[1])


def metrics(accept: str) -> tuple[bytes, str]:
    return f"for {accept}\n".encode(), "text/plain; charset=utf-8"


async def answers(is_ready: bool) -> dict[str, tuple[int, str]]:
    address = free_address()
    admin = Admin(lambda: is_ready, lambda: {"ledger": {"seen": 3}}, metrics)
    await admin.start(address)
    try:
        async with aiohttp.ClientSession(f"http://{address}") as session:
            found = {}
            for path in ("/healthz", "/readyz", "/status", "/metrics", "/other"):
                async with session.get(path, headers={"Accept": "text/x"}) as response:
                    found[path] = (response.status, await response.text())
            return found
    finally:
        await admin.stop()


def test_a_ready_sidecar_says_so() -> None:
    got = asyncio.run(answers(is_ready=True))
    assert got["/healthz"] == (200, "ok\n")
    assert got["/readyz"] == (200, "ready\n")
    assert got["/status"] == (200, '{"ledger": {"seen": 3}}')
    assert got["/metrics"] == (200, "for text/x\n")
    assert got["/other"][0] == 404


def test_without_a_worker_it_is_alive_but_not_ready() -> None:
    got = asyncio.run(answers(is_ready=False))
    assert got["/healthz"][0] == 200
    assert got["/readyz"][0] == 503


def test_a_taken_admin_port_is_named() -> None:
    async def start_twice(address: TcpAddress) -> None:
        await Admin(lambda: True, dict, metrics).start(address)

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = TcpAddress("127.0.0.1", server.getsockname()[1])
        with pytest.raises(ListenError, match=f"admin {address}"):
            asyncio.run(start_twice(address))
