"""A connection that ends is freed immediately: no reference cycle waits for the collector.

The garbage collector would free such cycles in pauses that delay production.
"""

import asyncio
import gc

import pytest

from mirror.proxy.downstream.connection import DownstreamConnection
from mirror.proxy.tee import Tee
from mirror.proxy.upstream.connection import UpstreamConnection
from tests.fakes import (
    Client,
    StubUpstream,
    acceptor_for,
    downstream_for,
    make_config,
    run,
    until,
)

REQUEST = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.mark.parametrize("mode", ["sink", "inline"])
def test_connections_leave_no_garbage(mode: str) -> None:
    async def main() -> None:
        async with StubUpstream() as stub:
            stub._script = stub.answer(LAST, close=True)
            primary = stub.port if mode == "inline" else None
            config = make_config(mode, primary, stub.port)
            tee = Tee(config)
            acceptor = acceptor_for(config, tee)
            server = await asyncio.get_running_loop().create_server(
                lambda: downstream_for(acceptor), "127.0.0.1", 0
            )
            port = server.sockets[0].getsockname()[1]
            for _ in range(3):
                client = Client(*await asyncio.open_connection("127.0.0.1", port))
                client.send(REQUEST)
                assert (await client.all()).startswith(b"HTTP/1.1 20")
                client.close()
            await until(lambda: not (acceptor.connections or tee.in_flight))
            server.close()

    gc.collect()
    gc.disable()
    try:
        run(main)
        assert connections_in_memory() == []
    finally:
        gc.enable()


def connections_in_memory() -> list[object]:
    kinds = (DownstreamConnection, UpstreamConnection)
    return [kept for kept in gc.get_objects() if isinstance(kept, kinds)]
