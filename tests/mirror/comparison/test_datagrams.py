"""Checks that datagrams are read within a bound, and that what the kernel drops is counted."""

import asyncio
import socket
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mirror.addresses import UdpAddress, UnixAddress
from mirror.comparison.datagrams import MOST_A_TICK, MOST_BYTES_A_TICK, Datagrams
from mirror.errors import ListenError
from mirror.process.listeners import check_listener, open_datagrams


async def wait_until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_true():
            await asyncio.sleep(0.002)


def over_udp(
    play: Callable[[Datagrams, socket.socket, list[bytes]], Awaitable[None]],
    most_a_tick: int = MOST_A_TICK,
) -> None:
    """Run `play` with a source on a free port, a socket that sends to it, and what came."""

    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            listener = open_datagrams(UdpAddress("127.0.0.1", 0))
            client.connect(listener.socket.getsockname())
            source, came = Datagrams(listener, most_a_tick), list[bytes]()
            source.start(came.append)
            await play(source, client, came)
            source.stop()
            assert listener.socket.fileno() == -1

    asyncio.run(run())


def test_datagrams_come_in_their_order() -> None:
    async def play(source: Datagrams, client: socket.socket, came: list[bytes]) -> None:
        for number in range(20):
            client.send(b"%d" % number)
        await wait_until(lambda: len(came) == 20)
        for number in range(20, 40):  # behind a pause
            client.send(b"%d" % number)
        await wait_until(lambda: len(came) == 40)
        assert came == [b"%d" % number for number in range(40)]
        assert source.tick(0.0) == 0

    over_udp(play)


def test_a_flood_is_read_within_a_bound_and_the_rest_is_counted() -> None:
    async def play(source: Datagrams, client: socket.socket, came: list[bytes]) -> None:
        sent = 30_000  # more than the largest buffer that is asked for holds
        for _ in range(sent):
            client.send(b"x" * 400)
        dropped = source.tick(0.0)
        for tick in range(1, (sent - dropped) // 1000 + 2):
            expected = min(1000 * tick, sent - dropped)
            while len(came) < expected:
                await asyncio.sleep(0)
            for _ in range(10):
                await asyncio.sleep(0)  # turns of the loop in which nothing more is read
            assert len(came) == expected
            assert source.tick(0.0) == 0
        assert dropped > 0
        assert len(came) + dropped == sent

    over_udp(play, most_a_tick=1000)


def test_long_datagrams_are_read_within_a_bound_of_bytes() -> None:
    most = MOST_BYTES_A_TICK // 60_000 + 1

    async def play(source: Datagrams, client: socket.socket, came: list[bytes]) -> None:
        async with asyncio.timeout(10):
            while len(came) < most:
                client.send(b"x" * 60_000)
                await asyncio.sleep(0)
        client.send(b"x" * 60_000)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(came) == most
        source.tick(0.0)
        await wait_until(lambda: len(came) > most)

    over_udp(play)


def test_what_is_left_is_read_at_the_end() -> None:
    async def play(source: Datagrams, client: socket.socket, came: list[bytes]) -> None:
        for number in range(600):
            client.send(b"%d" % number)
        source.read_rest(0.0)
        assert len(came) == 600

    over_udp(play)


def test_a_unix_socket_has_permissions_and_is_removed(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "log.sock"
        address = UnixAddress(str(path), "0622")
        came: list[bytes] = []
        source = Datagrams(open_datagrams(address))
        source.start(came.append)
        assert stat.S_IMODE(path.stat().st_mode) == 0o622
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.connect(str(path))
            for number in range(30):
                await asyncio.sleep(0)
                client.send(b"%d" % number)
            await wait_until(lambda: len(came) == 30)
        with pytest.raises(ListenError, match="another sidecar"):
            check_listener(address, is_ours=False)
        source.stop()
        assert not path.exists()

    asyncio.run(run())


def test_a_port_in_use_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        address = UdpAddress("127.0.0.1", other.getsockname()[1])
        for refuse in (lambda: open_datagrams(address), lambda: check_listener(address, False)):
            with pytest.raises(ListenError, match=f"cannot listen on {address}: .*in use"):
                refuse()
        check_listener(address, is_ours=True)
    check_listener(address, is_ours=False)


def test_another_process_keeps_its_datagram_socket(tmp_path: Path) -> None:
    path = tmp_path / "log.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.bind(str(path))
        with pytest.raises(ListenError, match="another process answers"):
            open_datagrams(UnixAddress(str(path)))
