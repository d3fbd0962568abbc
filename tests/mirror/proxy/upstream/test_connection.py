"""Checks what both kinds of upstream share: origins, and successful, failed and late connects."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mirror.core.pool import Pool
from mirror.proxy.upstream.connection import Origin, Upstream, UpstreamConnection
from mirror.proxy.upstream.relaying import RelayingConnection
from mirror.proxy.upstream.resolver import Resolver
from tests.fakes import FakeTransport, WiredRelaying, free_port, run, turns, until


class Legs(Upstream):
    """A minimal upstream that counts the calls it receives."""

    def __init__(self, origin: Origin) -> None:
        super().__init__(origin, Pool(2, 2, 2))
        self.made: list[UpstreamConnection] = []
        self.failures = 0
        self.errors: list[Exception | None] = []
        self.on_connect = self.errors.append

    def make_connection(self) -> UpstreamConnection:
        return UpstreamConnection(self)

    def open_failed(self, error: Exception) -> None:
        self.failures += 1
        super().open_failed(error)

    def opened(self, connection: UpstreamConnection) -> None:
        self.made.append(connection)
        super().opened(connection)

    def ask(self) -> None:
        """Ask for one connection without a leg, which is idle once it is made."""
        self._pool.assign("leg")
        self._pool.withdraw("leg")
        self.open()


# --- origins ---


@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        (Origin("a.example", 80), "a.example:80"),
        (Origin("/run/app.sock"), "unix:/run/app.sock"),
    ],
)
def test_origin_shows_where_it_is(origin: Origin, shown: str) -> None:
    assert str(origin) == shown


def test_upstream_shows_its_origin_and_pool() -> None:
    async def main() -> None:
        shown = repr(Legs(Origin("a.example", 80)))
        assert shown == "<Legs a.example:80 <Pool open=0 idle=0 waiting=0>>"

    run(main)


@pytest.mark.parametrize("use_uvloop", [True, False])
@pytest.mark.parametrize("kind", ["IPv4", "IPv6", "unix"])
def test_every_kind_of_address_is_reached(kind: str, use_uvloop: bool, tmp_path: Path) -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
            ended.set()

        path = tmp_path / "app.sock"
        if kind == "unix":
            server = await asyncio.start_unix_server(serve, path)
            origin = Origin(str(path))
        else:
            address = "127.0.0.1" if kind == "IPv4" else "::1"
            server = await asyncio.start_server(serve, address, 0)
            origin = Origin(address, server.sockets[0].getsockname()[1])
        upstream = Legs(origin)
        upstream.ask()
        await until(lambda: upstream.made and not upstream._connects)
        assert upstream.errors == [None]
        assert upstream.made[0].was_made
        upstream.close()
        assert upstream._pool._open == 0
        await ended.wait()
        server.close()
        await server.wait_closed()

    if kind == "IPv6" and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    run(main, use_uvloop)


# --- connects that fail ---


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "x" * 70 + ".test"])
def test_connect_that_cannot_work_fails(host: str) -> None:
    async def main() -> None:
        upstream = Legs(Origin(host, free_port()))
        upstream.ask()
        await until(lambda: upstream.failures)
        assert len(upstream.errors) == 1
        assert isinstance(upstream.errors[0], (OSError, ValueError))
        assert upstream._pool._open == 0

    run(main)


def test_unix_socket_that_is_not_there_fails(tmp_path: Path) -> None:
    async def main() -> None:
        upstream = Legs(Origin(str(tmp_path / "none.sock")))
        upstream.ask()
        await until(lambda: upstream.failures)
        assert isinstance(upstream.errors[0], FileNotFoundError)

    run(main)


def test_connect_gives_up_after_its_timeout() -> None:
    async def main() -> None:
        # RFC 5737 reserves this address for documentation, so nothing answers.
        upstream = Legs(Origin("192.0.2.1", 80, connect_timeout_s=0.05))
        upstream.ask()
        await until(lambda: upstream.failures)

    run(main)


def test_timeout_of_a_made_connection_is_counted_once() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def late(make: Callable[[], UpstreamConnection], *_: object, **__: object) -> None:
            """Make the connection, and then run into the timeout."""
            connection = make()
            connection.connection_made(FakeTransport(connection))
            connection.close()
            raise TimeoutError

        loop.create_connection = late  # type: ignore[method-assign,assignment]
        upstream = Legs(Origin("127.0.0.1", 1))
        upstream.ask()
        await turns()
        assert (len(upstream.made), upstream.failures, upstream.errors) == (1, 0, [None])
        assert upstream._pool._open == 0

    run(main, use_uvloop=False)


def test_closing_cancels_connects() -> None:
    async def main() -> None:
        upstream = Legs(Origin("192.0.2.1", 80))
        upstream.ask()
        await turns(1)
        assert upstream._connects
        upstream.close()
        await until(lambda: not upstream._connects)
        assert upstream.failures == 0

    run(main)


# --- names ---


async def named(names: Sequence[str]) -> tuple[WiredRelaying, list[str]]:
    """Return an upstream whose name resolves to these addresses, and their changeable list."""
    upstream = WiredRelaying(Pool(4, 4, 4))
    answer = list(names)

    async def look_up(host: str) -> list[str]:
        return answer

    upstream._resolver = Resolver("upstream.test", 30.0, look_up)
    await upstream._resolver.in_turn()
    return upstream, answer


def idle_at(upstream: WiredRelaying, address: str) -> RelayingConnection:
    """Return an idle connection to that address."""
    upstream._pool.assign("leg", fresh=True)
    upstream.open()
    upstream._pool.withdraw("leg")
    connection, _ = upstream.accept()
    connection.address = address
    return connection


async def look_up_again(upstream: Upstream) -> None:
    late = asyncio.get_running_loop().time() + 3600
    upstream.tick(late)
    await turns(4)
    upstream.tick(late)


def test_all_addresses_of_a_name_are_tried() -> None:
    async def main() -> None:
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        upstream = Legs(Origin("upstream.test", port))

        async def look_up(host: str) -> list[str]:
            return ["127.0.0.2", "127.0.0.1"]

        upstream._resolver = Resolver("upstream.test", 30.0, look_up)
        for number in (1, 2, 3):
            upstream.ask()
            await until(lambda: len(upstream.made) == number and not upstream._connects)  # noqa: B023
        assert upstream.errors == [None, None, None]
        assert {connection.address for connection in upstream.made} == {"127.0.0.1"}
        upstream.close()
        server.close()
        await server.wait_closed()

    run(main)


def test_idle_connection_to_an_address_that_is_gone_is_closed() -> None:
    async def main() -> None:
        upstream, answer = await named(["10.0.0.1", "10.0.0.2"])
        connections = [idle_at(upstream, address) for address in answer]
        await look_up_again(upstream)
        assert len(upstream._pool.idle) == 2
        answer.remove("10.0.0.1")
        await look_up_again(upstream)
        assert upstream._pool.idle == (connections[1],)

    run(main)


def test_busy_connection_to_an_address_that_is_gone_serves_no_other_leg() -> None:
    async def main() -> None:
        upstream, answer = await named(["10.0.0.1"])
        connection = idle_at(upstream, "10.0.0.1")
        assert upstream._pool.assign("leg") is connection
        answer[:] = ["10.0.0.2"]
        await look_up_again(upstream)
        assert upstream._pool._open == 1
        upstream.released(connection)
        assert upstream._pool._open == 0

    run(main)


# --- ends ---


def idle_connection() -> tuple[WiredRelaying, RelayingConnection, FakeTransport]:
    upstream = WiredRelaying(Pool(1, 1, 1))
    upstream._pool.assign("leg")
    upstream.open()
    upstream._pool.withdraw("leg")
    return upstream, *upstream.accept()


def test_connection_at_its_end_leaves_the_pool_once() -> None:
    async def main() -> None:
        upstream, connection, _ = idle_connection()
        assert upstream._pool.idle == (connection,)
        connection.eof_received()
        assert upstream._pool._open == 0
        connection.eof_received()
        connection.connection_lost(None)
        assert upstream._pool._open == 0

    run(main)


def test_lost_connection_is_replaced_for_who_waits() -> None:
    async def main() -> None:
        upstream, connection, _ = idle_connection()
        upstream._pool.assign("first")
        upstream._pool.assign("second")
        connection.connection_lost(None)
        assert upstream.opening == 1

    run(main)


def test_closing_aborts_what_is_idle() -> None:
    async def main() -> None:
        upstream, _, transport = idle_connection()
        upstream.close()
        assert transport.is_aborted
        assert upstream._pool._open == 0

    run(main)


def test_kind_must_say_what_legs_get() -> None:
    async def main() -> None:
        bare = Upstream(Origin("a", 1), Pool(1, 1, 1))
        bare.on_connect(None)
        with pytest.raises(NotImplementedError):
            bare.make_connection()
        with pytest.raises(NotImplementedError):
            bare.connect_failed("leg", OSError())
        with pytest.raises(NotImplementedError):
            UpstreamConnection(bare).serve("leg")

    run(main)
