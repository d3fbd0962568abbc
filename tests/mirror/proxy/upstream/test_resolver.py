"""Checks names that change, vanish and return, with lookups that the test answers."""

import asyncio
import socket
from collections.abc import Sequence

import pytest

from mirror.proxy.upstream.resolver import Resolver, look_up
from tests.fakes import run, turns

INTERVAL_S = 30.0


class Names:
    """A lookup whose answer can be changed; an exception as the answer is raised."""

    def __init__(self, answer: Sequence[str] | Exception) -> None:
        self.answer = answer
        self.asked = 0

    async def __call__(self, host: str) -> list[str]:
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return list(self.answer)


async def tick_late(resolver: Resolver) -> None:
    resolver.tick(asyncio.get_running_loop().time() + 2 * INTERVAL_S)
    await turns(4)


def test_an_address_is_never_looked_up() -> None:
    async def main() -> None:
        for host in ("127.0.0.1", "::1"):
            names = Names(OSError())
            resolver = Resolver(host, INTERVAL_S, names)
            assert await resolver.in_turn() == [host]
            await tick_late(resolver)
            assert names.asked == 0

    run(main)


def test_a_name_is_looked_up_once_for_all_who_wait() -> None:
    async def main() -> None:
        names = Names(["10.0.0.1", "10.0.0.2"])
        resolver = Resolver("a.test", INTERVAL_S, names)
        both = await asyncio.gather(resolver.in_turn(), resolver.in_turn())
        assert sorted(both) == [["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.1"]]
        assert names.asked == 1

    run(main)


def test_a_name_that_was_never_found_is_an_error_each_time() -> None:
    async def main() -> None:
        names = Names(socket.gaierror("no such name"))
        resolver = Resolver("a.test", INTERVAL_S, names)
        for _ in range(2):
            with pytest.raises(OSError, match="no such name"):
                await resolver.in_turn()
        assert names.asked == 2
        names.answer = ["10.0.0.1"]
        assert await resolver.in_turn() == ["10.0.0.1"]

    run(main)


def test_a_name_is_looked_up_again_in_time() -> None:
    async def main() -> None:
        names = Names(["10.0.0.1"])
        resolver = Resolver("a.test", INTERVAL_S, names)
        await resolver.in_turn()
        resolver.tick(asyncio.get_running_loop().time())
        assert names.asked == 1
        names.answer = ["10.0.0.1", "10.0.0.2"]
        await tick_late(resolver)
        assert (names.asked, resolver.generation) == (2, 0)
        names.answer = ["10.0.0.2"]
        await tick_late(resolver)
        assert (resolver.addresses, resolver.generation) == (("10.0.0.2",), 1)

    run(main)


def test_the_last_good_answer_stands_while_a_name_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        names = Names(["10.0.0.1"])
        resolver = Resolver("a.test", INTERVAL_S, names)
        await resolver.in_turn()
        names.answer = socket.gaierror("no such name")
        for _ in range(3):
            await tick_late(resolver)
            assert await resolver.in_turn() == ["10.0.0.1"]
        assert names.asked == 4
        assert caplog.text.count("cannot be looked up (no such name): keeping 10.0.0.1") == 1
        names.answer = ["10.0.0.1"]
        caplog.set_level("INFO")
        await tick_late(resolver)
        assert "can be looked up again" in caplog.text

    run(main)


def test_one_who_gives_up_waiting_takes_nothing_from_the_others() -> None:
    async def main() -> None:
        resolver = Resolver("a.test", INTERVAL_S, Names(["10.0.0.1"]))
        first = asyncio.create_task(resolver.in_turn())
        second = asyncio.create_task(resolver.in_turn())
        await turns(1)
        first.cancel()
        assert await second == ["10.0.0.1"]

    run(main)


def test_close_ends_a_look_up() -> None:
    async def main() -> None:
        async def never(host: str) -> list[str]:
            await asyncio.Event().wait()
            return []

        resolver = Resolver("a.test", INTERVAL_S, never)
        waiting = asyncio.create_task(resolver.in_turn())
        await turns(2)
        resolver.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(main)


def test_the_system_is_asked() -> None:
    async def main() -> None:
        assert "127.0.0.1" in await look_up("localhost")
        with pytest.raises(ValueError):
            await look_up("a..b")

    run(main)
