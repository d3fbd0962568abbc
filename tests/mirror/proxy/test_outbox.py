"""When writes are kept until the end of the loop's turn, and when they are not."""

import asyncio

import pytest

from mirror.proxy.outbox import DIRECT_BYTES, Outbox
from tests.fakes import FakeTransport, run, turns


def transport() -> FakeTransport:
    return FakeTransport(asyncio.Protocol())


def test_writes_of_a_turn_are_done_at_its_end_in_order() -> None:
    async def main() -> None:
        outbox, one, other = Outbox(), transport(), transport()
        outbox.write(one, b"a")
        outbox.write(other, b"b")
        outbox.write(one, b"c")
        assert (one.written, other.written) == (b"", b"")
        await turns(1)
        assert (one.written, other.written) == (b"ac", b"b")
        outbox.write(one, b"d")
        await turns(1)
        assert one.written == b"acd", "the next turn is asked for anew"

    run(main)


def test_only_so_many_writes_are_kept() -> None:
    async def main() -> None:
        outbox, one = Outbox(most_writes=3), transport()
        outbox.write(one, b"a")
        outbox.write(one, b"b")
        assert one.written == b""
        outbox.write(one, b"c")
        assert one.written == b"abc"
        outbox.write(one, b"d")
        assert one.written == b"abc"

    run(main)


@pytest.mark.parametrize(("size", "is_direct"), [(DIRECT_BYTES, True), (DIRECT_BYTES - 1, False)])
def test_large_writes_go_out_at_once_behind_what_is_kept(size: int, is_direct: bool) -> None:
    async def main() -> None:
        outbox, one = Outbox(), transport()
        outbox.write(one, b"a")
        outbox.write(one, b"x" * size)
        assert len(one.written) == (size + 1 if is_direct else 0)
        assert not is_direct or one.written.startswith(b"ax")

    run(main)


def test_one_write_at_most_is_no_keeping() -> None:
    async def main() -> None:
        outbox, one = Outbox(most_writes=1), transport()
        outbox.write(one, b"a")
        assert one.written == b"a"

    run(main)


def test_nothing_is_written_to_what_has_closed() -> None:
    async def main() -> None:
        outbox, one, other = Outbox(), transport(), transport()
        outbox.write(one, b"a")
        outbox.write(other, b"b")
        one.abort()
        outbox.flush()
        assert (one.written, other.written) == (b"", b"b")

    run(main)


def test_a_write_during_the_flush_is_kept_for_the_next() -> None:
    class Answering(asyncio.Protocol):
        def pause_writing(self) -> None:
            outbox.write(other, b"b")

    outbox: Outbox
    other: FakeTransport

    async def main() -> None:
        nonlocal outbox, other
        outbox, other = Outbox(), transport()
        one = FakeTransport(Answering(), high_water_bytes=0)
        one.is_stuck = True
        outbox.write(one, b"a")
        outbox.flush()
        assert (one.written, other.written) == (b"a", b"")
        await turns(1)
        assert other.written == b"b"

    run(main)
