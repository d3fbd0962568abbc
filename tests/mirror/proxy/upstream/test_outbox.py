"""Checks that small writes wait for the end of the turn, and that large ones leave at once."""

import asyncio

import pytest

from mirror.proxy.upstream.outbox import DIRECT_BYTES, MOST_WRITES, Outbox
from tests.fakes import FakeTransport, run, turns


def transports(number: int) -> list[FakeTransport]:
    return [FakeTransport(asyncio.Protocol()) for _ in range(number)]


def written(peers: list[FakeTransport]) -> list[bytes]:
    return [peer.written for peer in peers]


def test_writes_of_a_turn_are_kept_until_its_end() -> None:
    async def main() -> None:
        outbox, peers = Outbox(), transports(2)
        outbox.write(peers[0], b"a")
        outbox.write(peers[1], b"b")
        outbox.write(peers[0], b"c")
        assert written(peers) == [b"", b""]
        await turns(1)
        assert written(peers) == [b"ac", b"b"]
        outbox.write(peers[0], b"d")
        await turns(1)
        assert written(peers) == [b"acd", b"b"], "the next turn too"

    run(main)


def test_many_writes_do_not_wait() -> None:
    async def main() -> None:
        outbox, peers = Outbox(), transports(1)
        for number in range(MOST_WRITES - 1):
            outbox.write(peers[0], b"%x" % number)
        assert peers[0].written == b""
        outbox.write(peers[0], b"!")
        assert len(peers[0].written) == MOST_WRITES

    run(main)


def test_large_write_goes_out_behind_what_was_kept() -> None:
    async def main() -> None:
        outbox, peers = Outbox(), transports(1)
        outbox.write(peers[0], b"first")
        outbox.write(peers[0], b"x" * (DIRECT_BYTES - 1))
        assert peers[0].written == b""
        outbox.write(peers[0], b"y" * DIRECT_BYTES)
        assert peers[0].written == b"first" + b"x" * (DIRECT_BYTES - 1) + b"y" * DIRECT_BYTES

    run(main)


def test_one_write_at_most_keeps_none() -> None:
    async def main() -> None:
        outbox, peers = Outbox(most_writes=1), transports(1)
        outbox.write(peers[0], b"a")
        assert peers[0].written == b"a"

    run(main)


@pytest.mark.parametrize("is_closed", [True, False])
def test_kept_writes_to_a_closed_transport_are_void(is_closed: bool) -> None:
    async def main() -> None:
        outbox, peers = Outbox(), transports(2)
        outbox.write(peers[0], b"a")
        outbox.write(peers[1], b"b")
        if is_closed:
            peers[0].close()
        outbox.flush()
        assert written(peers) == [b"" if is_closed else b"a", b"b"]
        outbox.flush()
        assert peers[1].written == b"b", "each is done once"

    run(main)


def test_write_that_a_write_causes_is_done_too() -> None:
    class Answering(asyncio.Protocol):
        """A protocol whose transport fills up at once, and that reports it to another object."""

        def pause_writing(self) -> None:
            outbox.write(peer, b"stop")

    async def main() -> None:
        nonlocal outbox, peer
        outbox = Outbox()
        peer = FakeTransport(asyncio.Protocol())
        full = FakeTransport(Answering(), high_water_bytes=0)
        full.is_stuck = True
        outbox.write(full, b"a")
        await turns(2)
        assert (full.written, peer.written) == (b"a", b"stop")

    outbox: Outbox
    peer: FakeTransport
    run(main)
