"""Checks the viewers of the page: each gets the newest event, and nobody waits for a slow one."""

import asyncio
from collections.abc import Sequence

import pytest

from mirror.admin import viewers as viewers_module
from mirror.admin.viewers import MOST_VIEWERS, Viewers


class Viewer(asyncio.Transport):
    """One viewer, which takes what is written unless it is told to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[bytes] = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.is_aborted = False

    async def write_event(self, data: bytes) -> None:
        await self.takes.wait()
        self.got.append(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def watch(viewers: Viewers, viewer: Viewer, newest: list[Sequence[bytes]]) -> "asyncio.Task[None]":
    async def serve() -> None:
        with viewers.seat(viewer):
            await viewers.serve(viewer, viewer.write_event, lambda: newest[-1])

    return asyncio.create_task(serve())


def test_every_viewer_gets_each_event_once() -> None:
    async def main() -> None:
        viewers, newest = Viewers(), [(b"now 1", b"hour 1")]
        first, second = Viewer(), Viewer()
        tasks = [watch(viewers, viewer, newest) for viewer in (first, second)]
        await settle()
        assert viewers.number == 2
        newest.append((b"now 2", newest[0][1]))
        viewers.publish()
        await settle()
        assert first.got == second.got == [b"now 1", b"hour 1", b"now 2"]
        viewers.close()
        await asyncio.gather(*tasks)
        assert viewers.number == 0 and not first.is_aborted

    asyncio.run(main())


def test_a_slow_viewer_misses_events_and_holds_up_nobody() -> None:
    async def main() -> None:
        viewers, newest = Viewers(), [(b"1",)]
        slow, quick = Viewer(), Viewer()
        slow.takes.clear()
        tasks = [watch(viewers, viewer, newest) for viewer in (slow, quick)]
        for number in (b"2", b"3"):
            await settle()
            newest.append((number,))
            viewers.publish()
        await settle()
        assert (slow.got, quick.got) == ([], [b"1", b"2", b"3"])
        slow.takes.set()
        await settle()
        assert slow.got == [b"1", b"3"]
        viewers.close()
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_a_viewer_that_takes_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        viewers, viewer = Viewers(), Viewer()
        viewer.takes.clear()
        await watch(viewers, viewer, [(b"1",)])
        assert viewer.is_aborted and viewers.number == 0

    monkeypatch.setattr(viewers_module, "LONGEST_WRITE_S", 0.0)
    asyncio.run(main())


def test_a_viewer_that_has_gone_is_forgotten() -> None:
    async def main() -> None:
        viewers, viewer = Viewers(), Viewer()
        task = watch(viewers, viewer, [(b"1",)])
        await settle()
        viewer.is_aborted = True
        assert viewers.number == 0, "the seat is free before the next event"
        viewers.publish()
        await task

        async def gone(data: bytes) -> None:
            raise ConnectionResetError

        await viewers.serve(Viewer(), gone, lambda: (b"1",))
        assert viewers.number == 0

    asyncio.run(main())


def test_there_are_few_seats() -> None:
    async def main() -> None:
        viewers = Viewers()
        tasks = [watch(viewers, Viewer(), [(b"1",)]) for _ in range(MOST_VIEWERS)]
        await settle()
        assert viewers.is_full
        viewers.close()
        await asyncio.gather(*tasks)
        assert not viewers.is_full

    asyncio.run(main())
