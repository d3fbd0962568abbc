"""Checks two joined connections: every byte passes, and every close reaches the other side."""

import asyncio
import contextlib
from typing import Any

import pytest

from mirror.proxy.downstream.tunnel import join
from tests.fakes import FakeTransport, StubUpstream, run, turns, until


class Owner(asyncio.Protocol):
    """The previous owner of a connection, which closes both sides when one is lost."""

    def __init__(self) -> None:
        self.lost = 0
        self.error: Exception | None = None
        self.others: list[asyncio.Transport] = []

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost += 1
        self.error = exc
        for transport in self.others:
            transport.close()


class Pair:
    """The joined transports of a client and a server; `send_*` sends from either side."""

    def __init__(self, has_eof: bool = True) -> None:
        self.owners = Owner(), Owner()
        self.client, self.server = (FakeTransport(owner, 1000) for owner in self.owners)
        self.client.has_eof = self.server.has_eof = has_eof
        self.client.pause_reading()
        join((self.client, self.owners[0]), (self.server, self.owners[1]))
        self.from_client: asyncio.Protocol = self.client.get_protocol()
        self.from_server: asyncio.Protocol = self.server.get_protocol()


def test_bytes_pass_both_ways_unread() -> None:
    async def main() -> None:
        pair = Pair()
        assert pair.client.is_reading() and pair.server.is_reading()
        pair.from_client.data_received(b"GET \0\xff")
        pair.from_server.data_received(b"HTTP/1.1 400\r\n")
        assert pair.server.written == b"GET \0\xff"
        assert pair.client.written == b"HTTP/1.1 400\r\n"

    run(main)


def test_side_that_does_not_read_stops_the_other() -> None:
    async def main() -> None:
        pair = Pair()
        pair.client.is_stuck = True
        pair.from_server.data_received(b"x" * 1001)
        assert not pair.server.is_reading()
        assert pair.client.is_reading()
        pair.client.unstick()
        assert pair.server.is_reading()

    run(main)


def test_end_of_one_direction_is_passed_on() -> None:
    async def main() -> None:
        pair = Pair()
        assert pair.from_client.eof_received() is True
        assert pair.server.is_eof_written
        assert not pair.client.is_closing() and not pair.server.is_closing()
        pair.from_server.data_received(b"the rest")
        assert pair.client.written == b"the rest"

    run(main)


@pytest.mark.parametrize("client_first", [True, False])
def test_end_of_both_directions_ends_the_tunnel(client_first: bool) -> None:
    async def main() -> None:
        pair = Pair()
        first, second = pair.from_client, pair.from_server
        if not client_first:
            first, second = second, first
        assert first.eof_received() is True
        assert second.eof_received() is False, "kept open, nobody would ever close it"

    run(main)


def test_end_is_a_close_where_one_direction_cannot_end_alone() -> None:
    async def main() -> None:
        pair = Pair(has_eof=False)
        assert pair.from_client.eof_received() is False
        assert not pair.server.is_eof_written

    run(main)


def test_owner_hears_of_the_end_of_its_connection() -> None:
    async def main() -> None:
        pair = Pair()
        error = ConnectionResetError()
        pair.from_client.connection_lost(error)
        assert [owner.lost for owner in pair.owners] == [1, 0]
        assert pair.owners[0].error is error

    run(main)


def test_nothing_is_done_to_a_peer_that_closes() -> None:
    async def main() -> None:
        pair = Pair()
        pair.server.close()
        pair.from_client.data_received(b"late")
        assert pair.from_client.eof_received() is False
        pair.from_client.pause_writing()
        pair.from_client.resume_writing()
        assert pair.server.written == b""
        assert not pair.server.is_eof_written
        await turns(1)
        assert pair.owners[1].lost == 1

    run(main)


# --- on loopback ---


class Joining(Owner):
    """The downstream of a tunnel, which joins a connection to `port` on its first bytes."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.upstream = Owner()
        self.transport: Any = None
        self.joining: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.pause_reading()
        self.joining = asyncio.get_running_loop().create_task(self.join(data))

    async def join(self, held: bytes) -> None:
        loop = asyncio.get_running_loop()
        other: Any
        other, _ = await loop.create_connection(lambda: self.upstream, "127.0.0.1", self.port)
        self.others, self.upstream.others = [other], [self.transport]
        join((self.transport, self), (other, self.upstream))
        other.write(held)


@pytest.mark.parametrize("use_uvloop", [True, False])
@pytest.mark.parametrize("who_ends", ["client half-closes", "client closes", "server closes"])
def test_nothing_stays_open_on_the_wire(who_ends: str, use_uvloop: bool) -> None:
    async def main() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
                if who_ends == "server closes":
                    return
            writer.write(b"bye")

        async with StubUpstream(echo) as stub:
            made: list[Joining] = []

            def make() -> Joining:
                made.append(Joining(stub.port))
                return made[-1]

            loop = asyncio.get_running_loop()
            server = await loop.create_server(make, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            if who_ends == "client half-closes":
                writer.write_eof()
                assert await reader.read() == b"bye"
            elif who_ends == "client closes":
                writer.close()
            else:
                assert await reader.read() == b""
            if who_ends == "server closes":
                writer.close()
            await until(lambda: made[0].lost and made[0].upstream.lost)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            server.close()
            await turns(5)

    run(main, use_uvloop)
